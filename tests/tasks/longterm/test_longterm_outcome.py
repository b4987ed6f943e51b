"""From a test pass to what is recorded: marks, notes, and rows held in each phase."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tasks.data.scaling import Scaler
from tasks.forecasting.outcome import TOO_GOOD_MARK
from tasks.forecasting.scores import ForecastScores
from tasks.longterm import outcome as module
from tasks.longterm.best import Best
from tasks.longterm.occupancy import Occupancy
from tasks.longterm.outcome import EMPTY_MARK, judge, unwritten
from tests.memories.token_training.small_models import CHANNELS, HORIZON, Mean, former, lanes
from tests.tasks.longterm.small_runs import SPLIT, plan

SERIES: Any = SimpleNamespace(
    scaler=lambda: Scaler(np.zeros(CHANNELS), np.full(CHANNELS, 2.0)),
    columns=("a", "b"),
    notes=("a day was filled",),
)


def result(
    *, off: float = 1.0, empty: bool = False, tokens: int = 1, error: float = 0.5
) -> module.Tested:
    """Of two lanes, the second of which forecasts NaN at its third window."""
    count = len(plan().test)
    scores = ForecastScores.empty(2, HORIZON, CHANNELS, count)
    truth = torch.ones(count, 2, HORIZON, CHANNELS)
    forecasts = truth + off
    forecasts[2, 1] = torch.nan
    scores.add(forecasts, truth)
    of = lanes([0, 1])
    best = Best(of, of.init_state())
    best.offer(2, torch.full((2,), error, dtype=torch.float64), of, of.init_state())
    held = torch.tensor([empty, empty])
    return module.Tested(scores, best, Occupancy.empty(2, 2), held, tokens)


def test_the_errors_of_a_lane_are_recorded_with_its_training_and_its_memory():
    outcome = judge(result(), 0, SERIES, plan(stride=4), 1.5)
    assert outcome.status == "ok"
    found = {m.name: m.value for m in outcome.metrics if m.x is None}
    assert found["mse"] == found["mae"] == 1
    assert outcome.n_eval == len(plan().test)
    assert outcome.notes["training"] == {"epoch": 2, "validation_mse": 0.5}
    assert outcome.notes["persistence_mse"] == 1.5
    assert outcome.notes["warnings"] == ["a day was filled"]
    assert outcome.notes["memory"]["stride"] == 4
    original = [m.value for m in outcome.metrics if m.name == "mse_original_by_channel"]
    assert original == [4.0, 4.0]


@pytest.mark.parametrize(
    ("empty", "tokens", "marks"),
    [(True, 1, (EMPTY_MARK,)), (False, 1, ()), (True, 0, ()), (False, 0, ())],
)
def test_tokens_of_an_unwritten_state_are_marked(empty, tokens, marks):
    assert EMPTY_MARK == "memory empty at test"
    assert judge(result(empty=empty, tokens=tokens), 0, SERIES, plan(), 1.0).marks == marks


def test_an_error_that_cannot_be_is_marked_too():
    seen = judge(result(off=1e-3, empty=True), 0, SERIES, plan(), 1.0)
    assert seen.marks == (EMPTY_MARK, TOO_GOOD_MARK)
    assert judge(result(off=0.011), 0, SERIES, plan(), 1.0).marks == ()


def test_a_forecast_that_is_not_finite_fails_its_lane_and_names_the_origin():
    """The third window of the test ends at row b + 1 = 61."""
    outcome = judge(result(), 1, SERIES, plan(), 1.0)
    assert (outcome.status, outcome.metrics, outcome.marks) == ("nonfinite", [], ())
    assert outcome.message == f"first non-finite forecast at origin t={SPLIT.b + 1}"


@pytest.mark.parametrize("error", [float("inf"), float("nan")])
def test_a_lane_without_a_finite_validation_error_has_no_result(error):
    outcome = judge(result(error=error), 0, SERIES, plan(), 1.0)
    assert (outcome.status, outcome.metrics) == ("nonfinite", [])
    assert outcome.message == "no epoch had a finite validation error"


def test_a_state_is_unwritten_only_if_none_of_its_bits_changed():
    initial = {"rows": torch.zeros(3, 4, 2), "count": torch.zeros(3, dtype=torch.int64)}
    assert unwritten(initial, initial).tolist() == [True] * 3
    rows = initial["rows"].clone()
    rows[1, 3, 1] = 1e-30
    assert unwritten(initial | {"rows": rows}, initial).tolist() == [True, False, True]
    count = torch.tensor([0, 0, 1])
    assert unwritten(initial | {"count": count}, initial).tolist() == [True, True, False]
    rows[0, 0, 0] = torch.nan
    assert unwritten(initial | {"rows": rows}, initial).tolist() == [False, False, True]


def test_rows_are_told_by_phase_and_epoch_as_far_as_a_lane_was_there():
    of = lanes([0, 1], Mean, former)
    held = Occupancy.empty(2, 2)

    def note(epoch: int, phase: Any, *counts: list[int]) -> None:
        for end, count in enumerate(counts):
            state = {"sum": torch.zeros(len(count), 8), "count": torch.tensor(count)}
            held.note(of, epoch, phase, end, state)

    note(1, "training", [0, 0], [5, 6])
    note(1, "validation", [5, 6], [7, 8])
    of.select(torch.tensor([1]))
    note(2, "training", [0], [6])
    of.restore(lanes([0, 1], Mean, former).tensors())
    note(3, "test", [9, 10], [11, 12])
    first = [
        {"phase": "training", "epoch": 1, "rows": [0, 5]},
        {"phase": "validation", "epoch": 1, "rows": [5, 7]},
    ]
    assert held.told(0) == [*first, {"phase": "test", "rows": [9, 11]}]
    assert held.told(1) == [
        {"phase": "training", "epoch": 1, "rows": [0, 6]},
        {"phase": "validation", "epoch": 1, "rows": [6, 8]},
        {"phase": "training", "epoch": 2, "rows": [0, 6]},
        {"phase": "test", "rows": [10, 12]},
    ]
    again = Occupancy.empty(2, 2)
    again.restore(held.tensors())
    assert [again.told(lane) for lane in (0, 1)] == [held.told(lane) for lane in (0, 1)]
    again.note(of, 2, "validation", 0, {"sum": torch.zeros(2, 8), "count": torch.zeros(2)})
    again.note(of, 2, "validation", 1, {"sum": torch.zeros(2, 8), "count": torch.zeros(2)})
    assert len(again.told(0)) == len(held.told(0)) + 1


def test_a_memory_that_reports_no_rows_has_no_phases_to_tell():
    of = lanes([0], Mean, former)
    of.report = lambda state: {}
    held = Occupancy.empty(1, 1)
    for end in (0, 1):
        held.note(of, 1, "training", end, of.init_state())
    assert held.told(0) == []
