"""Forecasters that break one law each, and the one that breaks none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from bench.audit import forecaster
from memories.base import OnlineForecaster, State

C, L, H = forecaster.CHANNELS, forecaster.LOOKBACK, forecaster.HORIZON


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

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        return {"correction": state["mean"].abs().mean()}

    def row(self, state: State, ahead: int) -> Tensor:
        """The row so many after the newest one."""
        at = forecaster.FIRST - 1 + state["step"] + ahead
        rows: Tensor = self.__dict__["_rows"]
        return torch.where(torch.arange(len(rows))[:, None] == at, rows, 0.0).sum(0)

    def ahead(self, state: State, first: int, last: int) -> Tensor:
        """The rows from so many to so many after the newest one."""
        return torch.stack([self.row(state, lead) for lead in range(first, last + 1)])


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


class LegacyLeak(Drifting):
    """At t learns from the pair of origin t-1, whatever the horizon: the protocol of FSNet and
    OneNet, which step on the target of a forecast as soon as the forecast is scored.
    """

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        now = {"step": state["step"] + 1}
        return super().observe(state, x_t, (self.ahead(now, -L, -1), self.ahead(now, 0, H - 1)))


class PrefixOfTheTarget(Drifting):
    """Takes the first half of its own target for partly observed truth."""

    first, last = 1, H // 2

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        partial = self.ahead(state, self.first, self.last)
        return forecast + 0.1 * (partial.mean(0) - window[-1]), state


class SuffixOfTheTarget(PrefixOfTheTarget):
    """Takes the last half."""

    first, last = H - H // 2 + 1, H


class ScalesByTheWholeSeries(Drifting):
    """Shrinks its forecast towards the mean of the series, future included."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        rows: Tensor = self.__dict__["_rows"]
        mean, sd = rows.mean(0), rows.std(0)
        forecast, state = super().predict(state, window)
        return mean + sd * torch.tanh((forecast - mean) / sd), state


class NormalisesByItsTarget(Drifting):
    """Normalises a window by the statistics of window and target together."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        both = torch.cat([window, self.ahead(state, 1, H)])
        mean, sd = both.mean(0), both.std(0)
        scaled = (window - mean) / sd
        return scaled[-1] * sd + 0.5 * (mean - window[-1]) + window[-1] + state["mean"], state


class SharesItsRing(Drifting):
    """Keeps the newest rows in a ring of the class: every lane writes into it and reads from it."""

    vectorized = False
    ring: ClassVar[Tensor] = torch.zeros(5, C)

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        self.ring[int(state["step"]) % 5] += x_t
        return super().observe(state, x_t, recent)

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        return forecast + 0.01 * self.ring.mean(0), state


class ReportsItsRing(Drifting):
    """Reports a vector."""

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        return {"correction": state["mean"].mean(0)}


class ForgetsWhenAsked(Drifting):
    """Resets its mean when it reports it."""

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        found = state["mean"].abs().mean()
        state["mean"].mul_(0.0)
        return {"correction": found}


class Fitted(Drifting):
    """Starts from the mean of its training rows; keeps all laws."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__(rows)
        self.level = nn.Parameter(torch.zeros(C))

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        noise = torch.randn(C, generator=generator)
        self.level.data = train["train"].mean(0) + 0.1 * noise

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        return forecast + 0.1 * self.level, state


class FitsAtRandom(Fitted):
    """Draws its start from the global generator."""

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        self.level.data = train["train"].mean(0) + torch.randn(C)


class FitsOnTheTest(Fitted):
    """Starts from the mean of the rows after those it was given."""

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        seen = len(train["train"]) + len(train["validation"])
        rows: Tensor = self.__dict__["_rows"]
        self.level.data = rows[seen:].mean(0)


class FitsToInfinity(Fitted):
    """Divides by zero while fitting."""

    @override
    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        self.level.data = train["train"].mean(0) / 0


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
