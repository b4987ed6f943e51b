"""Scores of a stream that was worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.base import Metric
from tasks.forecasting.scores import ForecastScores

SCALE = np.array([10.0, 0.5])
COLUMNS = ("OT", "load")


def two_origins() -> tuple[Tensor, Tensor]:
    """Forecasts and truth [2, 1, 2, 2]: errors by (origin, lead, channel) 1 2 / 3 0 and 0 0 / 4 2.

    Squares 1 4 / 9 0 and 0 0 / 16 4: origins 3.5 and 5, leads 1.25 and 7.25, channels 6.5 and 2.
    Absolutes: origins 1.5 and 1.5, channels 2 and 1.
    """
    truth = torch.tensor([[[[5.0, 1.0], [2.0, 2.0]]], [[[0.0, 1.0], [-1.0, 3.0]]]])
    errors = torch.tensor([[[[1.0, -2.0], [-3.0, 0.0]]], [[[0.0, 0.0], [4.0, 2.0]]]])
    return truth + errors, truth


@pytest.fixture
def scores() -> ForecastScores:
    scores = ForecastScores.empty(1, 2, 2, 2)
    scores.add(*two_origins())
    return scores


def value(metrics: list[Metric], name: str, x: float | None = None) -> float:
    (found,) = [m.value for m in metrics if m.name == name and m.x == x]
    return found


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("mse", None, 4.25),
        ("mae", None, 1.5),
        ("rmse", None, 4.25**0.5),
        ("mse_first_lead", None, 1.25),
        ("mse_by_lead", 1, 1.25),
        ("mse_by_lead", 2, 7.25),
        ("mse_by_channel", 0, 6.5),
        ("mse_by_channel", 1, 2.0),
        ("mse_original_by_channel", 0, 650.0),
        ("mse_original_by_channel", 1, 0.5),
        ("mae_original_by_channel", 0, 20.0),
        ("mae_original_by_channel", 1, 0.5),
        ("mae_by_channel", 0, 2.0),
        ("mae_by_channel", 1, 1.0),
        ("mape", None, (0.2 + 2 + 1.5 + 0 + 0 + 4 + 2 / 3) / 7),
        ("mspe", None, (0.04 + 4 + 2.25 + 0 + 0 + 16 + 4 / 9) / 7),
        ("rse", None, (34 / 23.875) ** 0.5),
        ("r2", None, 1 - 34 / 23.875),
    ],
)
def test_metrics_are_those_worked_out_by_hand(scores, name, x, expected):
    """Original units: a squared error times the squared scale, 100 and .25.

    Truth by (origin, lead, channel): 5 1 / 2 2 and 0 1 / -1 3. The 0 has no relative error.
    Sum 13, sum of squares 45, hence SST = 45 - 13^2 / 8 = 23.875; squared errors sum to 34.
    """
    assert value(scores.metrics(0, SCALE, COLUMNS), name, x) == pytest.approx(expected, rel=1e-6)


def test_only_the_mean_squared_error_is_tested_and_units_are_named(scores):
    metrics = scores.metrics(0, SCALE, COLUMNS)
    assert [m.name for m in metrics if m.primary] == ["mse"]
    assert {m.name for m in metrics if m.direction != "lower"} == {"r2"}
    units = {(m.name, m.x): m.unit for m in metrics}
    assert units["mse", None] == ""
    assert units["mae_original_by_channel", 0] == "units of OT"
    assert units["mse_original_by_channel", 1] == "(units of load)^2"
    assert units["mape", None] == units["mspe", None] == "relative to the scaled truth"


def test_losses_of_each_origin_are_kept_in_order(scores):
    series = scores.series(0)
    assert series["squared_error"].tolist() == [3.5, 5.0]
    assert series["absolute_error"].tolist() == [1.5, 1.5]
    assert series["squared_error"].dtype == np.float32


def random_stream(origins: int, lanes: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    forecasts, truth = torch.randn(2, origins, lanes, 4, 2, generator=rng)
    return forecasts, truth


@pytest.mark.parametrize("cuts", [[7], [1, 2, 30], [64]])
def test_scoring_in_parts_is_scoring_at_once(cuts):
    """Bit for bit: a check-point cuts the stream anywhere."""
    forecasts, truth = random_stream(100)
    parts, whole = (ForecastScores.empty(3, 4, 2, 100) for _ in range(2))
    whole.add(forecasts, truth)
    for start, end in zip([0, *cuts], [*cuts, 100], strict=True):
        parts.add(forecasts[start:end], truth[start:end])
    assert parts.n == 100
    assert torch.equal(parts.origin_squared, whole.origin_squared)
    assert torch.equal(parts.squared, whole.squared)
    assert torch.equal(parts.absolute, whole.absolute)
    assert torch.equal(parts.relative.totals, whole.relative.totals)
    expected = (forecasts - truth).double().square().mean((0, 2, 3))
    torch.testing.assert_close(whole.mean_squared(), expected, rtol=1e-12, atol=0)
    assert [whole.mse(lane) for lane in range(3)] == pytest.approx(expected.tolist())


def test_scores_go_on_from_what_was_kept():
    forecasts, truth = random_stream(20)
    first = ForecastScores.empty(3, 4, 2, 20)
    first.add(forecasts[:9], truth[:9])
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    again = ForecastScores.from_tensors(kept)
    for scores in (first, again):
        scores.add(forecasts[9:], truth[9:])
    for name, tensor in first.tensors().items():
        assert torch.equal(again.tensors()[name], tensor)
    assert torch.equal(kept["n"], torch.tensor(9))


def test_the_first_forecast_that_is_not_finite_is_remembered_per_lane():
    forecasts, truth = random_stream(10)
    forecasts[4, 1, 0, 0] = torch.nan
    forecasts[7, 1] = torch.inf
    forecasts[9, 2, 3, 1] = -torch.inf
    scores = ForecastScores.empty(3, 4, 2, 10)
    scores.add(forecasts[:3], truth[:3])
    scores.add(forecasts[3:], truth[3:])
    assert scores.first_bad.tolist() == [-1, 4, 9]
    finite = scores.mean_squared().isfinite().tolist()
    assert finite == [True, False, False]


def test_an_error_that_overflows_float32_is_not_finite_either():
    forecasts, truth = random_stream(1)
    forecasts[0, 0] = 3e38
    truth[0, 0] = -3e38
    scores = ForecastScores.empty(3, 4, 2, 1)
    scores.add(forecasts, truth)
    assert scores.first_bad.tolist() == [0, -1, -1]
