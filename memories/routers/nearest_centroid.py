"""One mean code per label: the baseline that stores least."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import Router, State
from memories.routers.exclusion import refuse_exclusion

UNSEEN = -4.0
"""Score of a label without events: codes of length one are never so far from a mean of such."""


@memory("nearest-centroid", family="routers", source="Rosch 1973; Tibshirani et al. 2002")
class NearestCentroid(Router):
    """Scores a label by minus the squared distance to the mean of its events' codes.

    A label that was never seen scores least. It has no banks, and no event can be kept from
    answering: only sums are stored.

    State: ``sums`` [labels, d] and ``counts`` [labels].

    Args:
        key_dim: d.
        label_groups: Group of each label.
    """

    blank: Tensor

    def __init__(self, key_dim: int, label_groups: tuple[int, ...]) -> None:
        super().__init__()
        self.key_dim, self.labels = key_dim, len(label_groups)
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {
            "sums": self.blank.new_zeros(self.labels, self.key_dim),
            "counts": self.blank.new_zeros(self.labels),
        }

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        member = (labels[:, None] == torch.arange(self.labels, device=z.device)).to(z.dtype)
        return {
            "sums": state["sums"] + member.mT @ z,
            "counts": state["counts"] + member.sum(0),
        }

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        refuse_exclusion(self, exclude_ids)
        means = state["sums"] / state["counts"].clamp(min=1)[:, None]
        squares = (z * z).sum(-1, keepdim=True) + (means * means).sum(-1)
        distance = (squares - 2 * z @ means.mT).clamp(min=0)
        scores = torch.where(state["counts"] > 0, -distance, UNSEEN)
        return scores, z.new_zeros(z.shape[0], 0), state
