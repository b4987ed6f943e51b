"""The guard against tasks that can be solved without remembering."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State


@memory("echo", family="floors")
class Echo(AssociativeMemory):
    """Recalls the query itself, padded with zeros or cut to the value's width.

    Perfect wherever values equal keys, and at chance wherever they are independent: a task on
    which it scores above chance measures something other than memory. It runs on such tasks as
    any other memory does, which is why it does not declare `hetero = False`. Zeros before the
    first event, like every memory.
    """

    blank: Tensor

    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.padding = max(0, value_dim - key_dim)
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
        echoed = pad(queries[:, : self.value_dim], (0, self.padding))
        return torch.where(state["count"] > 0, echoed, 0.0)
