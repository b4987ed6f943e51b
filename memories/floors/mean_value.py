"""The floor of a memory that knows what values look like but not which belongs to which key."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State


@memory("mean-value", family="floors")
class MeanValue(AssociativeMemory):
    """Recalls the mean of all values written so far, for every query.

    State: the running mean [V]. It beats `zero` exactly where values share a mean.
    """

    blank: Tensor

    def __init__(self, key_dim: int, value_dim: int) -> None:  # noqa: ARG002
        super().__init__()
        self.value_dim = value_dim
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {
            "mean": self.blank.new_zeros(self.value_dim),
            "count": self.blank.new_zeros((), dtype=torch.int64),
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
        count = state["count"] + values.shape[0]
        # differences to the old mean keep a long stream's rounding errors from adding up
        shift = (values - state["mean"]).sum(0) / count.clamp(min=1)
        return {"mean": state["mean"] + shift, "count": count}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return state["mean"].repeat(queries.shape[0], 1)
