"""Fast weights from a hypernetwork as first sketched, which never sees the value."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.sizing import only_size
from memories.sources.layers import perceptron

EVENT_BLOCK = 256
"""Events whose D x V updates are held at once: 4 MB at D = V = 64."""


@memory("ar-meta-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArMetaSrc(AssociativeMemory):
    """Recalls through a matrix that a random network wrote from keys: the published-as-is form.

    F <- F + scale G(k), G a network D -> hidden -> hidden -> D V with ReLU and, at the end, tanh;
    a read is q F. What is known to be wrong: no value enters F, so that recall cannot depend on
    it; nothing trains G, and flipping the signs of its last layer negates every read, so that
    recall is zero on average; and G holds D V hidden weights to write D V numbers. The form that
    works is `ar-meta`.

    State: ``fast_weights`` [D, V], ``count``. Slow weights: those of G, and the scale.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Width of the two hidden layers.
        value_aware: Whether G is given [k; v] instead of k: what meta-training can make use of.
        scale: Initial factor on what is written.
        generator: Source of the slow weights.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        hidden: Annotated[int, Ge(1)] = 128,
        value_aware: bool = False,
        scale: Annotated[float, Gt(0)] = 0.01,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.value_aware = value_aware
        inputs = key_dim + value_dim if value_aware else key_dim
        widths = [inputs, hidden, hidden, key_dim * value_dim]
        self.hypernetwork = perceptron(widths, generator, nn.Tanh())
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return only_size(key_dim * value_dim, budget)

    @override
    def init_state(self) -> State:
        return {
            "fast_weights": self.scale.new_zeros(self.key_dim, self.value_dim),
            "count": self.scale.new_zeros((), dtype=torch.int64),
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
        events = torch.cat([keys, values], dim=-1) if self.value_aware else keys
        weights = state["fast_weights"]
        for block in torch.split(events, EVENT_BLOCK):
            update = self.hypernetwork(block).sum(0).reshape(weights.shape)
            weights = weights + self.scale * update
        return {"fast_weights": weights, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries @ state["fast_weights"]
