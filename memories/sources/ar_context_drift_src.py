"""The drifting context as first sketched, which stores nothing."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor
from torch.nn.functional import pad
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.sources.drift import ContextDrift


@memory("ar-context-drift-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArContextDriftSrc(AssociativeMemory):
    """Recalls the query plus a projected context, whatever was written: the published-as-is form.

    A read is q + c W_c, cut or padded with zeros to the value's width. What is known to be wrong:
    writing stores nothing, so that the answer is blind to values and perfect wherever values
    equal keys; and the context c <- decay c + mean(q) U moved whenever it was read, by the mean
    of the batch, so that answers depended on one another and interference counted reads. Here a
    read changes nothing, and `advance` is the side effect for those who want it. The form that
    works is `ar-context-drift`.

    State: ``context`` [drift_dim], ``count``. Slow weights: U [D, drift_dim] and
    W_c [drift_dim, D], drawn from 0.1 N(0, 1). As nothing is stored there is no `from_budget`.

    Args:
        key_dim: D.
        value_dim: V.
        drift_dim: Width of the context; None takes 32, or D where that is less.
        decay: Share of the context that an advance keeps.
        generator: Source of the slow weights.
    """

    decay: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        drift_dim: Annotated[int, Ge(1)] | None = None,
        decay: Annotated[float, Ge(0), Lt(1)] = 0.9,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.padding = max(0, value_dim - key_dim)
        self.scalar("decay", decay)
        self.drift = ContextDrift(key_dim, drift_dim, generator)

    @override
    def init_state(self) -> State:
        return {
            "context": self.decay.new_zeros(self.drift.width),
            "count": self.decay.new_zeros((), dtype=torch.int64),
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
        return {**state, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        answer = self.drift.cued(queries, state["context"])[:, : self.value_dim]
        return torch.where(state["count"] > 0, pad(answer, (0, self.padding)), 0.0)

    def advance(self, state: State, queries: Tensor) -> State:
        """The state after queries [Q, D] were read together, as the published read left it."""
        if not queries.shape[0]:
            return state
        mean = queries.mean(0, keepdim=True)
        return {**state, "context": self.drift.after(state["context"], mean, self.decay)[-1]}
