import numpy as np
import pytest

from tasks.data.ar_switch import ArSwitch
from tasks.data.synth_drift import SynthDrift

PHI = 0.6
REGION = slice(100_000, 150_000)
"""Rows of the stream below in which the coefficient is 0.6."""


@pytest.fixture(scope="module")
def ar():
    """150,000 rows of AR(1), a third of them with coefficient 0.6 and unit noise."""
    return ArSwitch(rows=150_000, segment=50_000).generate(np.random.default_rng(11))


@pytest.mark.parametrize(("horizon", "known"), [(1, 1.0), (2, 1.36), (8, None)])
def test_the_best_ar_forecast_has_the_closed_form_error(ar, horizon, known):
    """MSE_h = (1 - phi^2h) / (1 - phi^2); the mean of 50,000 correlated squares is within 3 %."""
    values, drift = ar
    optimal = (1 - PHI ** (2 * horizon)) / (1 - PHI**2)
    assert known is None or optimal == pytest.approx(known, abs=1e-12)
    x = values[REGION, 0]
    error = x[horizon:] - PHI**horizon * x[:-horizon]
    assert np.mean(error**2) == pytest.approx(optimal, rel=0.03)
    for origin in (100_000, 120_000, 149_000):
        forecast = drift.oracle(values, origin, horizon)
        assert forecast[-1, 0] == pytest.approx(PHI**horizon * values[origin, 0], abs=1e-12)


@pytest.mark.parametrize(("horizon", "known"), [(1, 1.25), (8, None)])
def test_persistence_has_its_closed_form_error_on_ar(ar, horizon, known):
    """MSE_h = 2 (1 - phi^h) / (1 - phi^2)."""
    values, _ = ar
    expected = 2 * (1 - PHI**horizon) / (1 - PHI**2)
    assert known is None or expected == pytest.approx(known, abs=1e-12)
    x = values[REGION, 0]
    assert np.mean((x[horizon:] - x[:-horizon]) ** 2) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("schedule", ["recurring", "gradual", "none"])
def test_what_the_conditional_mean_leaves_over_is_white_unit_noise(schedule):
    """n = 14,000: mean and lag-1 correlation within 4 / sqrt(n), variance within 4 sqrt(2 / n)."""
    values, drift = SynthDrift(schedule=schedule, rows=2_000).generate(np.random.default_rng(2))
    eps = (values - drift.conditional_mean) / drift.noise_sd[:, None]
    n = eps.size
    assert abs(eps.mean()) < 4 / np.sqrt(n)
    assert abs(eps.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(np.mean(eps[1:] * eps[:-1])) < 4 / np.sqrt(n)


def test_the_oracle_one_row_ahead_is_the_conditional_mean():
    values, drift = SynthDrift(schedule="gradual", rows=2_000).generate(np.random.default_rng(2))
    for origin in (0, 499, 500, 520, 1_998):
        np.testing.assert_allclose(
            drift.oracle(values, origin, 1)[0], drift.conditional_mean[origin + 1], atol=1e-12
        )


def test_the_oracle_continues_the_stream_as_if_no_noise_came():
    """Iterating x <- conditional mean of the next row from any origin is the same forecast."""
    values, drift = SynthDrift(channels=3, rows=2_000).generate(np.random.default_rng(6))
    origin, horizon = 390, 24  # across the change at row 400
    expected, deviation = [], values[origin] - drift.path[origin]
    for t in range(origin + 1, origin + 1 + horizon):
        deviation = drift.decay[t] * deviation
        expected.append(drift.path[t] + deviation)
    np.testing.assert_allclose(drift.oracle(values, origin, horizon), expected, rtol=0, atol=1e-12)


def test_the_oracle_has_the_error_that_noise_alone_leaves_and_beats_persistence():
    """One regime: sd^2 (1 - rho^2h) / (1 - rho^2) at lead h, here over 7 x 1,900 targets, 10 %."""
    config = SynthDrift(schedule="none", rows=2_000)
    values, drift = config.generate(np.random.default_rng(9))
    rho, sd = drift.decay[0], drift.noise_sd[0]
    origins = range(50, 1_950)
    forecasts = np.array([drift.oracle(values, t, 24) for t in origins])
    targets = np.array([values[t + 1 : t + 25] for t in origins])
    lead = ((forecasts - targets) ** 2).mean(axis=(0, 2))
    expected = sd**2 * (1 - rho ** (2 * np.arange(1, 25))) / (1 - rho**2)
    np.testing.assert_allclose(lead, expected, rtol=0.1)
    persistence = ((values[list(origins)][:, None] - targets) ** 2).mean()
    assert lead.mean() < 0.5 * persistence


def test_the_oracle_never_reads_rows_after_its_origin():
    values, drift = SynthDrift(rows=600, segment=100).generate(np.random.default_rng(1))
    future = values.copy()
    future[301:] = np.nan
    np.testing.assert_array_equal(drift.oracle(values, 300, 24), drift.oracle(future, 300, 24))
