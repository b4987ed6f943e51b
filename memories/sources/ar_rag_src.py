"""Retrieval as first sketched: random neighbours, fused by weights that nothing trained."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.features import unit
from memories.slots.blocks import in_blocks
from memories.slots.nearest import nearest, rounding
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write
from memories.sources.cross_attention import CrossAttention

INIT_SCALE = 0.1


@memory("ar-rag-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArRagSrc(AssociativeMemory):
    """Recalls random neighbours through random projections: the published-as-is form.

    The `top_k` stored keys of the largest cosine with q W_q are attended to by four heads,
    query q W_q, keys and values as stored. What is known to be wrong: the query is projected and
    the keys are not, so that neighbours are random; values pass the attention's input and output
    weights, which nothing inverts: flipping the signs of the output weights negates every read,
    and recall is zero on average. The form that works is `ar-rag`.

    Of equally near events the newest are taken. Where the four heads do not divide V the
    attention is as wide as the next multiple, and projects back to V.

    State: ``keys`` [M, D], ``values`` [M, V], ``count``. Slow weights: W_q [D, D] from
    0.1 N(0, 1); the attention.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M; beyond them the oldest event is overwritten.
        top_k: Neighbours read; more than there are slots means all of them.
        generator: Source of the slow weights.
    """

    slot_state = ("keys", "values")

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 1000,
        top_k: Annotated[int, Ge(1)] = 5,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.capacity = capacity
        self.top_k = min(top_k, capacity)
        drawn = torch.randn(key_dim, key_dim, generator=generator)
        self.query_in = nn.Parameter(INIT_SCALE * drawn)
        self.attention = CrossAttention(key_dim, key_dim, value_dim, value_dim, generator)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim)

    @override
    def init_state(self) -> State:
        return {
            "keys": self.query_in.new_zeros(self.capacity, self.query_in.shape[0]),
            "values": self.query_in.new_zeros(self.capacity, self.value_dim),
            "count": self.query_in.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], self.capacity)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        slots = {name: state[name] for name in self.slot_state}
        slots = ring_write(slots, {"keys": keys, "values": values}, state["count"])
        return {**slots, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        order = ring_age(state["count"], self.capacity)
        valid = self.valid(state)
        keys, values = (
            torch.where(valid[:, None], state[name][order], 0.0) for name in self.slot_state
        )
        recalled = in_blocks(partial(self._recall, keys, values, valid), queries)
        # the attention's output has a bias, which an empty memory must not show
        return torch.where(state["count"] > 0, recalled, 0.0)

    def _recall(self, keys: Tensor, values: Tensor, valid: Tensor, queries: Tensor) -> Tensor:
        """Values [Q, V] from slots [M, .] that are ordered from the newest to the oldest."""
        probes = queries @ self.query_in
        cosines = torch.where(valid, unit(probes) @ unit(keys).mT, -torch.inf)
        position = nearest(cosines.detach(), self.top_k, rounding(keys))
        fused: Tensor = self.attention(
            probes[:, None], keys[position], values[position], valid[position]
        )
        return fused[:, 0]
