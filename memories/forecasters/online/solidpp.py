"""Learning without end from the past that resembles the present."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.base import State
from memories.forecasters.online.adapted import AdaptedForecaster, squared_errors
from memories.forecasters.online.similar_pairs import SimilarPairs
from memories.forecasters.online.stream_history import StreamHistory


@memory("solid++", family="online-learning", source="Chen et al. 2024; Zhao & Shen 2025")
class SolidPP(AdaptedForecaster):
    """`solid` on all weights, with Adam, and never taken back.

    One Adam step per revealed row on mean_{s in S_t} l(theta; X_s, Y_s), S_t the n complete pairs
    whose phase and window are nearest to those of the present window, which is known once row t
    is (the continual form of Zhao & Shen 2025). While no pair is near in phase no step is taken.

    State entries, beside those of `AdaptedForecaster`: ``rows`` and ``seen``, as in `solid`.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        period: Rows of a period, P.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
        candidates: Newest complete pairs that are searched, N.
        neighbours: Pairs that each step is taken on, n.
        phase_tolerance: Largest difference in phase, as a share of P.
        one_sided: Whether to keep, as the published code does, only pairs whose phase is behind.

    Raises:
        Unsuitable: If none of the N newest pairs is near in phase.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        period: int,
        backbone: nn.Module,
        *,
        learning_rate: Annotated[float, Ge(0)] = 1e-5,
        candidates: Annotated[int, Ge(1)] = 500,
        neighbours: Annotated[int, Ge(1)] = 5,
        phase_tolerance: Annotated[float, Ge(0), Le(1)] = 0.1,
        one_sided: bool = False,
    ) -> None:
        super().__init__(backbone, learning_rate=learning_rate)
        self.channels, self.lookback = channels, lookback
        self.similar = SimilarPairs(
            StreamHistory(candidates, lookback, horizon),
            period,
            neighbours=neighbours,
            phase_tolerance=phase_tolerance,
            one_sided=one_sided,
        )

    def init_state(self) -> State:
        """The pre-trained weights, fresh moments and no rows."""
        learner = super().init_state()
        return {
            **learner,
            "rows": self.similar.history.empty(self.channels, learner["weights"].device),
            "seen": torch.zeros_like(learner["step"]),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state with the new row, after one Adam step on the pairs nearest to its window."""
        rows = self.similar.history.extended(state["rows"], recent)
        seen = state["seen"] + 1
        windows, targets, share = self.similar.nearest(rows, seen, rows[-self.lookback :])

        def loss(weights: Tensor) -> Tensor:
            return share @ squared_errors(self.forecast(weights, windows), targets)

        gradient = grad(loss)(state["weights"])
        learned = self.learned(state, gradient, where=share.sum() > 0)
        return {**learned, "rows": rows, "seen": seen}
