"""The floor below all floors: the mean of the training rows, whatever is seen."""

from __future__ import annotations

from torch import Tensor

from bench.registry import memory
from memories.base import OnlineForecaster, State


@memory("training-mean", family="naive", source="folklore; the unconditional mean")
class TrainingMean(OnlineForecaster):
    """Forecasts zero, which on scaled rows is the mean of the training rows.

    Its mean squared error is how far the stream has moved from where it was trained, in variances.

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
        """Zeros [H, C]."""
        return window.new_zeros(self.horizon, window.shape[-1]), state
