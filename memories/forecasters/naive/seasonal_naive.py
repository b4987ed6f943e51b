"""The floor of seasonal forecasting: the newest whole season, again and again."""

from __future__ import annotations

import math

from torch import Tensor

from bench.registry import memory
from memories.base import OnlineForecaster, State, Unsuitable


@memory("seasonal-naive", family="naive", source="folklore; Hyndman & Athanasopoulos 2018")
class SeasonalNaive(OnlineForecaster):
    """Forecasts lead h as the newest observed row of the same phase: row t + h - P ceil(h/P).

    Args:
        lookback: L.
        horizon: H.
        period: P, rows per season, given by the dataset.

    Raises:
        Unsuitable: If a window is shorter than a season.
    """

    def __init__(self, lookback: int, horizon: int, period: int) -> None:
        super().__init__()
        if period > lookback:
            raise Unsuitable(
                f"a window of {lookback} rows holds no season of {period}: raise the lookback"
            )
        self.rows = [
            lookback - 1 + h - period * math.ceil(h / period) for h in range(1, horizon + 1)
        ]

    def init_state(self) -> State:
        """Empty: there is nothing to remember."""
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state as it was."""
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The window's rows of the same phase, [H, C]."""
        return window[self.rows], state
