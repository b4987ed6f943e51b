"""Relative errors where the truth is nothing, nearly nothing, or always the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_percentage_error, r2_score

from tasks.forecasting.relative import RelativeScores


def scored(forecasts: torch.Tensor, truth: torch.Tensor) -> RelativeScores:
    found = RelativeScores.empty(forecasts.shape[1], forecasts[0, 0].numel())
    found.add(forecasts - truth, truth)
    return found


def named(found: RelativeScores, lane: int, origins: int) -> dict[str, float]:
    return {m.name: m.value for m in found.metrics(lane, origins)}


def stream(origins: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    forecasts, truth = torch.randn(2, origins, 2, 3, 2, generator=rng, dtype=torch.float64)
    return forecasts, truth + 0.4


def test_they_are_those_of_scikit_learn_where_no_truth_is_small():
    """Pooled over origins, leads and channels; the truth is kept away from 0."""
    forecasts, truth = stream()
    truth = torch.where(truth.abs() < 1e-2, 1.0, truth)
    found = scored(forecasts, truth)
    for lane in range(2):
        y, y_hat = truth[:, lane].flatten().numpy(), forecasts[:, lane].flatten().numpy()
        numbers = named(found, lane, 50)
        assert numbers["mape"] == pytest.approx(mean_absolute_percentage_error(y, y_hat))
        assert numbers["mspe"] == pytest.approx(np.mean(((y - y_hat) / y) ** 2))
        assert numbers["r2"] == pytest.approx(r2_score(y, y_hat))
        assert numbers["rse"] == pytest.approx((1 - r2_score(y, y_hat)) ** 0.5)
        assert found.skipped(lane, 50) == 0


def test_a_truth_below_a_thousandth_is_skipped_and_counted():
    """Of 300 elements of a lane, 30 are set to just below the limit, 10 exactly to it."""
    forecasts, truth = stream()
    truth = torch.where(truth.abs() < 1e-2, 1.0, truth)
    truth[:5, 0] = 9.99e-4
    truth[5:6, 0, 0] = 1e-3
    found = scored(forecasts, truth)
    assert found.skipped(0, 50) == pytest.approx(30 / 300)
    assert found.skipped(1, 50) == 0
    kept, y = (x[5:, 0] for x in (forecasts, truth))
    assert named(found, 0, 50)["mape"] == pytest.approx(float(((kept - y) / y).abs().mean()))


def test_what_is_not_defined_is_left_out():
    """A truth of zeros has no relative error and no spread; a constant one has no spread."""
    forecasts = stream()[0]
    nothing = scored(forecasts, torch.zeros_like(forecasts))
    assert nothing.metrics(0, 50) == []
    assert nothing.skipped(0, 50) == 1
    constant = named(scored(forecasts, torch.full_like(forecasts, 0.3)), 0, 50)
    assert set(constant) == {"mape", "mspe"}


def test_the_mean_of_the_truth_explains_nothing():
    """Forecasting the pooled mean: R^2 = 0 and RSE = 1 by definition."""
    truth = stream()[1][:, :1]
    numbers = named(scored(torch.full_like(truth, float(truth.mean())), truth), 0, 50)
    assert numbers["r2"] == pytest.approx(0, abs=1e-12)
    assert numbers["rse"] == pytest.approx(1)
