"""The published episodic memory of matrix slots, which is the vector one reshaped."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.sources.episodic_linear_src import EpisodicLinearSrc


@memory("episodic-matrix-src", family="sources", source="Erlebacher 2025, memory_experiments")
class EpisodicMatrixSrc(AssociativeMemory):
    """Recalls from matrix-shaped slots by their Frobenius product: `episodic-linear-src` v2.

    Scores are tr(Q^T K_j) = vec(Q) vec(K_j), so that gradients, Adam and reads are those of
    `episodic-linear-src` with preset v2 on flattened keys, defects included. Nothing uses the
    second axis: the claimed capacity of d1 d2 orthogonal patterns against d is vacuous, since
    d1 d2 = D. Values are kept flat; their shape enters no equation. Kept under its name to show
    the equivalence.

    State: that of v2, with ``keys`` [M, rows, D / rows].

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width of contexts, 0 for none.
        capacity: Slots M.
        rows: Rows of a slot; None takes the largest divisor of D not above its root.
        inner_steps: Adam steps on an event; None takes the 3 of v2.
        learning_rate: Of Adam.
        time_weight: Decay rate of the time factor per event.
        generator: Source of the initial slots.

    Raises:
        InvalidParameter: If `rows` does not divide D.
    """

    slow = True
    uses_context = True

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int = 0,
        capacity: Annotated[int, Ge(1)] = 100,
        rows: Annotated[int, Ge(1)] | None = None,
        inner_steps: Annotated[int, Ge(0)] | None = None,
        learning_rate: Annotated[float, Gt(0)] = 0.01,
        time_weight: Annotated[float, Ge(0)] = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if rows is not None and key_dim % rows:
            raise InvalidParameter(
                "rows",
                f"must divide key_dim ({key_dim}), got {rows}",
                help="leave it out for the most nearly square matrix",
            )
        self.rows = _most_nearly_square(key_dim) if rows is None else rows
        self.linear = EpisodicLinearSrc(
            key_dim,
            value_dim,
            context_dim=context_dim,
            preset="v2",
            capacity=capacity,
            inner_steps=inner_steps,
            learning_rate=learning_rate,
            time_weight=time_weight,
            generator=generator,
        )

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        shared = {name: value for name, value in params.items() if name != "rows"}
        return EpisodicLinearSrc.from_budget(
            budget, key_dim, value_dim, **{**shared, "preset": "v2"}
        )

    @override
    def init_state(self) -> State:
        return self._matrices(self.linear.init_state())

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        written = self.linear.write(self._vectors(state), keys, values, times, contexts)
        return self._matrices(written)

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self.linear.read(self._vectors(state), queries, times, contexts)

    def _matrices(self, state: State) -> State:
        """The state with the keys of its slots as matrices."""
        return {**state, "keys": torch.unflatten(state["keys"], 1, (self.rows, -1))}

    def _vectors(self, state: State) -> State:
        """The state with the keys of its slots as vectors."""
        return {**state, "keys": state["keys"].flatten(1)}


def _most_nearly_square(key_dim: int) -> int:
    """The largest divisor of D not above its root."""
    return next(d for d in range(math.isqrt(key_dim), 0, -1) if key_dim % d == 0)
