"""All that a router of one seed meets, from its first training event to its last test query."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.arc.routing_events import Counts, Events


@dataclass(frozen=True)
class RoutingData:
    """The events of one seed.

    Attributes:
        train: Training events with their true labels.
        shown: The same as the router sees them; in the control, with permuted labels.
        validation: Episodes to choose parameters on.
        test: Test episodes.
        parts: Rows of the training events in the order of presentation, cut at check-points.
        order: Rows [T, B] of each training step.
    """

    train: Events
    shown: Events
    validation: Events
    test: Events
    parts: list[Counts]
    order: Counts

    def training(self) -> dict[str, Tensor]:
        """What `memories.base.Router.fit` is given."""
        return {
            "z": torch.from_numpy(self.shown.z),
            "label": torch.from_numpy(self.shown.labels),
            "id": torch.from_numpy(self.shown.ids),
            "order": torch.from_numpy(self.order),
        }
