"""Errors must be those of the forecast they are stored for: what causality alone cannot see.

A delayed queue that holds a forecast H rows too long compares it with the target of another
origin. Nothing of the future enters, so that every law of causality holds; but a perfect
forecaster then has errors, which it has not.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.audit import forecaster
from memories.base import OnlineForecaster, State

H, C, PERIOD = forecaster.HORIZON, forecaster.CHANNELS, forecaster.PERIOD


class Remembers(OnlineForecaster):
    """Repeats the last period, and stores the error of each forecast once its target is known.

    The forecast of origin t stands in slot t mod 2H of a ring; its target is rows t+1..t+H.

    Args:
        late: Rows by which the forecast is taken from the ring too late; 0 pairs correctly.
    """

    def __init__(self, late: int = 0) -> None:
        super().__init__()
        self.late = late

    def init_state(self) -> State:
        step = torch.zeros((), dtype=torch.int64)
        ring = torch.zeros(2 * H + 1, H, C)
        return {"step": step, "ring": ring, "stored": torch.zeros(H, C)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        step = state["step"] + 1
        origin = step - H - self.late
        issued = state["ring"].index_select(0, (origin % (2 * H + 1))[None])[0]
        stored = torch.where(origin >= 1, recent[1] - issued, state["stored"])
        return {**state, "step": step, "stored": stored}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast = window[-PERIOD : H - PERIOD]
        slot = torch.arange(2 * H + 1) == state["step"] % (2 * H + 1)
        ring = torch.where(slot[:, None, None], forecast, state["ring"])
        return forecast + 0.1 * state["stored"], {**state, "ring": ring}


def largest_error(memory: OnlineForecaster, rows: Tensor) -> float:
    """The largest error stored at any origin of a walk over the rows."""
    walk = forecaster.Walk(memory, rows)
    largest = 0.0
    for t in range(forecaster.FIRST, forecaster.ROWS):
        largest = max(largest, float(walk.to(t).state["stored"].abs().max()))
    return largest


@pytest.fixture
def periodic() -> Tensor:
    """A period of 8 random rows, repeated bit for bit: to repeat it is a perfect forecast."""
    period = torch.randn(PERIOD, C, generator=torch.Generator().manual_seed(0))
    return period.repeat(forecaster.ROWS // PERIOD + 1, 1)[: forecaster.ROWS]


@pytest.mark.parametrize("late", [0, H])
def test_a_mispaired_error_breaks_no_law_of_causality(late):
    verdicts = [law.verdict(lambda seed, rows: Remembers(late)) for law in forecaster.LAWS]
    assert [v for v in verdicts if v.outcome == "broken"] == []


def test_a_perfect_forecaster_stores_zero_errors(periodic):
    assert largest_error(Remembers(), periodic) == 0


def test_a_mispaired_queue_stores_errors_that_nobody_made(periodic):
    """Y_{t-H} against the forecast of t-2H: half a period apart."""
    assert largest_error(Remembers(late=H), periodic) > 1


def test_a_mispaired_queue_looks_right_where_the_season_divides_the_horizon():
    """The case in which the mistake went unseen: H rows later is one season later."""
    season = torch.randn(H, C, generator=torch.Generator().manual_seed(0))
    rows = season.repeat(forecaster.ROWS // H, 1)
    assert largest_error(Remembers(late=H), rows) == 0
