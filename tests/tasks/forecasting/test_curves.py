"""Adaptation curves of hand-made losses."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.base import Metric
from tasks.forecasting.curves import POINTS, WINDOW, adaptation, thinned, windowed


def curve(metrics: list[Metric], name: str) -> dict[float, float]:
    return {m.x: m.value for m in metrics if m.name == name and m.x is not None}


def test_windowed_means_run_over_the_newest_losses():
    assert windowed(np.array([1.0, 3.0, 5.0, 1.0]), 2).tolist() == [2.0, 4.0, 3.0]
    assert windowed(np.array([1.0, 3.0]), 2).tolist() == [2.0]
    assert windowed(np.array([1.0]), 2).tolist() == []


def test_a_step_in_the_losses_moves_each_curve_as_computed_by_hand():
    """Frozen 2 throughout; the forecaster 2 for 600 origins, then 1 for 400.

    After n > 600 origins the mean is (1200 + n - 600) / n, the newest 500 hold n - 600 ones until
    n = 1100, and n - 600 has been gained.
    """
    errors = np.repeat([2.0, 1.0], [600, 400]).astype(np.float32)
    metrics = adaptation(errors, np.full(1000, 2.0, np.float32))
    mean, window = curve(metrics, "mse_cumulative"), curve(metrics, "mse_windowed")
    gained, relative = (
        curve(metrics, "loss_difference_cumulative"),
        curve(metrics, "skill_windowed"),
    )
    assert {*mean} == {*gained}
    assert {*window} == {*relative}
    assert min(window) == WINDOW
    assert max(window) == max(mean) == 1000
    for n, value in mean.items():
        late = max(0, n - 600)
        assert value == pytest.approx((2 * n - late) / n)
        assert gained[n] == pytest.approx(late)
    for n, value in window.items():
        late = max(0, n - 600)
        assert value == pytest.approx(2 - late / 500)
        assert relative[n] == pytest.approx(late / 1000)
    assert relative[1000] == pytest.approx(0.4)


def test_the_frozen_backbone_neither_gains_nor_loses_against_itself():
    errors = np.random.default_rng(0).random(700).astype(np.float32)
    metrics = adaptation(errors, errors)
    assert set(curve(metrics, "skill_windowed").values()) == {0.0}
    assert set(curve(metrics, "loss_difference_cumulative").values()) == {0.0}


def test_a_pass_shorter_than_the_window_has_no_windowed_curve():
    errors = np.ones(WINDOW - 1, np.float32)
    assert {m.name for m in adaptation(errors, errors)} == {
        "mse_cumulative",
        "loss_difference_cumulative",
    }


def test_there_is_no_skill_against_a_backbone_without_error():
    """Frozen errors are 0 in the first 500 origins, 1 after them: one window is all zeros."""
    frozen = np.repeat([0.0, 1.0], [500, 20]).astype(np.float32)
    metrics = adaptation(np.ones(520, np.float32), frozen)
    assert len(curve(metrics, "mse_windowed")) == 21
    assert min(curve(metrics, "skill_windowed")) == 501


@pytest.mark.parametrize("origins", [1, 3, 100, 200, 201, 5000])
def test_curves_are_thinned_between_their_first_and_last_point(origins):
    errors = np.random.default_rng(1).random(origins)
    metrics = adaptation(errors, errors)
    points = curve(metrics, "mse_cumulative")
    assert len(points) == min(origins, POINTS)
    assert (min(points), max(points)) == (1, origins)
    assert points[origins] == pytest.approx(errors.mean())
    assert points[1] == errors[0]


def test_thinning_keeps_order_and_repeats_nothing():
    assert thinned(range(0)) == []
    assert thinned([4, 7], points=5) == [4, 7]
    assert thinned(range(10, 20), points=4) == [10, 13, 16, 19]


def test_only_gains_are_better_when_higher():
    errors = np.ones(600)
    directions = {m.name: m.direction for m in adaptation(errors, errors)}
    assert directions == {
        "mse_cumulative": "lower",
        "mse_windowed": "lower",
        "skill_windowed": "higher",
        "loss_difference_cumulative": "higher",
    }
