"""The floor of a memory that holds a single value."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State


@memory("last-value", family="floors")
class LastValue(AssociativeMemory):
    """Recalls the value written last, for every query.

    State: that value [V]. As an error bank it is persistence of the newest error.
    """

    blank: Tensor

    def __init__(self, key_dim: int, value_dim: int) -> None:  # noqa: ARG002
        super().__init__()
        self.value_dim = value_dim
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {
            "last": self.blank.new_zeros(self.value_dim),
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
        last = values[-1] if values.shape[0] else state["last"]
        return {"last": last, "count": state["count"] + values.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return state["last"].repeat(queries.shape[0], 1)
