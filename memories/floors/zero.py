"""The floor below which nothing has been remembered at all."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State


@memory("zero", family="floors")
class Zero(AssociativeMemory):
    """Recalls zero for every query, whatever was written.

    What it scores is what a task gives away for nothing.
    """

    blank: Tensor

    def __init__(self, key_dim: int, value_dim: int) -> None:  # noqa: ARG002
        super().__init__()
        self.value_dim = value_dim
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {"count": self.blank.new_zeros((), dtype=torch.int64)}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return {"count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries.new_zeros(queries.shape[0], self.value_dim)
