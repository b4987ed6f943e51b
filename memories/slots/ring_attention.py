"""Softmax attention over a ring of the newest events."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, State
from memories.features import KeyNorm, normalise_keys
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write
from memories.slots.ring_view import ring_views


@memory("ring-attention", family="slots", source="Ramsauer et al. 2020")
class RingAttention(AssociativeMemory):
    """Recalls the softmax-weighted mean of the newest events' values: a modern Hopfield network.

    xi_0 = q; xi_(t+1) = softmax(beta xi_t K^T) K for all steps but the last, which weights the
    values instead. One step is softmax attention with beta in place of 1/sqrt(D). A key stored
    twice returns the mean of its values unless `recency` is positive.

    State: ``keys`` [M, D] as compared, ``values`` [M, V], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M.
        steps: Retrieval steps T.
        beta: Inverse temperature. The default separates 1,024 random unit keys of 64 dimensions
            with weight 0.999 on the right one; 1/sqrt(D) suits keys that are not normalised.
        recency: Subtracted from a slot's logit per event written since.
        key_norm: Preprocessing of keys and queries.
    """

    slot_state = ("keys", "values")
    chunked_scan = True
    beta: Tensor
    recency: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 1024,
        steps: Annotated[int, Ge(1)] = 1,
        beta: Annotated[float, Gt(0)] = 16.0,
        recency: Annotated[float, Ge(0)] = 0.0,
        key_norm: KeyNorm = "unit",
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.steps = steps
        self.key_norm: KeyNorm = key_norm
        self.scalar("beta", beta)
        self.scalar("recency", recency)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim)

    @override
    def init_state(self) -> State:
        return {
            "keys": self.beta.new_zeros(self.capacity, self.key_dim),
            "values": self.beta.new_zeros(self.capacity, self.value_dim),
            "count": self.beta.new_zeros((), dtype=torch.int64),
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
        values = self._in_use(state, "values")
        attend = partial(self._attend, state, self._in_use(state, "keys"))
        return in_blocks(lambda block: attend(block)[1] @ values, queries)

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
        reads = [values.new_zeros(0, self.value_dim)]
        for view in ring_views(slots, events, state["count"], inclusive=inclusive):
            _, weights = self._weights(
                queries[view.queries],
                view.entries["keys"],
                self.recency * view.age,
                view.visible,
            )
            reads.append(weights @ view.entries["values"])
        return torch.cat(reads), self.write(state, keys, values)

    def read_info(self, state: State, queries: Tensor) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``weights`` and ``sim`` [Q, M], of the last step; ``valid`` [M]; ``age`` [M] in events.
        """
        sim, weights = self._attend(state, self._in_use(state, "keys"), queries)
        return {
            "values": weights @ self._in_use(state, "values"),
            "weights": weights,
            "sim": sim,
            "valid": self.valid(state),
            "age": ring_age(state["count"], self.capacity),
        }

    def _in_use(self, state: State, name: str) -> Tensor:
        """Slots [M, ...] of one name; zero where no event is, whatever lies there."""
        return torch.where(self.valid(state)[:, None], state[name], 0.0)

    def _attend(self, state: State, keys: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities and weights [Q, M] of the last step."""
        penalty = self.recency * ring_age(state["count"], self.capacity)
        return self._weights(queries, keys, penalty, self.valid(state))

    def _weights(
        self, queries: Tensor, keys: Tensor, penalty: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Similarities and weights [Q, L] of the last step over the visible of L keys."""
        probe = normalise_keys(queries, self.key_norm)
        for _ in range(self.steps - 1):
            probe = masked_softmax(self.beta * (probe @ keys.mT) - penalty, visible) @ keys
        sim = probe @ keys.mT
        return sim, masked_softmax(self.beta * sim - penalty, visible)
