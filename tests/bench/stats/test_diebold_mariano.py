"""Tests of forecasts over time, against worked examples, statsmodels and simulation."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.signal import lfilter
from statsmodels.api import OLS

from bench.stats.diebold_mariano import cosines, effective_horizon, ewc, hln
from tests.bench.stats.worked import generator

TEN = [0.5, -0.2, 0.3, 0.4, 0.1, -0.1, 0.6, 0.2, 0.0, 0.7]
"""Mean .25, g_0 = .0825, g_1 = -.03375, g_2 = -.026."""
SERIES = arrays(np.float64, 24, elements=st.floats(-10, 10, allow_subnormal=False))


def wave(cycles: float, size: int = 240) -> np.ndarray:
    """One of the cosines that the long-run variance is projected on, for whole half-cycles."""
    t = np.arange(1, size + 1)
    return np.cos(2 * np.pi * cycles * (t - 0.5) / size)


def test_one_step_ahead_it_is_the_one_sample_t_test() -> None:
    """DM = .25 / sqrt(.0825 / 10) = 2.752409, DM* = DM sqrt(9/10) = 2.611165."""
    (found,) = hln(TEN, 1)
    assert found.uncorrected == pytest.approx(2.752409, abs=5e-7)
    assert found.statistic == pytest.approx(2.611165, abs=5e-7)
    assert found.p == pytest.approx(0.0282168, abs=5e-8)
    expected = stats.ttest_1samp(TEN, 0)
    assert (found.statistic, found.p) == pytest.approx(tuple(expected), rel=1e-12)


def test_two_steps_ahead_the_variance_takes_one_autocovariance() -> None:
    """V = (.0825 - 2 (.03375)) / 10 = .0015; factor sqrt((10 + 1 - 4 + 2/10) / 10) = .8485281."""
    (found,) = hln(TEN, 2)
    assert found.uncorrected == pytest.approx(6.454972, abs=5e-7)
    assert found.statistic == pytest.approx(6.454972 * 0.8485281, rel=1e-6)
    assert found.statistic == pytest.approx(5.477226, abs=5e-7)
    assert found.p == pytest.approx(0.000391571, abs=5e-10)
    assert not found.unstable  # .0015 is over a twentieth of .0825 / 10


def test_three_steps_ahead_the_variance_is_negative_and_nothing_is_said() -> None:
    """V = (.0825 - 2 (.03375 + .026)) / 10 = -.0037."""
    (found,) = hln(TEN, 3)
    assert found.undefined
    assert (found.uncorrected, found.statistic, found.p) == (None, None, None)


def test_a_tiny_variance_is_called_unstable() -> None:
    """Of 1, -.9, 0, 0, ... g_0 = 1.81/4 and g_1 = -.9/4, but for the mean: nearly half of g_0."""
    d = np.tile([1.0, -0.9, 0.0, 0.0], 25)
    (found,) = hln(d, 2)
    centred = d - d.mean()
    long_run = (centred**2).mean() + 2 * (centred[1:] * centred[:-1]).sum() / d.size
    assert 0 < long_run < 0.01 * (centred**2).mean()
    assert found.unstable


@given(SERIES)
def test_identity_with_the_t_test_at_horizon_one(d: np.ndarray) -> None:
    assume(np.ptp(d) > 1e-3)
    (found,) = hln(d, 1)
    expected = stats.ttest_1samp(d, 0)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-8)


@given(SERIES, st.integers(1, 12))
def test_the_variance_is_that_of_statsmodels(d: np.ndarray, horizon: int) -> None:
    """HAC with a uniform kernel up to h - 1, without its own small-sample correction."""
    assume(np.ptp(d) > 1e-3 and abs(d.mean()) > 1e-3)
    (found,) = hln(d, horizon)
    lags = {"maxlags": horizon - 1, "kernel": "uniform", "use_correction": False}
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # of the roots of negative variances
        fitted = OLS(d, np.ones_like(d)).fit(cov_type="HAC", cov_kwds=lags)
        variance = float(fitted.cov_params()[0, 0])
    assume(abs(variance) > 1e-9 * d.var())
    if variance <= 0:
        assert found.undefined
    else:
        assert found.uncorrected is not None
        assert (d.mean() / found.uncorrected) ** 2 == pytest.approx(variance, rel=1e-6)


def test_a_horizon_needs_more_origins_than_steps() -> None:
    for horizon in (0, 10):
        with pytest.raises(ValueError, match=r"horizon within 1 \.\. 9"):
            hln(TEN, horizon)


def test_cosines_of_a_slow_wave() -> None:
    """T = 240, h = 10, d = .5 + cos(3 pi (t - 1/2) / T): of B = 12 cosines the third takes
    Lambda = sqrt(2/T) T/2, so Omega = (T/2)/12 = 10 and t = .5 sqrt(240/10) = sqrt(6).
    """
    (found,) = ewc(0.5 + wave(1.5), 10)
    assert found.df == 12
    assert found.error is not None
    assert found.error**2 * 240 == pytest.approx(10, rel=1e-12)
    assert found.statistic == pytest.approx(math.sqrt(6), rel=1e-12)
    assert found.p == pytest.approx(0.0306218, abs=5e-8)


@pytest.mark.parametrize(("half_cycles", "amplitude"), [(1, 0.3), (7, 1.0), (12, 2.0)])
def test_each_cosine_adds_its_own_power(half_cycles: int, amplitude: float) -> None:
    """A cosine of amplitude a adds a^2 T / (2B) to Omega, and nothing to the mean."""
    base = 0.5 + wave(1.5)
    more = base + amplitude * wave(half_cycles / 2)
    before, after = ewc(np.stack([base, more]), 10)
    assert before.error is not None and after.error is not None
    added = (after.error**2 - before.error**2) * 240
    cross = 2 * amplitude * 240 / 24 if half_cycles == 3 else 0.0
    assert added == pytest.approx(amplitude**2 * 240 / 24 + cross, rel=1e-9)
    assert after.mean == pytest.approx(before.mean, abs=1e-12)


def test_cosines_beyond_the_twelfth_are_not_seen() -> None:
    before, after = ewc(np.stack([wave(1.5), wave(1.5) + wave(6.5)]), 10)
    assert before.error == pytest.approx(after.error, rel=1e-9)


@pytest.mark.parametrize(
    ("origins", "horizon", "expected"),
    [(79, 10, 0), (80, 10, 4), (240, 10, 12), (10_000, 96, 12), (8, 1, 4), (7, 1, 0)],
)
def test_it_takes_eight_origins_for_each_step(origins: int, horizon: int, expected: int) -> None:
    assert cosines(origins, horizon) == expected
    (found,) = ewc(generator().normal(size=origins), horizon)
    assert (found.df, found.testable) == (expected, expected > 0)
    assert (found.p is None) == (expected == 0)


@pytest.mark.parametrize(("horizon", "stride", "steps"), [(24, 1, 24), (24, 7, 4), (24, 24, 1)])
def test_horizon_in_steps_between_origins(horizon: int, stride: int, steps: int) -> None:
    assert effective_horizon(horizon, stride) == steps


def test_horizons_and_strides_are_counts() -> None:
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            effective_horizon(*wrong)
    with pytest.raises(ValueError, match="at least 1"):
        ewc(TEN, 0)


def test_equal_losses_tie() -> None:
    (decision,), (reported,) = ewc(np.zeros(100), 2), hln(np.zeros(100), 2)
    assert (decision.tie, decision.p, decision.statistic) == (True, 1.0, 0.0)
    assert reported.undefined


@pytest.mark.parametrize("scale", [None, 3.0])
def test_a_constant_difference_has_no_p(scale: float | None) -> None:
    """Its mean is off by a rounding, so that a naive variance is 1e-34 and p = 0."""
    d = np.full(100, 0.1)
    (decision,), (reported,) = ewc(d, 2, scale=scale), hln(d, 2, scale=scale)
    assert (decision.constant, decision.p, decision.statistic) == (True, None, None)
    assert decision.mean == pytest.approx(0.1)
    assert reported.undefined


def test_differences_that_no_cosine_sees_have_no_p() -> None:
    """The sign flips at every origin, faster than all twelve: their projections are rounding."""
    size = 2000
    t = np.arange(size)
    d = 0.2 + np.cos(np.pi * 1000 * (t + 0.5) / size)
    (found,) = ewc(d, 1)
    assert (found.p, found.constant, found.testable) == (None, False, True)


@given(SERIES, st.integers(1, 3))
def test_trading_places_turns_the_sign_and_keeps_p(d: np.ndarray, horizon: int) -> None:
    (forth,), (back,) = ewc(d, horizon), ewc(-d, horizon)
    assert forth.p == back.p
    assert forth.statistic == (None if back.statistic is None else -back.statistic)
    (one,), (other,) = hln(d, horizon), hln(-d, horizon)
    assert (one.p, one.unstable) == (other.p, other.unstable)
    assert one.statistic == (None if other.statistic is None else -other.statistic)


@given(SERIES, st.floats(0.01, 100))
def test_rescaling_losses_changes_no_p(d: np.ndarray, factor: float) -> None:
    assume(np.ptp(d) > 1e-3)
    for test in (ewc, hln):
        (plain,), (scaled,) = test(d, 2), test(factor * d, 2)
        assume(plain.p is not None and scaled.p is not None)
        assert scaled.p == pytest.approx(plain.p, rel=1e-6, abs=1e-300)


def test_many_pairs_equal_each_alone() -> None:
    d = generator().normal(size=(5, 200))
    for test in (ewc, hln):
        for together, row in zip(test(d, 4), d, strict=True):
            (alone,) = test(row, 4)
            assert together.p == pytest.approx(alone.p, rel=1e-12)
            assert together.statistic == pytest.approx(alone.statistic, rel=1e-12)


def test_p_is_never_zero() -> None:
    """A thousand standard errors: the tail of Student's t underflows with T - 1 = 9,999 df."""
    d = 100 + generator().normal(size=10_000)
    (reported,), (decision,) = hln(d, 1), ewc(d, 1)
    assert reported.p is not None and 0 < reported.p < 1e-300
    assert decision.p is not None and 0 < decision.p < 1e-10


