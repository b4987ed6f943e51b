"""The floor of forecasting: the newest row, again and again."""

from __future__ import annotations

from torch import Tensor

from bench.registry import memory
from memories.base import OnlineForecaster, State


@memory("persistence", family="naive", source="folklore; the no-change forecast")
class Persistence(OnlineForecaster):
    """Forecasts the newest row at every lead; learns and stores nothing.

    Args:
        horizon: H.
    """

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon

    def init_state(self) -> State:
        """Empty: there is nothing to remember."""
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state as it was."""
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """Row t, H times: [H, C]."""
        return window[-1:].expand(self.horizon, -1).clone(), state
