"""Forecasters that break one law each, and the one that breaks none."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from bench.audit import forecaster
from memories.base import OnlineForecaster, State

C, H = forecaster.CHANNELS, forecaster.HORIZON


class Drifting(OnlineForecaster):
    """The newest row plus the running mean of what it got wrong; keeps all laws.

    Offenders receive the whole stream, as no forecaster ever does, and misuse it.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.__dict__["_rows"] = rows
        self._calls = 0

    @override
    def init_state(self) -> State:
        return {"mean": torch.zeros(H, C), "step": torch.zeros((), dtype=torch.int64)}

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        window, target = recent
        mean = 0.9 * state["mean"] + 0.1 * (target - window[-1])
        return {"mean": mean, "step": state["step"] + 1}

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return window[-1] + state["mean"], state

    def row(self, state: State, ahead: int) -> Tensor:
        """The row so many after the newest one."""
        at = forecaster.FIRST - 1 + state["step"] + ahead
        rows: Tensor = self.__dict__["_rows"]
        return torch.where(torch.arange(len(rows))[:, None] == at, rows, 0.0).sum(0)


class PeeksARow(Drifting):
    """Knows the next row."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        return forecast + 0.5 * (self.row(state, 1) - window[-1]), state


class LearnsARowTooEarly(Drifting):
    """Learns at t from the pair of origin t - H + 1, whose target ends at row t + 1: the leak of
    protocols that hand over a pair before its horizon has passed.
    """

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        window, target = recent
        following = self.row({"step": state["step"] + 1}, 1)
        newer = torch.cat([window[1:], target[:1]]), torch.cat([target[1:], following[None]])
        return super().observe(state, x_t, newer)


class CountsOutside(Drifting):
    """Counts its forecasts in an attribute."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        self._calls += 1
        forecast, state = super().predict(state, window)
        return forecast + 0.01 * self._calls, state


class WritesIntoItsMean(Drifting):
    """Updates the running mean where it is."""

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        state["mean"].mul_(0.9).add_(0.1 * (recent[1] - recent[0][-1]))
        return {**state, "step": state["step"] + 1}


class CentresItsWindow(Drifting):
    """Subtracts the mean from the window it was given."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        centre = window.mean(0)
        window.sub_(centre)
        return window[-1] + centre + state["mean"], state


class ForecastsAtRandom(Drifting):
    """Adds noise of the global generator."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        return forecast + 1e-3 * torch.rand(H, C), state


class GrowsWithTime(Drifting):
    """Keeps every row."""

    @override
    def init_state(self) -> State:
        return {**super().init_state(), "rows": torch.zeros(0, C)}

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        rows = torch.cat([state["rows"], x_t[None]])
        return {**super().observe(state, x_t, recent), "rows": rows}


class ForecastsTooShort(Drifting):
    """One lead is missing."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        return forecast[1:], state


class MeetsOthers(Drifting):
    """Adds what the lane before it last forecast."""

    vectorized = False
    last: ClassVar[list[Tensor]] = []

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        before = self.last.pop() if self.last else torch.zeros(())
        forecast, state = super().predict(state, window)
        self.last.append(forecast.mean().clone())
        return forecast + 0.1 * before, state
