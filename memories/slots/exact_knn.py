"""The upper bound: every event is kept and found by exact search."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, State
from memories.features import KeyNorm, normalise_keys
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import nearest, rounding
from memories.slots.ring import ring_age, ring_valid, ring_write
from memories.slots.ring_view import ring_views


@memory("exact-knn", family="slots", source="Cover & Hart 1967")
class ExactKnn(AssociativeMemory):
    """Keeps every event and recalls the value of the nearest key.

    With k > 1 the mean of the k nearest values, weighted by softmax(similarity / temperature).
    Among equally near keys the newest wins, so a rewritten key returns its last value. Its state
    grows with the data: a reference line, not a competitor at equal state, and so it has no
    `from_budget`.

    State: ``keys`` [M, D] as compared, ``values`` [M, V], ``count``. Beyond M events the oldest
    are overwritten, and `read_info` says how many are gone.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write; the capacity unless one is given.
        capacity: Slots M.
        k: Neighbours read; more than there are slots means all of them.
        similarity: ``dot``, or ``sqeuclidean`` for the negative squared distance.
        key_norm: Preprocessing of keys and queries.
        temperature: Temperature of the weights, used if k > 1.
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
        k: Annotated[int, Ge(1)] = 1,
        similarity: Literal["dot", "sqeuclidean"] = "dot",
        key_norm: KeyNorm = "unit",
        temperature: Annotated[float, Gt(0)] = 0.1,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = max_events if capacity is None else capacity
        self.k = min(k, self.capacity)
        self.similarity = similarity
        self.key_norm: KeyNorm = key_norm
        self.scalar("temperature", temperature)

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
        events = {"keys": normalise_keys(keys, self.key_norm), "values": values}
        slots = ring_write(slots, events, state["count"])
        return {**slots, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(partial(self._recall, state, self._newest_first(state)), queries)

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
        events = {"keys": normalise_keys(keys, self.key_norm), "values": values}
        probes = normalise_keys(queries, self.key_norm)
        reads = [values.new_zeros(0, self.value_dim)]
        for view in ring_views(slots, events, state["count"], inclusive=inclusive):
            weights, position = self._nearest(
                view.entries["keys"], probes[view.queries], view.visible
            )
            # weights of what is not visible are zero, and what is not in use holds zeros
            reads.append((weights[..., None] * view.entries["values"][position]).sum(1))
        return torch.cat(reads), self.write(state, keys, values)

    def read_info(self, state: State, queries: Tensor) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``idx`` [Q, k] slots and their ``weights`` [Q, k]; ``sim`` [Q, M] with every slot;
        ``valid`` [M]; ``age`` [M] in events; ``overflow``, how many events were overwritten.
        """
        newest_first = self._newest_first(state)
        age = ring_age(state["count"], self.capacity)
        probes = normalise_keys(queries, self.key_norm)
        weights, idx = self._neighbours(state, newest_first, probes)
        return {
            "values": self._recall(state, newest_first, queries),
            "weights": weights,
            "idx": idx,
            "sim": self._similarities(newest_first, probes)[:, age],
            "valid": self.valid(state),
            "age": age,
            "overflow": (state["count"] - self.capacity).clamp(min=0),
        }

    def _newest_first(self, state: State) -> Tensor:
        """Keys [M, D] from the newest to the oldest; zero where no event is."""
        order = ring_age(state["count"], self.capacity)
        return torch.where(self.valid(state)[:, None], state["keys"][order], 0.0)

    def _similarities(self, keys: Tensor, probes: Tensor) -> Tensor:
        """Similarity [Q, M] of each preprocessed query to each key."""
        products = probes @ keys.mT
        if self.similarity == "dot":
            return products
        squares = (probes * probes).sum(-1)[:, None] + (keys * keys).sum(-1)
        return (2 * products - squares).clamp(max=0)

    def _nearest(self, keys: Tensor, probes: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and positions [Q, k] of the nearest of the visible among L newest-first keys."""
        scores = torch.where(visible, self._similarities(keys, probes), -torch.inf)
        lengths = probes.norm(dim=-1)[:, None], keys.norm(dim=-1)
        scale = (
            lengths[0] * lengths[1] if self.similarity == "dot" else (lengths[0] + lengths[1]) ** 2
        )
        position = nearest(scores.detach(), self.k, rounding(keys) * scale.detach())
        found = visible.expand_as(scores).gather(-1, position)
        return masked_softmax(scores.gather(-1, position) / self.temperature, found), position

    def _neighbours(self, state: State, keys: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and slots [Q, k] of the nearest events."""
        weights, position = self._nearest(keys, probes, self.valid(state))
        return weights, ring_age(state["count"], self.capacity)[position]

    def _recall(self, state: State, keys: Tensor, queries: Tensor) -> Tensor:
        weights, slots = self._neighbours(state, keys, normalise_keys(queries, self.key_norm))
        kept = self.valid(state)[slots]
        values = torch.where(kept[..., None], state["values"][slots], 0.0)
        return (weights[..., None] * values).sum(1)
