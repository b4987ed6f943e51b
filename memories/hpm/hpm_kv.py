"""The dynamic bank of hierarchical primitive memory, as a key-value memory."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, State
from memories.hpm.behaviour import DynScale
from memories.hpm.nearest_events import Neighbours, nearest_events
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write
from memories.slots.ring_view import ring_views


@memory("hpm-kv", family="hpm", source="HPM v2 (peymanrah/SCI-ARC, 2025): its dynamic bank")
class HpmKv(AssociativeMemory):
    """Recalls a mean of the values of the five nearest keys: a nearest-neighbour memory, no more.

    sum_i a_i v_i over the m keys of highest cosine, the newest of equal ones, with
    a = softmax(cos(q, k_i) / temperature); with ``sqrt-d``, the published form,
    a = softmax(<q, k_i> / sqrt(D)), which for keys of norm one is nearly a plain mean. It should
    score as `exact-knn` with the same m does. The gate and the residual of the published memory
    live in the space of keys and mean nothing for values, so there is neither.

    State: ``keys`` [M, D] as given, ``values`` [M, V], ``count``. Beyond M events the oldest are
    overwritten.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write; the capacity unless one is given.
        capacity: Slots M.
        retrieval_k: Keys m that are read; more than there are slots means all of them.
        dyn_scale: Weights by cosine and temperature, or by products over sqrt(D).
        temperature: Of the weights by cosine.
    """

    slot_state = ("keys", "values")
    chunked_scan = True
    temperature: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        max_events: int,
        capacity: Annotated[int, Ge(1)] | None = None,
        retrieval_k: Annotated[int, Ge(1)] = 5,
        dyn_scale: DynScale = "cos-tau",
        temperature: Annotated[float, Gt(0)] = 0.05,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity or max_events
        self.retrieval_k = retrieval_k
        self.dyn_scale = dyn_scale
        self.scalar("temperature", temperature)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim)

    @override
    def init_state(self) -> State:
        return {
            "keys": self.temperature.new_zeros(self.capacity, self.key_dim),
            "values": self.temperature.new_zeros(self.capacity, self.value_dim),
            "count": self.temperature.new_zeros((), dtype=torch.int64),
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
        held = self.valid(state)
        keys, values = (torch.where(held[:, None], state[n], 0.0) for n in self.slot_state)
        return in_blocks(partial(self._recall, keys, values, held, order), queries)

    @override
    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        if gates:
            return super().scan(state, keys, values, queries, gates=gates, inclusive=inclusive)
        slots = {name: state[name] for name in self.slot_state}
        events = {"keys": keys, "values": values}
        reads = [values.new_zeros(0, self.value_dim)]
        for view in ring_views(slots, events, state["count"], inclusive=inclusive):
            seen = view.entries["keys"], view.entries["values"], view.visible
            newest_first = torch.arange(len(seen[0]), device=keys.device)
            reads.append(self._recall(*seen, newest_first, queries[view.queries]))
        return torch.cat(reads), self.write(state, keys, values)

    def _recall(
        self, keys: Tensor, values: Tensor, usable: Tensor, order: Tensor, queries: Tensor
    ) -> Tensor:
        """Values [Q, V] of queries [Q, D] among M keys, see `nearest_events`."""
        near = nearest_events(queries, keys, usable, order, self.retrieval_k)
        slots = torch.where(near.found, near.slots, 0)
        weights = masked_softmax(self._logits(queries, keys[slots], near), near.found)
        return (weights[:, None] @ values[slots])[:, 0]

    def _logits(self, queries: Tensor, keys: Tensor, near: Neighbours) -> Tensor:
        """Logits [Q, m] of retrieved keys [Q, m, D]."""
        if self.dyn_scale == "cos-tau":
            return near.cosine / self.temperature
        return (keys @ queries[..., None])[..., 0] / math.sqrt(self.key_dim)