def test_what_is_not_finite_is_refused() -> None:
    for test in (ewc, hln):
        with pytest.raises(ValueError, match="finite"):
            test([0.1, float("nan"), 0.2] * 10, 1)


def adapting(replications: int, size: int, horizon: int, phi: float) -> np.ndarray:
    """Loss differences of forecasts h steps long whose quality drifts: the mean of h successive
    values of an AR(1) process with shocks of Student's t with 5 degrees of freedom.
    """
    burn = int(20 / (1 - phi)) + horizon
    shocks = generator().standard_t(5, size=(replications, size + burn))
    process = lfilter([1.0], [1.0, -phi], shocks, axis=1)
    averaged = lfilter(np.full(horizon, 1 / horizon), [1.0], process, axis=1)
    return np.asarray(averaged[:, burn:])


def rejected(found: list) -> float:
    return float(np.mean([test.p is not None and test.p < 0.05 for test in found]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "horizon", "phi", "reported", "decided"),
    [
        (200, 8, 0.0, 0.061, 0.055),
        (1000, 1, 0.8, 0.518, 0.053),
        (2000, 24, 0.98, 0.248, 0.086),
    ],
)
def test_false_positives_of_both_statistics(
    size: int, horizon: int, phi: float, reported: float, decided: float
) -> None:
    """At a nominal level of 5% the reported one is misled by what outlasts the horizon.

    The rates expected come from a simulation of the same setting; both it and this one of 10,000
    replications err by one binomial standard error, and four of them together are allowed.
    """
    replications = 10_000
    d = adapting(replications, size, horizon, phi)
    rates = (rejected(hln(d, horizon)), rejected(ewc(d, horizon)))
    for rate, expected in zip(rates, (reported, decided), strict=True):
        slack = 4 * math.sqrt(2 * expected * (1 - expected) / replications)
        assert rate == pytest.approx(expected, abs=slack)


def test_a_slow_correlation_misleads_the_reported_statistic_alone() -> None:
    """The same with 400 replications: 52% against 5%, within four binomial standard errors."""
    d = adapting(400, 1000, 1, 0.8)
    assert rejected(hln(d, 1)) > 0.40
    assert rejected(ewc(d, 1)) < 0.053 + 4 * math.sqrt(0.053 * 0.947 / 400)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_statistics_agree_where_nothing_is_correlated_beyond_the_horizon(
    horizon: int, seed: int
) -> None:
    """Both estimate the same variance; 12 squared normals scatter by sqrt(2/12) = .41."""
    shocks = np.random.default_rng(seed).normal(size=4000 + horizon)
    d = 1 + np.convolve(shocks, np.ones(horizon) / horizon, mode="valid")
    (decision,), (reported,) = ewc(d, horizon), hln(d, horizon)
    assert decision.error is not None and reported.uncorrected is not None
    ratio = (decision.error * reported.uncorrected / decision.mean) ** 2
    assert 0.1 < ratio < 3.5  # 1 - 2.2 and 1 + 6 of those deviations: chi-squared is skew
