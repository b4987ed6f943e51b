"""Gated slots as first sketched, with a gate that nothing trains."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.sizing import largest
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.ring import ring_valid
from memories.sources.drift import ContextDrift
from memories.sources.layers import perceptron

HIDDEN = 64
THRESHOLD = 0.5


@memory("ar-gated-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArGatedSrc(AssociativeMemory):
    """Recalls from the slots of those events that a random gate let in: the published-as-is form.

    Each event moves the context, c <- decay c + k U, and is copied into the next slot of a ring if
    g = sigmoid(MLP([k; c])) exceeds 1/2. A read is softmax over used slots of (q + c W_c) K^T.
    What is known to be wrong: the threshold passes no gradient and nothing else trains the gate,
    so that it writes everything or nothing by the luck of its initial weights, half on average,
    since flipping the signs of its last layer turns g into 1 - g; and what is written is not
    scaled by g. The form that works is `ar-gated`.

    State: ``keys`` [M, D], ``values`` [M, V], ``context`` [drift_dim], ``count`` of events and
    ``written``, those let in. Slow weights: U, W_c from 0.1 N(0, 1); the gate's two layers.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Slots M; beyond them the oldest written event is overwritten.
        drift_dim: Width of the context; None takes 32, or D where that is less.
        decay: Share of the context that an event keeps.
        generator: Source of the slow weights.
    """

    slot_state = ("keys", "values")
    decay: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 100,
        drift_dim: Annotated[int, Ge(1)] | None = None,
        decay: Annotated[float, Ge(0), Lt(1)] = 0.9,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.scalar("decay", decay)
        self.drift = ContextDrift(key_dim, drift_dim, generator)
        self.gate = perceptron([key_dim + self.drift.width, HIDDEN, 1], generator, nn.Sigmoid())

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        def build(capacity: int) -> ArGatedSrc:
            chosen = {**params, "capacity": capacity, "generator": torch.Generator()}
            return cls(key_dim, value_dim, **chosen)

        return {"capacity": largest(build, budget)}

    @override
    def init_state(self) -> State:
        return {
            "keys": self.decay.new_zeros(self.capacity, self.key_dim),
            "values": self.decay.new_zeros(self.capacity, self.value_dim),
            "context": self.decay.new_zeros(self.drift.width),
            "count": self.decay.new_zeros((), dtype=torch.int64),
            "written": self.decay.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["written"], self.capacity)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        if not keys.shape[0]:
            return state
        drifted = self.drift.after(state["context"], keys, self.decay)
        let_in = self._gate(keys, drifted) > THRESHOLD
        rank = let_in.cumsum(0)
        n_written = rank[-1]
        # only the newest M of those let in survive; all others go to a slot that is cut off
        kept = let_in & (n_written - rank < self.capacity)
        slots = torch.where(kept, (state["written"] + rank - 1) % self.capacity, self.capacity)

        def copied(buffer: Tensor, events: Tensor) -> Tensor:
            spare = torch.cat([buffer, torch.zeros_like(buffer[:1])])
            return spare.index_copy(0, slots, events)[: self.capacity]

        return {
            "keys": copied(state["keys"], keys),
            "values": copied(state["values"], values),
            "context": drifted[-1],
            "count": state["count"] + keys.shape[0],
            "written": state["written"] + n_written,
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(partial(self._recall, state), queries)

    def gates(self, state: State, keys: Tensor) -> Tensor:
        """The gate [N] in (0, 1) of each of the events with keys [N, D], if written next."""
        return self._gate(keys, self.drift.after(state["context"], keys, self.decay))

    def _gate(self, keys: Tensor, contexts: Tensor) -> Tensor:
        opened: Tensor = self.gate(torch.cat([keys, contexts], dim=-1))[:, 0]
        return opened

    def _recall(self, state: State, queries: Tensor) -> Tensor:
        valid = self.valid(state)
        keys, values = (torch.where(valid[:, None], state[name], 0.0) for name in self.slot_state)
        scores = self.drift.cued(queries, state["context"]) @ keys.mT
        return masked_softmax(scores, valid) @ values
