"""Sample-level adaptation: a step on the past that resembles the present, taken back afterwards."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.base import State
from memories.forecasters.online.adapted import (
    AdaptedForecaster,
    Scope,
    head_of,
    squared_errors,
)
from memories.forecasters.online.similar_pairs import SimilarPairs
from memories.forecasters.online.stream_history import StreamHistory


@memory("solid", family="online-learning", source="Chen et al. 2024")
class Solid(AdaptedForecaster):
    """Each forecast comes from a head one gradient step away from the pre-trained one.

    head_t = head_0 - eta grad mean_{s in S_t} l(head_0; X_s, Y_s), plain gradient descent, S_t
    the n complete pairs whose phase and window are nearest to the present ones (Chen et al. 2024;
    the phase difference counts in both directions). The step is taken back after the forecast.
    Where a backbone declares no head, all its weights take the step. The backbone stays in
    evaluation mode.

    State entries: ``rows`` [N+L+H-1, C], the stream's newest, the last one last; ``seen``, int64,
    the complete pairs observed.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        period: Rows of a period, P.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: eta; choose it on the validation stream with `tune`.
        candidates: Newest complete pairs that are searched, N.
        neighbours: Pairs that the step is taken on, n.
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
        learning_rate: Annotated[float, Ge(0)] = 1e-2,
        candidates: Annotated[int, Ge(1)] = 500,
        neighbours: Annotated[int, Ge(1)] = 5,
        phase_tolerance: Annotated[float, Ge(0), Le(1)] = 0.1,
        one_sided: bool = False,
    ) -> None:
        scope: Scope = "head" if head_of(backbone) else "all"
        super().__init__(backbone, scope=scope, learning_rate=learning_rate)
        self.channels = channels
        self.similar = SimilarPairs(
            StreamHistory(candidates, lookback, horizon),
            period,
            neighbours=neighbours,
            phase_tolerance=phase_tolerance,
            one_sided=one_sided,
        )

    def init_state(self) -> State:
        """No rows."""
        device = self.learning_rate.device
        return {
            "rows": self.similar.history.empty(self.channels, device),
            "seen": torch.zeros((), dtype=torch.int64, device=device),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state with the new row."""
        rows = self.similar.history.extended(state["rows"], recent)
        return {"rows": rows, "seen": state["seen"] + 1}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The forecast [H, C] of the head adapted to this window; the state is as it was."""
        windows, targets, share = self.similar.nearest(state["rows"], state["seen"], window)

        def loss(weights: Tensor) -> Tensor:
            return share @ squared_errors(self.forecast(weights, windows), targets)

        start = self.pretrained()
        adapted = start - self.learning_rate * grad(loss)(start)
        return self.forecast(adapted, window[None])[0], state
