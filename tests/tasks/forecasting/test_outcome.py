"""The outcome of a trial: what is warned of, what is stored, what a stream's regimes add."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.data.scaling import Scaler
from tasks.data.schedules import Schedule, one_after_another
from tasks.data.splits import Split
from tasks.data.synth_drift import SynthDrift
from tasks.forecasting.outcome import TOO_GOOD_MARK, Setting, judge
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.yardsticks import Yardsticks
from tests.tasks.cells import cell, curve, metric, run
from tests.tasks.streams import DRIFT, write_csv

H = 2
SPLIT = Split(100, 150, 550)
ORIGINS = SPLIT.test_origins(H)


def setting(schedule: Schedule | None = None) -> Setting:
    return Setting(SPLIT, H, Scaler(np.zeros(1), np.ones(1)), ("x",), schedule)


def scores(error: float) -> ForecastScores:
    """Forecasts that miss the truth, 1 throughout, by `error`."""
    found = ForecastScores.empty(1, H, 1, len(ORIGINS))
    truth = torch.ones(len(ORIGINS), 1, H, 1, dtype=torch.float64)
    found.add(truth + error, truth)
    return found


def yardsticks(frozen: float, naive: float) -> Yardsticks:
    return Yardsticks(np.full(len(ORIGINS), frozen, np.float32), naive)


@pytest.mark.parametrize(("error", "doubted"), [(0.0099, True), (0.0101, False), (0.0, True)])
def test_an_error_below_a_ten_thousandth_of_persistence_is_doubted(error, doubted):
    """Persistence 1: the squared error is compared to 1e-4."""
    outcome = judge(scores(error), 0, setting(), yardsticks(1.0, 1.0))
    assert outcome.status == "ok"
    assert (outcome.marks == (TOO_GOOD_MARK,)) == doubted
    told = outcome.notes.get("warnings", [])
    assert told == (
        ["mse is below 1/10,000 of that of persistence: a leak, or degenerate data"] * doubted
    )


def test_where_persistence_makes_no_error_nothing_can_be_told():
    assert judge(scores(0.0), 0, setting(), yardsticks(0.0, 0.0)).marks == ()


def test_skill_refers_to_the_mean_of_the_frozen_errors():
    """1 - .25 / .5."""
    outcome = judge(scores(0.5), 0, setting(), yardsticks(0.5, 1.0))
    assert metric(outcome, "skill") == pytest.approx(0.5)
    nothing = judge(scores(0.5), 0, setting(), yardsticks(0.0, 1.0))
    assert not any(m.name.startswith("skill") for m in nothing.metrics)


def test_the_frozen_errors_are_stored_beside_the_forecasters():
    outcome = judge(scores(0.5), 0, setting(), yardsticks(0.25, 1.0))
    assert set(outcome.series) == {"squared_error", "absolute_error", "frozen_squared_error"}
    assert {len(series) for series in outcome.series.values()} == {len(ORIGINS)}
    assert {series.dtype for series in outcome.series.values()} == {np.dtype(np.float32)}


def test_the_share_of_truths_too_small_for_a_relative_error_is_noted():
    assert judge(scores(0.5), 0, setting(), yardsticks(1.0, 1.0)).notes["mape_skipped"] == 0


def test_known_regimes_add_recovery_and_its_warnings():
    """A change at row 350 of 550; equal errors on both sides: recovered at once."""
    outcome = judge(scores(0.5), 0, setting(one_after_another(550, 2, 350)), yardsticks(1.0, 1.0))
    assert metric(outcome, "recovery_ratio") == pytest.approx(1)
    assert metric(outcome, "recovery_steps") == 100
    assert curve(outcome, "mse_by_regime") == {0: 0.25, 1: 0.25}
    assert outcome.notes["recovery"]["counted"] == [350]


def test_one_primary_number_and_no_name_twice():
    outcome = judge(scores(0.5), 0, setting(one_after_another(550, 2, 350)), yardsticks(1.0, 1.0))
    assert [m.name for m in outcome.metrics if m.primary] == ["mse"]
    named = [(m.name, m.x) for m in outcome.metrics]
    assert len(named) == len(set(named))
    assert all(m.x is None or isinstance(m.x, float) for m in outcome.metrics)


def gradual(rows: int) -> dict:
    options = {"schedule": "gradual", "rows": rows, "channels": 2, "regimes": 2}
    return {**DRIFT, "options": options}


def test_a_gradual_stream_is_labelled_where_its_validation_rows_drift(cache):
    """1,000 rows, one change at row 500, mixed over 100: far from validation, [200, 250)."""
    (far,) = run(cell("persistence", "online-tsf", gradual(1000)), [0], cache=cache)
    assert not any("mixed" in text for text in far.notes["warnings"])
    plan = SynthDrift("gradual", channels=2, regimes=3, rows=900, segment=225, blend=60).plan()
    assert plan.mixed[180:225].any(), "validation rows are [180, 225)"
    options = {"schedule": "gradual", "rows": 900, "channels": 2, "regimes": 3, "segment": 225}
    near = {**DRIFT, "options": {**options, "blend": 60}}
    (outcome,) = run(cell("persistence", "online-tsf", near), [0], cache=cache)
    assert "regimes are mixed from row 196 on, inside the validation rows 180 to 224" in str(
        outcome.notes["warnings"]
    )


def test_a_noise_free_cycle_makes_a_perfect_forecaster_suspicious(tmp_path, cache):
    """What repeats exactly is no test of forecasting: the row says so in every table."""
    t = np.arange(480)
    values = np.stack([np.sin(2 * np.pi * t / 24)], axis=1)
    params = {"dataset": write_csv(tmp_path / "daily.csv", values), "lookback": 48, "horizon": 24}
    (seasonal,) = run(cell("seasonal-naive", "online-tsf", params), [0], cache=cache)
    assert seasonal.marks == (TOO_GOOD_MARK,)
    (naive,) = run(cell("persistence", "online-tsf", params), [0], cache=cache)
    assert naive.marks == ()
