"""Confidence intervals of a mean against worked examples and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.intervals import (
    Interval,
    IntervalMethod,
    TooFewForBootstrap,
    bootstrap_interval,
    distinct_resamples,
    mean_interval,
    t_interval,
)
from tests.bench.stats.worked import MAIZE, D, generator


def test_t_interval_of_five_pairs() -> None:
    """[.0016464, .0207536]."""
    found = t_interval(D)
    assert (found.lo, found.hi) == pytest.approx((0.0016464, 0.0207536), abs=5e-8)


def test_t_interval_of_darwins_maize_pairs() -> None:
    """[.031193, 41.835473] (Fisher 1935)."""
    found = t_interval(MAIZE)
    assert (found.lo, found.hi) == pytest.approx((0.031193, 41.835473), abs=5e-7)


def test_t_interval_of_published_averages() -> None:
    """Four ETTh1 averages .43325 .43950 .42950 (n = 3) give [.42153, .44663]."""
    found = t_interval([0.43325, 0.43950, 0.42950])
    assert (found.lo, found.hi) == pytest.approx((0.42153, 0.44663), abs=5e-6)


@given(arrays(np.float64, 6, elements=st.floats(-10, 10, allow_subnormal=False)))
def test_t_interval_agrees_with_scipy(x: np.ndarray) -> None:
    assume(np.ptp(x) > 1e-4)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    found = t_interval(x, level=0.9)
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-9)


def test_percentile_bootstrap_of_five_pairs() -> None:
    """Over all 3125 resamples the interval is [.0050, .0164]. 2.27% of them lie at or below
    .0042 and 3.55% at or below .0050, so 9,999 draws end on one of the two.
    """
    found = bootstrap_interval(D, rng=generator(), method="percentile")
    assert 0.0042 - 1e-9 <= found.lo <= 0.0050 + 1e-9
    assert found.hi == pytest.approx(0.0164, abs=2e-4)


def test_bca_of_five_pairs() -> None:
    """[.0030, .0156 to .0160], Monte-Carlo error up to .0008."""
    found = bootstrap_interval(D, rng=generator(), method="bca")
    assert found.lo == pytest.approx(0.0030, abs=8e-4)
    assert found.hi == pytest.approx(0.0158, abs=8e-4)
    assert found.method == "bca"


LSAT = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]
GPA = [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]
"""Admissions to 15 law schools (Efron & Tibshirani 1993, table 3.1)."""


@pytest.mark.parametrize(
    ("method", "level", "ends"),
    [
        ("BCa", 0.90, (0.428, 0.927)),
        ("BCa", 0.95, (0.332, 0.942)),
        ("percentile", 0.95, (0.458, 0.962)),
    ],
)
def test_the_bootstrap_that_ours_rests_on_gives_published_intervals(
    method: str, level: float, ends: tuple[float, float]
) -> None:
    """A correlation of .7763745 with a bootstrap standard error of .134; 9,999 resamples move an
    end by up to .02.
    """
    found = stats.bootstrap(
        (LSAT, GPA),
        lambda x, y, axis: stats.pearsonr(x, y, axis=axis).statistic,
        paired=True,
        vectorized=True,
        n_resamples=9_999,
        method=method,
        confidence_level=level,
        rng=generator(),
    )
    assert stats.pearsonr(LSAT, GPA).statistic == pytest.approx(0.7763745, abs=5e-8)
    assert tuple(found.confidence_interval) == pytest.approx(ends, abs=0.02)
    assert found.standard_error == pytest.approx(0.134, abs=0.005)


@pytest.mark.parametrize("method", ["t", "bca", "percentile"])
def test_the_same_seed_gives_the_same_interval(method: IntervalMethod) -> None:
    first = mean_interval(D, rng=generator(), method=method)
    assert first == mean_interval(D, rng=generator(), method=method)


def test_another_seed_gives_another_bootstrap_interval() -> None:
    x = generator().normal(size=12)
    one = bootstrap_interval(x, rng=np.random.default_rng(1))
    assert one != bootstrap_interval(x, rng=np.random.default_rng(2))


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_a_bootstrap_of_fewer_than_five_is_refused_with_the_reason(method: str) -> None:
    with pytest.raises(TooFewForBootstrap, match="only 35 distinct resamples"):
        bootstrap_interval([1.0, 2.0, 3.0, 4.0], rng=generator(), method=method)


@pytest.mark.parametrize(("n", "count"), [(3, 10), (4, 35), (5, 126), (6, 462)])
def test_number_of_distinct_resamples(n: int, count: int) -> None:
    assert distinct_resamples(n) == count


def test_constant_values_have_an_interval_of_one_point() -> None:
    assert bootstrap_interval([2.0] * 6, rng=generator()) == Interval(2.0, 2.0, 0.95, "bca")
    assert (t_interval([2.0] * 6).lo, t_interval([2.0] * 6).hi) == (2.0, 2.0)


def test_degenerate_bca_falls_back_to_percentile_and_says_so() -> None:
    """One value is off by the last bit: all leave-one-out means round to the same number, and
    the acceleration of BCa is 0/0.
    """
    found = bootstrap_interval([1.0, 1.0, 1.0, 1.0, 1.0 + 2**-52], rng=generator())
    assert found.method == "percentile"
    assert (found.lo, found.hi) == pytest.approx((1.0, 1.0), abs=1e-15)


def test_clipping_keeps_the_attainable_range() -> None:
    interval = Interval(-0.1, 1.3, 0.95, "t")
    assert interval.clip(0.0, 1.0) == Interval(0.0, 1.0, 0.95, "t")
    assert interval.clip(math.nan, math.nan) == interval
    assert interval.clip(0.0, math.nan) == Interval(0.0, 1.3, 0.95, "t")


def test_scaling_by_a_negative_factor_trades_the_ends() -> None:
    assert Interval(1.0, 2.0, 0.95, "t").scaled(-2.0) == Interval(-4.0, -2.0, 0.95, "t")


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        t_interval([1.0])
