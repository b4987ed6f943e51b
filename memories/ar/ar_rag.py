"""Retrieval of the nearest stored pairs, and the weighted mean of their values."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.ar.neighbour_attention import NeighbourAttention
from memories.base import AssociativeMemory, State
from memories.features import unit
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import nearest, rounding
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write

INDEX_WORDS = 2
"""An event number is int64: two 32-bit words."""


@memory("ar-rag", family="ar", source="Lewis et al. 2020; Khandelwal et al. 2020")
class ArRag(AssociativeMemory):
    """Recalls the mean of the `top_k` nearest events' values, weighted by softmax(beta cos).

    Keys and queries pass the same projection. The search is exact; of equally near events the
    newest are taken. With `top_k` at least the number of events it is softmax attention over all
    of them.

    State: ``keys`` [M, D] projected at unit length, ``values`` [M, V], ``index`` [M] the number
    of the event in each slot, ``count``. Slow weights: the projection if learned, the fusion.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M; beyond them the oldest event is overwritten.
        top_k: Neighbours read; more than there are slots means all of them.
        beta: Inverse temperature of the weights.
        proj: ``learned`` is a slow weight that starts at the identity.
        fusion: ``residual-attn`` adds the query's attention over the retrieved values, through
            an output projection that starts at zero.
        generator: Source of the fusion's initial weights.

    Raises:
        InvalidParameter: If the fusion's heads do not divide `value_dim`.
    """

    slot_state = ("keys", "values")
    beta: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 1000,
        top_k: Annotated[int, Ge(1)] = 5,
        beta: Annotated[float, Gt(0)] = 16.0,
        proj: Literal["identity", "learned"] = "identity",
        fusion: Literal["none", "residual-attn"] = "none",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.top_k = min(top_k, capacity)
        self.scalar("beta", beta)
        self.projection = nn.Parameter(torch.eye(key_dim)) if proj == "learned" else None
        self.fusion = (
            None if fusion == "none" else NeighbourAttention(key_dim, value_dim, generator)
        )

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim + INDEX_WORDS)

    @override
    def init_state(self) -> State:
        return {
            "keys": self.beta.new_zeros(self.capacity, self.key_dim),
            "values": self.beta.new_zeros(self.capacity, self.value_dim),
            "index": self.beta.new_zeros(self.capacity, dtype=torch.int64),
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
        n_events = keys.shape[0]
        numbers = state["count"] + torch.arange(n_events, device=keys.device)
        events = {"keys": self._address(keys), "values": values, "index": numbers}
        slots = ring_write({name: state[name] for name in events}, events, state["count"])
        return {**slots, "count": state["count"] + n_events}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(partial(self._recall, state, self._newest_first(state)), queries)

    def read_info(self, state: State, queries: Tensor) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``idx`` [Q, top_k] slots and their ``weights`` [Q, top_k]; ``sim`` [Q, M] with every slot;
        ``valid`` [M]; ``age`` [M] in events.
        """
        keys = self._newest_first(state)
        weights, idx = self._retrieve(state, keys, self._address(queries))
        order = ring_age(state["count"], self.capacity)
        return {
            "values": self._recall(state, keys, queries),
            "weights": weights,
            "idx": idx,
            "sim": (self._address(queries) @ keys.mT)[:, order],
            "valid": self.valid(state),
            "age": state["count"] - 1 - state["index"],
        }

    def _address(self, keys: Tensor) -> Tensor:
        """Projected unit keys or queries [N, D]."""
        return unit(keys if self.projection is None else keys @ self.projection)

    def _newest_first(self, state: State) -> Tensor:
        """Keys [M, D] from the newest to the oldest; zero where no event is."""
        order = ring_age(state["count"], self.capacity)
        return torch.where(self.valid(state)[:, None], state["keys"][order], 0.0)

    def _retrieve(self, state: State, keys: Tensor, address: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and slots [Q, top_k] of the nearest events."""
        valid = self.valid(state)
        scores = torch.where(valid, address @ keys.mT, -torch.inf)
        position = nearest(scores.detach(), self.top_k, rounding(keys))
        weights = masked_softmax(self.beta * scores.gather(-1, position), valid[position])
        return weights, ring_age(state["count"], self.capacity)[position]

    def _recall(self, state: State, keys: Tensor, queries: Tensor) -> Tensor:
        address = self._address(queries)
        weights, slots = self._retrieve(state, keys, address)
        retrieved = self.valid(state)[slots]
        values = torch.where(retrieved[..., None], state["values"][slots], 0.0)
        recalled = (weights[..., None] * values).sum(1)
        if self.fusion is None:
            return recalled
        added: Tensor = self.fusion(address, values, retrieved)
        return recalled + added
