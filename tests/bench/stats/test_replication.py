"""Own values against a published number: known answers, and agreement with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.replication import Replication, replication

ETTH1 = (0.43325, 0.43950, 0.42950)
"""Means over four horizons that a README printed for seeds 2019 to 2021."""
FINITE = st.floats(-100, 100).map(lambda x: round(x, 6))
SAMPLES = st.lists(FINITE, min_size=2, max_size=12).filter(lambda x: np.std(x) > 1e-3)


def test_three_seeds_against_one_printed_number_show_nothing():
    """0.434 against 0.437: t(2) = -1, p = 1 - 1/sqrt(3) = 0.42265, by hand.

    sd = 0.00505, so t = -0.0029167 / (0.00505 / sqrt(3)) = -1; the t law with 2 degrees of freedom
    has P(|t| > 1) = 1 - 1/sqrt(3). The interval of the mean is [0.42153, 0.44663].
    """
    found = replication(ETTH1, 0.437)
    assert found.t == pytest.approx(-1, abs=1e-9)
    assert found.p == pytest.approx(1 - 1 / 3**0.5, abs=1e-9)
    assert found.df == 2
    assert found.method == "t"
    assert (found.lo + 0.437, found.hi + 0.437) == pytest.approx((0.42153, 0.44663), abs=5e-6)
    assert found.agreement(0.02 * 0.437) == "inconclusive"


@given(SAMPLES, FINITE)
def test_without_its_spread_the_interval_is_that_of_the_one_sample_t_test(values, number):
    found = replication(values, number)
    expected = stats.ttest_1samp(values, number)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    ends = expected.confidence_interval(0.95)
    assert (found.lo + number, found.hi + number) == pytest.approx(tuple(ends), abs=1e-8)


@given(SAMPLES, FINITE, st.floats(0.01, 10), st.integers(2, 20))
def test_with_its_spread_the_test_is_welchs(values, number, sd, n):
    found = replication(values, number, sd=sd, n=n)
    expected = stats.ttest_ind_from_stats(
        np.mean(values), np.std(values, ddof=1), len(values), number, sd, n, equal_var=False
    )
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    assert found.method == "welch"


def test_the_mean_of_n_runs_of_unknown_spread_gets_the_prediction_interval():
    """Values 1, 2, 3: sd 1, so for a mean of 6 runs se = sqrt(1/3 + 1/6) = sqrt(1/2)."""
    found = replication([1.0, 2.0, 3.0], 2.0, n=6)
    half = stats.t.ppf(0.975, 2) * 0.5**0.5
    assert (found.lo, found.hi) == pytest.approx((-half, half))
    assert found.method == "prediction"


def test_the_prediction_interval_holds_its_level():
    """Of 4,000 pairs of studies 95% of intervals hold the other's mean; 3 sigma = 1.03%."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(4000, 5)), rng.normal(size=(4000, 3)).mean(axis=1)
    found = [replication(x, y, n=3) for x, y in zip(ours, theirs, strict=True)]
    covered = np.mean([r.lo <= 0 <= r.hi for r in found])
    assert abs(covered - 0.95) < 0.0104


def test_values_that_are_all_equal_have_no_p_and_an_interval_of_one_point():
    found = replication([0.5, 0.5, 0.5], 0.25)
    assert (found.difference, found.lo, found.hi) == (0.25, 0.25, 0.25)
    assert (found.t, found.p) == (None, None)


@pytest.mark.parametrize(
    ("lo", "hi", "said"),
    [
        (-0.1, 0.1, "reproduced"),
        (-0.2, 0.2, "reproduced"),
        (-0.21, 0.1, "inconclusive"),
        (0.1, 0.3, "inconclusive"),
        (-1.0, 1.0, "inconclusive"),
        (0.21, 0.3, "higher"),
        (-0.3, -0.21, "lower"),
        (-0.3, -0.2, "inconclusive"),
    ],
)
def test_the_whole_interval_decides(lo, hi, said):
    found = Replication((lo + hi) / 2, lo, hi, 0.95, 0.0, 2.0, 1.0, "t")
    assert found.agreement(0.2) == said


@pytest.mark.parametrize(
    ("values", "more"), [([1.0], {}), ([1.0, np.nan], {}), ([1.0, 2.0], {"sd": 1.0, "n": 1})]
)
def test_too_little_to_go_on_is_refused(values, more):
    with pytest.raises(ValueError):
        replication(values, 1.0, **more)
