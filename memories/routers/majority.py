"""The label seen most often, whatever is asked: the floor of every classification."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import Router, State
from memories.routers.exclusion import refuse_exclusion


@memory("majority", family="routers")
class Majority(Router):
    """Scores each label by its share of the events, and looks at no code.

    State: ``counts`` [labels].

    Args:
        label_groups: Group of each label.
    """

    blank: Tensor

    def __init__(self, label_groups: tuple[int, ...]) -> None:
        super().__init__()
        self.labels = len(label_groups)
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {"counts": self.blank.new_zeros(self.labels)}

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        member = labels[:, None] == torch.arange(self.labels, device=z.device)
        return {"counts": state["counts"] + member.sum(0)}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        refuse_exclusion(self, exclude_ids)
        shares = state["counts"] / state["counts"].sum().clamp(min=1)
        return shares.expand(z.shape[0], -1), z.new_zeros(z.shape[0], 0), state
