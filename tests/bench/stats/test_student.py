"""t-tests against worked examples and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.student import paired_t, resolution_floor, spread, welch
from tests.bench.stats.worked import MAIZE, A, B, D

VALUES = st.floats(-100, 100, allow_subnormal=False)


def test_five_pairs() -> None:
    """mean .0112, sd .0076941536, t(4) = 3.254934, p = .0312298."""
    t, p = paired_t(D)
    assert D.mean() == pytest.approx(0.0112, abs=1e-12)
    assert spread(D)[0] == pytest.approx(0.0076941536, abs=1e-10)
    assert t[0] == pytest.approx(3.254934, abs=5e-7)
    assert p[0] == pytest.approx(0.0312298, abs=5e-8)


def test_darwins_maize_pairs() -> None:
    """t(14) = 2.147987, p = .0497029 (Fisher 1935)."""
    t, p = paired_t(MAIZE)
    assert t[0] == pytest.approx(2.147987, abs=5e-7)
    assert p[0] == pytest.approx(0.0497029, abs=5e-8)


@given(arrays(np.float64, (3, 6), elements=VALUES))
def test_paired_t_agrees_with_scipy(d: np.ndarray) -> None:
    assume((np.ptp(d, axis=1) > 1e-6 * np.abs(d).max()).all())
    expected = stats.ttest_1samp(d, 0, axis=1)
    t, p = paired_t(d)
    np.testing.assert_allclose(t, expected.statistic, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(p, expected.pvalue, rtol=1e-9)


def test_constant_differences_have_no_t() -> None:
    """scipy returns t = inf, p = 0 here; neither is a finding."""
    t, p = paired_t(np.full(5, 0.5))
    assert np.isnan(t[0])
    assert np.isnan(p[0])


def test_resolution_keeps_the_spread_above_the_rounding_of_two_values() -> None:
    """Rounding to steps of 0.01 has variance 0.01^2/12; a difference holds two such errors."""
    assert resolution_floor(0.01) == pytest.approx(np.sqrt(2 * 0.01**2 / 12), rel=1e-15)
    d = [0.01, 0.01, 0.01, 0.01, 0.011]
    t, _ = paired_t(d, 0.01)
    assert t[0] == pytest.approx(np.mean(d) / (0.01 / np.sqrt(6)) * np.sqrt(5), rel=1e-12)


def test_resolution_does_not_touch_a_larger_spread() -> None:
    assert paired_t(D, 1e-4)[0][0] == paired_t(D)[0][0]


def test_welch_on_five_and_five() -> None:
    """t = 2.020068, p = .0780529 for the same values unpaired."""
    found = welch(B, A)
    assert found is not None
    assert found.t == pytest.approx(2.020068, abs=5e-7)
    assert found.p == pytest.approx(0.0780529, abs=5e-8)


@given(arrays(np.float64, 5, elements=VALUES), arrays(np.float64, 8, elements=VALUES))
def test_welch_agrees_with_scipy(a: np.ndarray, b: np.ndarray) -> None:
    assume(min(np.ptp(a), np.ptp(b)) > 1e-3)
    expected = stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval(0.95)
    found = welch(a, b)
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue, rel=1e-8)
    assert found.df == pytest.approx(expected.df, rel=1e-9)
    assert (found.lo, found.hi) == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-9)


def test_welch_of_two_constants_does_not_exist() -> None:
    assert welch([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]) is None


def test_resolution_keeps_each_sample_of_welch_above_one_rounding() -> None:
    """Steps of .3 have variance .3^2/12 = .0075, so the squared error is .0075 (1/3 + 1/4)."""
    found = welch([0.3, 0.3, 0.3], [0.6, 0.6, 0.6, 0.6], resolution=0.3)
    assert found is not None
    assert found.t == pytest.approx(-0.3 / (0.0075 * (1 / 3 + 1 / 4)) ** 0.5, rel=1e-12)
    a, b = [0.1, 0.9, 0.5], [0.2, 0.7, 0.4]
    assert welch(a, b, resolution=0.01) == welch(a, b)  # a larger spread stays as it is


def test_one_value_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        spread([1.0])
