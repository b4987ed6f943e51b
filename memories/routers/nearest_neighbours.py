"""The plain baseline of routing: every event is kept, the nearest ones vote."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import Router, State
from memories.features import unit
from memories.slots.nearest import nearest, rounding
from memories.slots.ring import ring_age, ring_valid, ring_write


@memory("nearest-neighbours", family="routers", source="Cover & Hart 1967")
class NearestNeighbours(Router):
    """Scores a label by its share among the k stored events of largest cosine.

    At most as many neighbours vote as there are events per label seen, so that with one event of
    each label this is the nearest neighbour. Of equally near events the newest count; of equal
    shares the first label wins. It has no banks.

    State: ``z`` [M, d] of length one, ``label`` [M], ``id`` [M], ``count``. Beyond M events the
    oldest are overwritten.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        max_events: Events the task will write; the capacity unless one is given.
        capacity: Slots M.
        k: Neighbours that vote; more than there are slots means all of them.
    """

    slot_state = ("z",)
    excludes = True
    blank: Tensor

    def __init__(
        self,
        key_dim: int,
        label_groups: tuple[int, ...],
        *,
        max_events: int,
        capacity: Annotated[int, Ge(1)] | None = None,
        k: Annotated[int, Ge(1)] = 5,
    ) -> None:
        super().__init__()
        self.key_dim, self.labels = key_dim, len(label_groups)
        self.capacity = max_events if capacity is None else capacity
        self.k = min(k, self.capacity)
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        whole = self.blank.new_zeros(self.capacity, dtype=torch.int64)
        return {
            "z": self.blank.new_zeros(self.capacity, self.key_dim),
            "label": whole,
            "id": whole - 1,
            "count": self.blank.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], self.capacity)

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        slots = {name: state[name] for name in ("z", "label", "id")}
        slots = ring_write(slots, {"z": unit(z), "label": labels, "id": ids}, state["count"])
        return {**slots, "count": state["count"] + z.shape[0]}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        order = ring_age(state["count"], self.capacity)
        events = torch.where(self.valid(state)[:, None], state["z"], 0.0)[order]
        usable = self.valid(state)[order].expand(z.shape[0], -1)
        if exclude_ids is not None:
            own = state["id"][order] == exclude_ids[:, None]
            usable = usable & ~(own & (exclude_ids >= 0)[:, None])
        labelled = state["label"][order][:, None] == torch.arange(self.labels, device=z.device)
        cosines = torch.where(usable, unit(z) @ events.mT, -torch.inf)
        position = nearest(cosines, self.k, rounding(cosines))
        found = cosines.gather(-1, position)
        # by distance, so that fewer than k votes are those of the nearest
        rank = found.sort(dim=-1, descending=True, stable=True).indices.argsort(dim=-1)
        votes = (rank < self._voters(usable, labelled)) & usable.gather(-1, position)
        weights = votes.to(z.dtype)
        shares = (weights[..., None] * labelled[position]).sum(-2)
        scores = shares / weights.sum(-1, keepdim=True).clamp(min=1)
        return scores, z.new_zeros(z.shape[0], 0), state

    def _voters(self, usable: Tensor, labelled: Tensor) -> Tensor:
        """Neighbours that vote [Q, 1]: at most k, and the events per label seen, rounded down."""
        per_label = usable.to(self.blank.dtype) @ labelled.to(self.blank.dtype)
        seen = (per_label > 0).sum(-1, keepdim=True).clamp(min=1)
        return (usable.sum(-1, keepdim=True) // seen).clamp(min=1, max=self.k)
