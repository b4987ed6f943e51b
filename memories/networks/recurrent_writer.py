"""What the LSTM and the GRU writer share: a cell that runs over events, and how it is read."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from typing_extensions import override

from memories.base import AssociativeMemory, InvalidParameter, State
from memories.dense import Dense

LARGEST_BUDGET = 1024
"""State floats up to which such a memory is sized.

Its slow weights grow with the square of its state: at 1,024 floats it has a million or more.
"""


class RecurrentWriter(AssociativeMemory):
    """Recalls values from the hidden state of a recurrent cell that has run over the events.

    The cell takes [k; v] of each event in order. A read is W3 gelu(W2 gelu(W1 [h; q] + b1) + b2)
    + b3 with two layers of width 2 hidden. All its weights are slow: untrained it recalls noise,
    so it needs meta-training on episodes of other seeds. A memory without events recalls zeros.

    State: one vector [hidden] per name in `vectors`, the first of them h; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Width of h.
        generator: Source of the weights, uniform within 1 / sqrt(fan-in); of the cell within
            1 / sqrt(hidden).
    """

    vectors: ClassVar[tuple[str, ...]]
    """State entries, the hidden state first."""
    gates: ClassVar[int]
    """Blocks of `hidden` rows in the cell's weights."""

    def __init__(
        self, key_dim: int, value_dim: int, *, hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.hidden = hidden

        def drawn(*shape: int) -> nn.Parameter:
            uniform = 2 * torch.rand(shape, generator=generator) - 1
            return nn.Parameter(uniform / math.sqrt(hidden))

        rows, width = self.gates * hidden, 2 * hidden
        self.from_event = drawn(rows, key_dim + value_dim)
        self.from_hidden = drawn(rows, hidden)
        self.event_bias = drawn(rows)
        self.hidden_bias = drawn(rows)
        self.ask = Dense(hidden + key_dim, width, generator)
        self.combine = Dense(width, width, generator)
        self.answer = Dense(width, value_dim, generator)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        smallest = len(cls.vectors)
        if not smallest <= budget <= LARGEST_BUDGET:
            raise InvalidParameter(
                "budget",
                f"must be from {smallest} to {LARGEST_BUDGET}, got {budget}: its slow weights "
                "grow with the square of its state",
                help="lower the budget, or leave this memory out",
            )
        return {"hidden": budget // smallest}

    @override
    def init_state(self) -> State:
        state = {name: self.from_hidden.new_zeros(self.hidden) for name in self.vectors}
        return {**state, "count": self.from_hidden.new_zeros((), dtype=torch.int64)}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        inputs = torch.cat([keys, values], dim=-1) @ self.from_event.mT + self.event_bias
        vectors = tuple(state[name] for name in self.vectors)
        for given in inputs.unbind(0):
            recurrent = self.from_hidden @ vectors[0] + self.hidden_bias
            vectors = self.step(given, recurrent, vectors)
        count = state["count"] + keys.shape[0]
        return {**dict(zip(self.vectors, vectors, strict=True)), "count": count}

    @abstractmethod
    def step(
        self, given: Tensor, recurrent: Tensor, vectors: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """The vectors after one event.

        Args:
            given: What the event contributes to the gates, its bias included,
                [gates * hidden].
            recurrent: What the hidden state contributes, its bias included, [gates * hidden].
            vectors: State entries as `vectors` names them, [hidden] each.
        """

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        # h is the same for all queries: its share of the first layer is one more bias
        biases = self.ask(torch.cat([state[self.vectors[0]], queries.new_zeros(self.key_dim)]))
        asked = queries @ self.ask.weight[self.hidden :] + biases
        answers: Tensor = self.answer(gelu(self.combine(gelu(asked))))
        return torch.where(state["count"] > 0, answers, 0.0)
