"""Choosing a setting on the validation stream, and what may not take part in the choice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from bench.running.cache import Cache
from tasks.tuning import best_lanes, edges
from tests.tasks.cells import cell, numbers, run
from tests.tasks.streams import RATES, SHORT, walk, write_csv


def tuned(memory: str, cache: Cache, params: Any, tune: Any = RATES, **options: Any) -> Any:
    (outcome,) = run(cell(memory, "online-tsf", params, tune=tune), [0], cache=cache, **options)
    return outcome


def test_the_setting_with_the_least_validation_error_is_chosen_and_its_state_carried_on(cache):
    """The tuned run equals the run of the chosen value alone, and not that of another."""
    outcome = tuned("ogd", cache, SHORT)
    told = outcome.notes["tuned"]
    errors = told["validation_mse"]
    assert told["candidates"] == [{"learning_rate": rate} for rate in RATES["learning_rate"]]
    assert told["choice"] == told["candidates"][errors.index(min(errors))]
    worst = told["candidates"][errors.index(max(errors))]
    for candidate in (told["choice"], worst):
        (fixed,) = run(cell("ogd", "online-tsf", SHORT, candidate), [0], cache=cache)
        same = numbers(fixed) == pytest.approx(numbers(outcome), rel=1e-5)
        assert same == (candidate == told["choice"])


def test_each_seed_chooses_for_itself(cache):
    made = cell("ogd", "online-tsf", SHORT, tune=RATES)
    together = run(made, [0, 1], cache=cache)
    (alone,) = run(made, [1], cache=cache)
    told = together[1].notes["tuned"]
    assert alone.notes["tuned"]["choice"] == told["choice"]
    assert alone.notes["tuned"]["validation_mse"] == pytest.approx(told["validation_mse"], rel=1e-5)
    assert together[0].notes["tuned"]["validation_mse"] != told["validation_mse"]


@pytest.mark.parametrize("given", [[0.0, 1e-30], [1e-30, 0.0]])
def test_ties_go_to_the_smaller_value_whatever_the_order(cache, given):
    """A rate of 1e-30 moves no float32 weight: both settings forecast alike."""
    told = tuned("ogd", cache, SHORT, {"learning_rate": given}).notes["tuned"]
    assert told["validation_mse"][0] == told["validation_mse"][1]
    assert told["choice"] == {"learning_rate": 0.0}


def test_no_test_row_takes_part_in_a_choice(tmp_path, cache):
    """Of 120 rows, training has 24, validation 6: rows >= 30 are replaced by others."""
    values = walk(0, 120)
    replaced = np.concatenate([values[:30], 50 + 9 * walk(1, 120)[30:]])
    settings = {"lookback": 12, "horizon": 3}
    told = []
    for name, data in (("a", values), ("b", replaced)):
        dataset = write_csv(tmp_path / f"{name}.csv", data)
        notes = tuned("ogd", cache, settings | {"dataset": dataset}).notes
        told.append((notes["tuned"], notes["pretraining"]))
        mse = notes["frozen_mse"]
    assert told[0] == told[1]
    assert mse > 10


def test_forecasts_whose_target_reaches_into_the_test_rows_choose_nothing(tmp_path, cache):
    """The validation error is the mean over origins 23..26 of 23..28: H - 1 = 2 fewer."""
    values = walk(0, 120)
    dataset = write_csv(tmp_path / "a.csv", values)
    params = {"dataset": dataset, "lookback": 12, "horizon": 3}
    outcome = tuned("ogd", cache, params, {"learning_rate": [0.0, 1e-30]})
    assert outcome.notes["tuned"]["validation_mse"][0] == pytest.approx(
        outcome.notes["pretraining"]["validation_mse"], rel=1e-6
    )


def test_choosing_prefers_the_first_of_equals_and_any_finite_error():
    errors = torch.tensor([[2.0, 1.0, 1.0], [torch.nan, torch.inf, 5.0]]).flatten()
    assert best_lanes(errors.tolist(), 2) == [1, 5]
    assert best_lanes([math.nan] * 4, 2) == [0, 2]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"rate": 0.1, "size": 2}, ["rate"]),
        ({"rate": 0.2, "size": 4}, ["size"]),
        ({"rate": 0.3, "size": 1}, ["rate", "size"]),
        ({"rate": 0.2, "size": 2}, []),
    ],
)
def test_a_choice_lies_at_the_edge_parameter_by_parameter(choice, expected):
    candidates = [
        {"rate": rate, "size": size, "fixed": 7, "mode": mode}
        for rate in (0.1, 0.2, 0.3)
        for size in (1, 2, 4)
        for mode in ("a", "b")
    ]
    assert edges(candidates, choice | {"fixed": 7, "mode": "a"}) == expected


def test_a_choice_at_the_edge_of_its_grid_is_a_warning(cache):
    told = tuned("ogd", cache, SHORT, {"learning_rate": [0.0, 1e-30]}).notes
    assert told["tuned"]["at_edge"] == ["learning_rate"]
    assert any("learning_rate = 0 lies at the edge" in text for text in told["warnings"])
