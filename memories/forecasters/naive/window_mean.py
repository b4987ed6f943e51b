"""A floor for untrained backbones: the mean of the newest rows, at every lead."""

from __future__ import annotations

from torch import Tensor

from bench.registry import memory
from memories.base import OnlineForecaster, State


@memory("window-mean", family="naive", source="folklore; the moving average")
class WindowMean(OnlineForecaster):
    """Forecasts the mean of the window at every lead: what a DLinear does before it is trained.

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
        """The mean of rows t-L+1 to t, H times: [H, C]."""
        return window.mean(0, keepdim=True).expand(self.horizon, -1).clone(), state
