"""What forecasters say of themselves is sampled every 100 scored origins, per lane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from bench.running.checkpoint import Checkpoint
from memories.base import OnlineForecaster, State
from tasks.forecasting.reports import Reports
from tests.tasks.cells import cell, run
from tests.tasks.streams import DRIFT, ORIGINS, UPDATES


class Counting(OnlineForecaster):
    """Forecasts the newest row, and reports its steps, times a gain, and something undefined.

    Args:
        horizon: H.
        gain: Factor of the report.
    """

    def __init__(self, horizon: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.horizon = horizon
        self.scalar("gain", gain)

    def init_state(self) -> State:
        return {"step": torch.zeros((), dtype=torch.int64)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return {"step": state["step"] + 1}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return window[-1:].expand(self.horizon, -1), state

    def report(self, state: State) -> Mapping[str, Tensor]:
        """Steps, steps times gain, and NaN up to step 150."""
        step = state["step"]
        late = torch.where(step > 150, 1.0, torch.nan)
        return {"steps": step, "gained": step * self.gain, "late": late}


class Wide(Counting):
    def report(self, state: State) -> Mapping[str, Tensor]:
        return {"steps": state["step"].expand(3)}


class Silent(Counting):
    def report(self, state: State) -> Mapping[str, Tensor]:
        return {}


def sampled(lanes: Lanes, origins: int) -> Reports:
    state = lanes.init_state()
    reports = Reports.empty(lanes, state, origins)
    for scored in range(1, origins + 1):
        state = lanes.observe(state, torch.zeros(lanes.size, 1), (torch.zeros(lanes.size, 1),) * 2)
        reports.offer(lanes, state, scored)
    return reports


@pytest.mark.parametrize(
    ("origins", "at"),
    [(7, [7]), (100, [100]), (250, [100, 200, 250]), (300, [100, 200, 300])],
)
def test_samples_are_taken_every_hundred_origins_and_at_the_last(origins, at):
    """Every lane by itself: the second counts twice as fast."""
    reports = sampled(Lanes([Counting(2), Counting(2, gain=2.0)]), origins)
    for lane in range(2):
        series = reports.series(lane)
        assert series["report_at"].tolist() == at
        assert series["report_steps"].tolist() == at
        assert series["report_gained"].tolist() == [(lane + 1) * step for step in at]
        assert all(values.dtype == np.float32 for values in series.values())


def test_the_summary_is_the_mean_over_finite_samples_and_the_last():
    """Samples at 100, 200 and 250; the last report is undefined at 100."""
    summary = sampled(Lanes([Counting(2)]), 250).summary(0)
    assert summary == {
        "gained": {"mean": 550 / 3, "last": 250},
        "late": {"mean": 1, "last": 1},
        "steps": {"mean": 550 / 3, "last": 250},
    }
    undefined = sampled(Lanes([Counting(2)]), 100).summary(0)
    assert undefined["late"] == {"mean": None, "last": None}


def test_a_forecaster_that_reports_nothing_leaves_nothing():
    for memory in (Silent(2), registry.get("memory", "persistence").cls(2)):
        reports = Reports.empty(Lanes([memory]), Lanes([memory]).init_state(), 250)
        assert reports.values == {}
        assert reports.series(0) == {}
        assert reports.summary(0) == {}


def test_a_report_that_is_no_scalar_is_refused():
    lanes = Lanes([Wide(2)])
    with pytest.raises(ValueError, match=r"report 'steps' has shape \[3\], expected a scalar"):
        Reports.empty(lanes, lanes.init_state(), 100)


def test_the_task_samples_the_test_pass_alone(temporary_entries, cache):
    """12 rows of validation come before; samples after the 100th and the last scored origin."""
    registry.memory("counting", family="fake")(Counting)
    (outcome,) = run(cell("counting", "online-tsf", DRIFT, {"gain": 0.5}), [0], cache=cache)
    at = [100, ORIGINS]
    assert outcome.series["report_at"].tolist() == at
    assert outcome.series["report_steps"].tolist() == [UPDATES + n for n in at]
    assert outcome.notes["report"]["gained"]["last"] == (UPDATES + ORIGINS) / 2


@pytest.mark.parametrize("kept", [UPDATES + 99, UPDATES + 100, UPDATES + 130])
def test_samples_survive_a_kill(temporary_entries, cache, tmp_path, kept):
    """Kept just before the first sample, with it, and after it."""
    registry.memory("counting", family="fake")(Counting)
    made = cell("counting", "online-tsf", DRIFT)
    (whole,) = run(made, [0], cache=cache)

    def killed(done: int, total: int) -> None:
        if done == kept:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "block.safetensors", every_s=0)
    with pytest.raises(KeyboardInterrupt):
        run(made, [0], cache=cache, checkpoint=checkpoint, progress=killed)
    (again,) = run(made, [0], cache=cache, checkpoint=checkpoint)
    assert again.notes["report"] == whole.notes["report"]
    assert list(again.series) == list(whole.series), "a record has the checksum of their file"
    for name in ("report_steps", "report_late", "report_at"):
        np.testing.assert_array_equal(again.series[name], whole.series[name])


def test_a_forecaster_without_report_has_none_in_its_record(cache):
    (outcome,) = run(cell("persistence", "online-tsf", DRIFT), [0], cache=cache)
    assert "report" not in outcome.notes
    assert not any(name.startswith("report") for name in outcome.series)
