"""Fast weights as first sketched, with the read that cannot work."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.sizing import only_size

INIT_SCALE = 0.1


@memory("ar-fast-weights-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArFastWeightsSrc(AssociativeMemory):
    """Recalls nearly the same vector for every query: the published-as-is form.

    F <- F + strength (k W_K)^T (v W_V); a read is softmax((q W_Q) F^T / sqrt(D)) F. The query
    meets the value axis of F, the softmax runs over key coordinates instead of stored items, its
    scores are so small that it is nearly uniform, and nothing inverts W_V: flipping the signs of
    W_V and W_Q negates every read, so untrained recall is zero on average. The form that works
    is `ar-fast-weights`.

    State: ``fast_weights`` [D, V], ``count``. Slow weights: W_K [D, D], W_V [V, V], W_Q [D, V],
    drawn from 0.1 N(0, 1).

    Args:
        key_dim: D.
        value_dim: V.
        write_strength: Factor on what is added.
        generator: Source of the slow weights.
    """

    write_strength: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        write_strength: Annotated[float, Gt(0)] = 0.01,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.scalar("write_strength", write_strength)
        drawn = [
            INIT_SCALE * torch.randn(rows, columns, generator=generator)
            for rows, columns in ((key_dim, key_dim), (value_dim, value_dim), (key_dim, value_dim))
        ]
        self.key_in, self.value_in, self.query_in = (nn.Parameter(matrix) for matrix in drawn)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return only_size(key_dim * value_dim, budget)

    @override
    def init_state(self) -> State:
        return {
            "fast_weights": self.write_strength.new_zeros(self.key_dim, self.value_dim),
            "count": self.write_strength.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        added = (keys @ self.key_in).mT @ (values @ self.value_in)
        return {
            "fast_weights": state["fast_weights"] + self.write_strength * added,
            "count": state["count"] + keys.shape[0],
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        scores = (queries @ self.query_in) @ state["fast_weights"].mT / math.sqrt(self.key_dim)
        return scores.softmax(-1) @ state["fast_weights"]
