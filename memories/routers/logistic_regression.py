"""Multinomial logistic regression: what a linear head on the code alone can do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import Router, State

UNSEEN = -1e4
"""Score of a label without events, below any that a fit reaches."""


@memory("logistic-regression", family="routers", source="Cox 1958; scikit-learn")
class LogisticRegression(Router):
    """Scores labels by W z + b with the weights of greatest penalised likelihood.

    min over W, b of |W|^2 / 2 + c sum_i CE(softmax(W z_i + b), y_i), by scikit-learn's LBFGS. It
    stores no event and has no banks. In stages, the labels of a stage get weights of their own,
    fitted to that stage alone, and those of the labels of other stages stay as they are.

    State: ``count`` of events; ``weight`` [labels, d] and ``bias`` [labels] if `continual`.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        continual: Whether `fit_stage` trains it.
        c: Weight of the likelihood against the penalty.
        max_iter: Most steps of the optimiser.
    """

    excludes = True
    weight: nn.Parameter
    bias: nn.Parameter
    c: Tensor

    def __init__(
        self,
        key_dim: int,
        label_groups: tuple[int, ...],
        *,
        continual: bool = False,
        c: Annotated[float, Gt(0)] = 100.0,
        max_iter: Annotated[int, Ge(1)] = 2000,
    ) -> None:
        super().__init__()
        self.continual, self.max_iter = continual, max_iter
        # in stages scikit-learn is called lane by lane
        self.vectorized = not continual
        self.weight = nn.Parameter(torch.zeros(len(label_groups), key_dim))
        self.bias = nn.Parameter(torch.full((len(label_groups),), UNSEEN))
        self.scalar("c", c)

    @override
    def init_state(self) -> State:
        state = {"count": torch.zeros((), dtype=torch.int64, device=self.bias.device)}
        if not self.continual:
            return state
        return {**state, "weight": self.weight.detach().clone(), "bias": self.bias.detach().clone()}

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        weight, bias = self._fitted(self.weight, self.bias, train["z"], train["label"])
        with torch.no_grad():
            self.weight.copy_(weight)
            self.bias.copy_(bias)

    @override
    def fit_stage(
        self, state: State, z: Tensor, labels: Tensor, ids: Tensor, order: Tensor
    ) -> State:
        weight, bias = self._fitted(state["weight"], state["bias"], z, labels)
        return {**self.learn(state, z, labels, ids), "weight": weight, "bias": bias}

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        return {**state, "count": state["count"] + z.shape[0]}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        weight, bias = state.get("weight", self.weight), state.get("bias", self.bias)
        return z @ weight.mT + bias, z.new_zeros(z.shape[0], 0), state

    def _fitted(
        self, weight: Tensor, bias: Tensor, z: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The weights and biases with those of the labels that occur fitted anew."""
        seen, rows, offsets = _solution(z, labels, float(self.c), self.max_iter)
        index = torch.as_tensor(seen, device=z.device)
        new_rows = torch.as_tensor(rows, dtype=weight.dtype, device=z.device)
        new_offsets = torch.as_tensor(offsets, dtype=bias.dtype, device=z.device)
        return (
            weight.detach().index_copy(0, index, new_rows),
            bias.detach().index_copy(0, index, new_offsets),
        )


def _solution(
    z: Tensor, labels: Tensor, c: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels that occur [K], their weights [K, d] and biases [K]."""
    from sklearn import linear_model

    codes = z.detach().cpu().double().numpy()
    answers = labels.cpu().numpy()
    seen = np.unique(answers)
    if len(seen) == 1:  # there is nothing to tell apart
        return seen, np.zeros((1, codes.shape[1])), np.zeros(1)
    with warnings.catch_warnings():
        # with few events of each label scikit-learn suspects a regression
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        fitted = linear_model.LogisticRegression(C=c, max_iter=max_iter).fit(codes, answers)
    rows, offsets = fitted.coef_, fitted.intercept_
    if len(seen) == 2:  # given as one row, of the second label against the first
        rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
    return seen, rows, offsets
