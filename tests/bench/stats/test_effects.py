"""Effect sizes against worked examples and independent formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats.effects import (
    cliffs_delta,
    d_z,
    d_z_interval,
    geometric_ratio,
    hedges_factor,
    hedges_g_z,
    magnitude,
    superiority,
    vargha_delaney,
    vargha_delaney_effect,
)
from bench.stats.noncentral import lower_tail, upper_tail
from tests.bench.stats.worked import A, B, D, generator

T = 3.2549338848
"""Paired t of the worked example."""


def test_d_z_and_its_interval() -> None:
    """d_z = 1.455651, interval [.114246, 2.729957] by the noncentral t with 4 df."""
    assert d_z(T, 5) == pytest.approx(1.455651, abs=5e-7)
    found = d_z_interval(T, 5)
    assert (found.lo, found.hi) == pytest.approx((0.114246, 2.729957), abs=5e-7)


@pytest.mark.parametrize(("n", "factor"), [(3, 0.5642), (4, 0.7236), (5, 0.7979), (10, 0.9139)])
def test_hedges_factor(n: int, factor: float) -> None:
    assert hedges_factor(n - 1) == pytest.approx(factor, abs=5e-5)


def test_hedges_factor_approaches_its_usual_approximation() -> None:
    """J = 1 - 3/(4v - 1) up to terms of order 1/v^2."""
    assert hedges_factor(100) == pytest.approx(1 - 3 / 399, abs=1e-5)


def test_g_z_shrinks_value_and_interval_alike() -> None:
    """J = .7978846, g_z = 1.161441."""
    found = hedges_g_z(T, 5)
    assert found.value == pytest.approx(1.161441, abs=5e-7)
    assert found.interval is not None
    assert found.interval.lo == pytest.approx(0.7978846 * 0.114246, abs=5e-7)


@given(st.floats(-5, 5), st.integers(3, 60))
@settings(max_examples=30)
def test_interval_ends_put_the_statistic_at_its_tails(effect: float, n: int) -> None:
    t = effect * math.sqrt(n)
    found = d_z_interval(t, n)
    low, high = found.lo * math.sqrt(n), found.hi * math.sqrt(n)
    assert stats.nct.sf(t, n - 1, low) == pytest.approx(0.025, abs=1e-8)
    assert stats.nct.cdf(t, n - 1, high) == pytest.approx(0.025, abs=1e-8)


@given(st.floats(-1e7, 1e7), st.integers(3, 300))
@settings(max_examples=50)
def test_interval_exists_for_any_statistic_and_contains_the_estimate(t: float, n: int) -> None:
    found = d_z_interval(t, n)
    assert found.lo <= d_z(t, n) <= found.hi


def test_interval_is_continuous_where_the_series_is_left_for_its_limit() -> None:
    """On both sides of |t| = 1e4 the ends over t agree to 1e-6."""
    below, above = d_z_interval(9.0e3, 5), d_z_interval(1.1e4, 5)
    assert below.lo / 9.0e3 == pytest.approx(above.lo / 1.1e4, rel=1e-6)
    assert below.hi / 9.0e3 == pytest.approx(above.hi / 1.1e4, rel=1e-6)


def test_interval_of_a_negative_effect_mirrors_the_positive_one() -> None:
    up, down = d_z_interval(2.0, 8), d_z_interval(-2.0, 8)
    assert (down.lo, down.hi) == (-up.hi, -up.lo)


def test_noncentral_tails_agree_with_simulation() -> None:
    """T = (Z + 3)/sqrt(W/4) over 400,000 draws; standard error at most .0008."""
    rng = generator()
    draws = (rng.normal(3, 1, 400_000)) / np.sqrt(rng.chisquare(4, 400_000) / 4)
    for t in (-1.0, 1.0, 3.0, 8.0):
        assert lower_tail(t, 4, 3.0) == pytest.approx((draws <= t).mean(), abs=0.004)
        assert upper_tail(t, 4, 3.0) == pytest.approx((draws > t).mean(), abs=0.004)


@pytest.mark.parametrize(
    ("t", "shift", "expected"),
    [(1e6, 2e6, 1 - stats.chi2.cdf(16, 4)), (-1e6, 1e6, 0.0), (1e6, -3.0, 1.0)],
)
def test_noncentral_tails_far_out_follow_the_chi_law(
    t: float, shift: float, expected: float
) -> None:
    """With Z negligible, T <= t iff sqrt(W/df) >= shift/t: W >= 4 (2)^2 = 16 in the first case."""
    assert lower_tail(t, 4, shift) == pytest.approx(expected, abs=1e-12)
    assert upper_tail(t, 4, shift) == pytest.approx(1 - expected, abs=1e-12)


def test_paired_superiority_with_its_exact_interval() -> None:
    """A wins 4 of 5 seeds; Clopper & Pearson (1934) give [.2836, .9949]."""
    found = superiority(D, rng=generator())
    assert found.value == 0.8
    assert found.interval is not None
    assert (found.interval.lo, found.interval.hi) == pytest.approx((0.28358, 0.99495), abs=5e-6)
    assert found.interval.method == "clopper-pearson"


def test_ties_count_half_and_move_the_interval_to_a_bootstrap() -> None:
    found = superiority([0.1, 0.0, -0.1, 0.2, 0.3], rng=generator())
    assert found.value == 0.7
    assert found.interval is not None and found.interval.method == "percentile"
    few = superiority([0.1, 0.0, 0.2], rng=generator())
    assert few.value == pytest.approx(2.5 / 3)
    assert few.interval is None


def test_a12_and_cliffs_delta() -> None:
    """U = 20 of 25: A12 = .8, delta = .6."""
    assert vargha_delaney(A, B, "lower") == 0.8
    assert cliffs_delta(0.8) == pytest.approx(0.6)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=8),
    st.lists(st.integers(0, 9), min_size=1, max_size=8),
)
def test_a12_is_mann_whitneys_u(a: list[int], b: list[int]) -> None:
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic if set(a + b) != {a[0]} else None
    expected = 0.5 if u is None else u / (len(a) * len(b))
    assert vargha_delaney(a, b, "higher") == pytest.approx(expected, abs=1e-12)
    assert vargha_delaney(b, a, "higher") == pytest.approx(1 - expected, abs=1e-12)


def test_a12_bootstrap_agrees_with_resampling_written_out() -> None:
    found = vargha_delaney_effect(A, B, "lower", rng=generator())
    rng = np.random.default_rng(1)
    draws = [vargha_delaney(rng.choice(A, 5), rng.choice(B, 5), "lower") for _ in range(2_000)]
    lo, hi = np.quantile(draws, [0.025, 0.975])
    assert found.interval is not None
    # 2,000 draws of a statistic with steps of .02: two steps of slack
    assert found.interval.lo == pytest.approx(lo, abs=0.05)
    assert found.interval.hi == pytest.approx(hi, abs=0.05)


def test_a12_of_few_values_has_no_interval() -> None:
    assert vargha_delaney_effect(A[:4], B, "lower", rng=generator()).interval is None


def test_geometric_ratio() -> None:
    """A/B = .9726174, t interval of the log [.950118, .995650]."""
    found = geometric_ratio(A, B, rng=generator())
    assert found is not None and found.interval is not None
    assert found.value == pytest.approx(0.9726174, abs=5e-8)
    assert (found.interval.lo, found.interval.hi) == pytest.approx((0.950118, 0.995650), abs=5e-7)


def test_geometric_ratio_needs_positive_values() -> None:
    assert geometric_ratio([1.0, 0.0], [1.0, 2.0], rng=generator()) is None


def test_geometric_ratio_of_twenty_pairs_is_bootstrapped() -> None:
    rng = generator()
    found = geometric_ratio(rng.uniform(1, 2, 20), rng.uniform(1, 2, 20), rng=rng)
    assert found is not None and found.interval is not None
    assert found.interval.method == "bca"
    assert found.interval.lo < found.value < found.interval.hi


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        ("a12", 0.5, "negligible"),
        ("a12", 0.57, "small"),
        ("a12", 0.36, "medium"),
        ("a12", 0.8, "large"),
        ("cliff", -0.2, "small"),
        ("cliff", 0.4, "medium"),
        ("g", 0.19, "negligible"),
        ("g", -0.6, "medium"),
        ("g", 0.8, "large"),
    ],
)
def test_words_for_magnitudes(kind: str, value: float, word: str) -> None:
    assert magnitude(kind, value) == word
