"""Differentiable neural dictionary: known keys are updated in place, new ones take a slot."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.features import KeyNorm, normalise_keys
from memories.slots.blocks import in_blocks
from memories.slots.ring import capacity_within

USE_TIME_WORDS = 2
"""The time of last use is int64: two 32-bit words."""
CHUNK = 256
"""Events whose distances to all slots and to each other are computed at once."""


@memory("dnd", family="slots", source="Pritzel et al. 2017")
class Dnd(AssociativeMemory):
    """Recalls the mean of the `top_k` nearest values, weighted by an inverse distance.

    Weights are proportional to 1 / (|q - h|^2 + kernel_offset). An event whose key lies within
    `tolerance` of the nearest stored key moves that slot's value, v_slot <- v_slot + update_rate
    (v - v_slot), and leaves its key; any other event replaces the slot whose last write is
    longest ago. Pritzel et al. count a read as a use as well; here only writes do.

    State: ``keys`` [M, D], ``values`` [M, V], ``last_used`` [M] the number of the event that last
    wrote the slot, negative while it is unused, ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M.
        top_k: Neighbours read, and all that are as near as the last of them; more than there are
            slots means all of them.
        update_rate: Share of the error that an event corrects in a known key's value; 1
            overwrites it.
        kernel_offset: Added to a squared distance before it is inverted.
        tolerance: Squared distance below which a key counts as one that is stored.
        key_norm: Preprocessing of keys and queries.
    """

    slot_state = ("keys", "values")
    update_rate: Tensor
    kernel_offset: Tensor
    tolerance: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 1024,
        top_k: Annotated[int, Ge(1)] = 50,
        update_rate: Annotated[float, Gt(0), Le(1)] = 0.1,
        kernel_offset: Annotated[float, Gt(0)] = 1e-3,
        tolerance: Annotated[float, Gt(0)] = 1e-6,
        key_norm: KeyNorm = "none",
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.top_k = min(top_k, capacity)
        self.key_norm: KeyNorm = key_norm
        self.scalar("update_rate", update_rate)
        self.scalar("kernel_offset", kernel_offset)
        self.scalar("tolerance", tolerance)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim + USE_TIME_WORDS)

    @override
    def init_state(self) -> State:
        device = self.update_rate.device
        return {
            "keys": self.update_rate.new_zeros(self.capacity, self.key_dim),
            "values": self.update_rate.new_zeros(self.capacity, self.value_dim),
            # no two alike: which unused slot is the least recently used is never a tie
            "last_used": torch.arange(-self.capacity, 0, device=device),
            "count": self.update_rate.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return state["last_used"] >= 0

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        keys = normalise_keys(keys, self.key_norm)
        for start in range(0, keys.shape[0], CHUNK):
            span = slice(start, start + CHUNK)
            state = self._write_chunk(state, keys[span], values[span])
        return state

    def _write_chunk(self, state: State, keys: Tensor, values: Tensor) -> State:
        slot, known, origin, last_used = self._assign(state, keys)
        stored = torch.cat([state["keys"], keys])
        return {
            "keys": stored[origin],
            "values": self._blend(state, slot, known, values),
            "last_used": last_used,
            "count": state["count"] + keys.shape[0],
        }

    def _assign(self, state: State, keys: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where each of n events goes; only this is decided event by event.

        Returns:
            ``slot`` [n] and whether its key was ``known`` [n]; and per slot after all events,
            ``origin`` [M], whose key it holds (slot m's old one, or that of event i as M + i),
            and ``last_used`` [M].
        """
        device, n = keys.device, keys.shape[0]
        old = torch.where(self.valid(state)[:, None], state["keys"], 0.0)
        distances = squared_distances(keys.detach(), torch.cat([old, keys]).detach())
        origin = torch.arange(self.capacity, device=device)
        last_used = state["last_used"]
        slots, hits = [], []
        for t in range(n):
            to_slots = torch.where(last_used >= 0, distances[t][origin], torch.inf)
            closest, at = to_slots.min(0)
            hit = closest < self.tolerance
            slot = torch.where(hit, at, last_used.argmin())[None]
            origin = origin.index_copy(0, slot, torch.where(hit, origin[slot], self.capacity + t))
            last_used = last_used.index_copy(0, slot, (state["count"] + t)[None])
            slots.append(slot)
            hits.append(hit)
        return torch.cat(slots), torch.stack(hits), origin, last_used

    def _blend(self, state: State, slot: Tensor, known: Tensor, values: Tensor) -> Tensor:
        """Values [M, V] after n events went to their slots.

        A slot's value is a sum over what was written to it since it was last replaced: each
        write of a known key leaves 1 - update_rate of all that came before it.
        """
        n = slot.shape[0]
        order = torch.arange(n, device=slot.device)
        later = (slot[:, None] == slot) & (order > order[:, None])
        events = torch.where(known, self.update_rate, 1.0)
        share = self._surviving((later & known).sum(-1), (later & ~known).any(-1)) * events
        written = torch.arange(self.capacity, device=slot.device)[:, None] == slot
        kept = self._surviving((written & known).sum(-1), (written & ~known).any(-1))
        # an unused slot may hold anything: it is masked before it is weighted
        old = torch.where(self.valid(state)[:, None], state["values"], 0.0)
        moved = kept[:, None] * old + torch.where(written, share, 0.0) @ values
        return torch.where(written.any(-1)[:, None], moved, state["values"])

    def _surviving(self, updates: Tensor, replaced: Tensor) -> Tensor:
        """What is left of a value after so many updates of its slot, and maybe a replacement."""
        return torch.where(replaced, 0.0, (1 - self.update_rate) ** updates)

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        values = torch.where(self.valid(state)[:, None], state["values"], 0.0)
        return in_blocks(lambda block: self._weights(state, block)[0] @ values, queries)

    def read_info(self, state: State, queries: Tensor) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``weights`` and ``sim``, the negative squared distance, [Q, M]; ``valid`` [M]; ``age`` [M]
        in events since the slot was last written.
        """
        weights, distances = self._weights(state, queries)
        return {
            "values": self.read(state, queries),
            "weights": weights,
            "sim": -distances,
            "valid": self.valid(state),
            "age": state["count"] - 1 - state["last_used"],
        }

    def _weights(self, state: State, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Weights, zero but for the nearest slots, and squared distances, both [Q, M]."""
        valid = self.valid(state)
        keys = torch.where(valid[:, None], state["keys"], 0.0)
        distances = squared_distances(normalise_keys(queries, self.key_norm), keys)
        chosen = valid.expand_as(distances)
        if self.top_k < self.capacity:
            scores = torch.where(valid, -distances.detach(), -torch.inf)
            chosen = chosen & (scores >= scores.topk(self.top_k, dim=-1).values[:, -1:])
        kernel = torch.where(chosen, 1 / (distances + self.kernel_offset), 0.0)
        total = kernel.sum(-1, keepdim=True)
        return kernel / torch.where(total > 0, total, 1.0), distances


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 [n, m] from differences: the form with products is off by 1e-7 |a|^2."""
    root = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return root * root
