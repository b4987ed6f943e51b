"""What PROCEED learns before it goes online: concepts of rows, and scales generated from drift."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.forecasters.online.drift_generator import Concept, DriftGenerator, clipped
from memories.forecasters.online.modulation import Modulation


class DriftAdapter(nn.Module):
    """Maps the drift between a window and the newest complete pair to an adaptation.

        delta = k(X) - k'(X', Y'), clipped to norm 1        (Zhao & Shen 2025)

    Args:
        modulation: Layout of the backbone's layers.
        lookback: L.
        horizon: H.
        width: Width of a concept.
        bottleneck: Width of the generator's hidden layer.
        generator: Draws the initial weights.
    """

    unit: Tensor

    def __init__(
        self,
        modulation: Modulation,
        lookback: int,
        horizon: int,
        width: int,
        bottleneck: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.window_concept = Concept(lookback, width, generator)
        self.pair_concept = Concept(lookback + horizon, width, generator)
        self.generator = DriftGenerator(modulation.layers, width, bottleneck, generator)
        self.register_buffer("unit", modulation.unit(), persistent=False)

    def generated(self, window: Tensor, known: Tensor) -> Tensor:
        """What is added to the layers' offsets [.., A].

        Args:
            window: [.., L, C].
            known: Concept [.., width] of the newest complete pair.
        """
        generated: Tensor = self.generator(clipped(self.window_concept(window) - known))
        return generated

    def scales(self, window: Tensor, known: Tensor) -> Tensor:
        """The same plus 1 where it scales: what `Modulation.parameters` takes [A]."""
        return self.generated(window, known) + self.unit
