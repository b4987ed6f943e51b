"""Power, detectable effects and seed advice."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from bench.stats.power import detectable_effect, power, seeds_needed
from tests.bench.stats.worked import generator


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (3, 3.264),
        (4, 2.128),
        (5, 1.682),
        (6, 1.435),
        (8, 1.156),
        (10, 0.996),
        (15, 0.778),
        (20, 0.660),
        (30, 0.529),
    ],
)
def test_detectable_effect_at_five_percent(n: int, expected: float) -> None:
    assert detectable_effect(n) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("n", "expected"), [(8, 2.030), (10, 1.643), (15, 1.195), (20, 0.984), (30, 0.767)]
)
def test_detectable_effect_in_a_family_of_twenty(n: int, expected: float) -> None:
    assert detectable_effect(n, 0.05 / 20) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_detectable_effect_of_few_seeds_in_a_family_follows_from_the_chi_law(n: int) -> None:
    """Written out over the distribution of the sample variance, not by the noncentral t:
    P(T > c) = E[Phi(shift - c sqrt(W/v))], W chi-squared with v = n - 1.
    """
    effect = detectable_effect(n, 0.0025)
    v, critical = n - 1, stats.t.ppf(1 - 0.00125, n - 1)
    w = stats.chi2.ppf((np.arange(200_000) + 0.5) / 200_000, v)
    chance = stats.norm.cdf(effect * math.sqrt(n) - critical * np.sqrt(w / v)).mean()
    assert chance == pytest.approx(0.8, abs=1e-4)


@given(st.floats(0, 3), st.integers(3, 40))
@settings(max_examples=40)
def test_power_agrees_with_statsmodels(effect: float, n: int) -> None:
    expected = TTestPower().power(effect, n, 0.05, alternative="two-sided")
    assert power(effect, n) == pytest.approx(float(expected), abs=1e-9) or math.isnan(expected)


def test_power_agrees_with_simulation() -> None:
    """40,000 samples of 6 with a true d_z of 1.2; standard error .0023."""
    d = generator().normal(1.2, 1.0, (40_000, 6))
    share = (stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05).mean()
    assert power(1.2, 6) == pytest.approx(float(share), abs=0.01)


@pytest.mark.parametrize(
    ("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (1.5, 6), (2.0, 5), (3.0, 4)]
)
def test_seeds_needed_for_eighty_percent(effect: float, n: int) -> None:
    assert seeds_needed(effect) == seeds_needed(-effect) == n
    assert power(effect, n) >= 0.8 > power(effect, n - 1)


def test_advice_stops_at_two_hundred() -> None:
    assert seeds_needed(0.1) is None
    assert seeds_needed(0.0) is None


def test_published_gap_needs_dozens_of_seeds() -> None:
    """Mean .43408, sd .00505 against .437: t(2) = -1 and d_z = .577, about 26 seeds."""
    assert seeds_needed((0.43408 - 0.437) / 0.00505) == 26


@pytest.mark.parametrize("alpha", [0.05, 1e-4, 1e-6])
@pytest.mark.parametrize("n", [2, 3, 10, 200])
def test_power_rises_from_alpha_to_one_for_any_effect(n: int, alpha: float) -> None:
    """Up to effects where the noncentral t's own series breaks down."""
    chances = [power(effect, n, alpha=alpha) for effect in (0, 0.1, 1, 10, 1e3, 1e6, 1e9)]
    assert chances[0] == pytest.approx(alpha, rel=1e-6, abs=2e-6)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(chances))
    assert chances[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "alpha"), [(1, 0.05), (5, 0.0), (5, 1.0)])
def test_meaningless_requests_are_refused(n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="need"):
        power(1.0, n, alpha=alpha)
