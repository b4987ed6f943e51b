"""Dynamic banks: stored events, retrieved by cosine and read by attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.base import State
from memories.hpm.behaviour import DynInit, DynScale
from memories.hpm.event_ring import NO_ID
from memories.hpm.nearest_events import Neighbours, nearest_events
from memories.slots.masked_softmax import masked_softmax
from memories.slots.ring import ring_age


class DynamicBanks(nn.Module):
    """Answers of banks of events: of each query's m nearest keys, the weighted mean of values.

    The weights are softmax(cos(z, k_i) / temperature) with ``cos-tau``, and
    softmax(<W_b z, k_i> / sqrt(D)) with ``sqrt-d``, over the m events of highest cosine. A bank
    without events answers zeros. What is stored has no gradient; W has.

    Args:
        width: D.
        banks: nD.
        count: m.
        scale: Which weights.
        temperature: Of ``cos-tau``.
        init: Start of W.
        generator: Source of W if it does not start as the identity.
    """

    temperature: Tensor

    def __init__(
        self,
        width: int,
        banks: int,
        *,
        count: int,
        scale: DynScale,
        temperature: float,
        init: DynInit,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        self.query_maps = None
        if scale == "sqrt-d":
            maps = torch.eye(width).repeat(banks, 1, 1)
            if init == "default":
                drawn = torch.rand(banks, width, width, generator=generator)
                maps = (2 * drawn - 1) / math.sqrt(width)
            self.query_maps = nn.Parameter(maps)

    def retrieve(self, state: State, z: Tensor, exclude_ids: Tensor | None) -> Neighbours:
        """The nearest events of every bank, stacked [nD, Q, m], for codes [Q, D].

        Args:
            state: Entries as of `event_ring.empty_rings`.
            z: [Q, D].
            exclude_ids: Ids [Q] of events that may not be retrieved, -1 for none; or None.
        """
        capacity = state["dyn_key"].shape[1] - 1
        found = []
        for bank in range(state["dyn_key"].shape[0]):
            ids = state["dyn_id"][bank, :-1]
            usable = torch.arange(capacity, device=z.device) < state["dyn_size"][bank]
            if exclude_ids is not None:
                own = (ids == exclude_ids[:, None]) & (exclude_ids != NO_ID)[:, None]
                usable = usable & ~own
            order = ring_age(state["dyn_head"][bank], capacity)
            keys = state["dyn_key"][bank, :-1]
            found.append(nearest_events(z, keys, usable, order, self.count))
        return Neighbours(*(torch.stack(parts) for parts in zip(*found, strict=True)))

    def forward(self, state: State, z: Tensor, neighbours: Neighbours) -> Tensor:
        """Answers [Q, nD, V] for codes [Q, D] and the events retrieved for them."""
        answers = []
        for bank, (slots, cosine, found) in enumerate(zip(*neighbours, strict=True)):
            logits = cosine / self.temperature
            if self.query_maps is not None:
                keys = state["dyn_key"][bank][slots]
                mapped = z @ self.query_maps[bank].mT
                logits = (keys @ mapped[..., None])[..., 0] / math.sqrt(z.shape[-1])
            weights = masked_softmax(logits, found)
            answers.append((weights[:, None] @ state["dyn_val"][bank][slots])[:, 0])
        return torch.stack(answers, dim=1)
