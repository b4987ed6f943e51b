"""Sign-flip and Wilcoxon tests against hand counts, scipy and their own symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats import permutation
from bench.stats.pairing import differences
from bench.stats.permutation import pairs_to_resolve, sign_flip, signed_ranks, smallest_p, wilcoxon
from tests.bench.stats.worked import C45, C45_M, MAIZE, A, B, D, generator

INTEGERS = st.lists(st.integers(-20, 20), min_size=2, max_size=9)


def flip(d: object, **options: object) -> float:
    return float(sign_flip(d, rng=generator(), **options)[0])


def test_five_pairs_by_hand() -> None:
    """Of 32 sign patterns of (14 15 9 -1 19), |sum| >= 56 holds for 4: the data, the data with
    the 1 flipped (sum 58), and their opposites; one-sided 2 of 32.
    """
    assert flip(differences(A, B, "lower")) == 0.125
    assert flip(D, alternative="greater") == 0.0625


def test_darwins_maize_pairs() -> None:
    """863 of 32768 patterns reach Darwin's sum of 314 (Fisher 1935)."""
    assert flip(MAIZE) == 1726 / 32768
    assert flip(MAIZE, alternative="greater") == 863 / 32768


@pytest.mark.parametrize(
    ("d", "two_sided", "greater"),
    [
        ((0.012, 0.020, 0.009, -0.003, 0.015), 0.125, 0.0625),
        ((0.01, 0.02, 0.0, 0.03, 0.01), 0.125, 0.0625),  # the zero's sign does not matter
        ((0.1,) * 5, 0.0625, 0.03125),
        ((0.0,) * 5, 1.0, 1.0),
    ],
)
def test_edge_cases(d: tuple[float, ...], two_sided: float, greater: float) -> None:
    assert flip(d) == two_sided
    assert flip(d, alternative="greater") == greater


@given(INTEGERS)
@settings(max_examples=60)
def test_exact_p_agrees_with_scipys_enumeration(d: list[int]) -> None:
    for alternative in ("two-sided", "greater"):
        expected = stats.permutation_test(
            (np.array(d, dtype=float),),
            lambda x, axis: np.mean(x, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            alternative=alternative,
            vectorized=True,
        ).pvalue
        assert flip(d, alternative=alternative) == pytest.approx(expected, abs=1e-15)


@given(INTEGERS.filter(lambda d: any(d)))
@settings(max_examples=40)
def test_wilcoxon_agrees_with_scipys_permutation_of_signed_ranks(d: list[int]) -> None:
    expected = stats.wilcoxon(
        np.array(d, dtype=float),
        zero_method="zsplit",
        method=stats.PermutationMethod(n_resamples=np.inf),
    ).pvalue
    assert wilcoxon(d, rng=generator())[0] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=12))
def test_p_is_even_and_free_of_scale(d: list[int]) -> None:
    x = np.array(d, dtype=float)
    assert flip(x) == flip(-x) == flip(4.0 * x)
    assert smallest_p(len(d)) <= flip(x) <= 1


def test_wilcoxon_on_darwins_maize() -> None:
    """W = 24, exact two-sided p = .041260 and one-sided .020630 (scipy's documentation)."""
    assert permutation.wilcoxon_statistic(MAIZE)[0] == 24
    assert wilcoxon(MAIZE, rng=generator())[0] == pytest.approx(0.041260, abs=5e-7)
    greater = wilcoxon(MAIZE, rng=generator(), alternative="greater")[0]
    assert greater == pytest.approx(0.020630, abs=5e-7)


def test_wilcoxon_on_demsars_table_with_ties_and_zeros() -> None:
    """R+ = 93, R- = 12 of 105, exact p = .0078125 with the two zeros split (Demsar 2006)."""
    d = differences(C45_M, C45, "higher")
    ranks = signed_ranks(d)[0]
    assert ranks.sum() == 93 - 12
    assert permutation.wilcoxon_statistic(d)[0] == 12
    assert wilcoxon(d, rng=generator())[0] == 0.0078125


def test_many_cells_give_the_numbers_of_each_alone() -> None:
    d = generator().normal(size=(7, 8)).round(3)
    together = sign_flip(d, rng=generator())
    assert together.tolist() == [flip(row) for row in d]


def test_large_samples_are_estimated_within_monte_carlo_error() -> None:
    """For n = 17 the exact p of 2^17 patterns is enumerated here; 99,999 random patterns give it
    within 4 standard errors, sqrt(p(1-p)/99999) = .0008.
    """
    d = generator().normal(0.6, 1.0, 17)
    sums = np.zeros(1)
    for value in np.abs(d):
        sums = np.concatenate([sums + value, sums - value])
    exact = float((np.abs(sums) >= abs(d.sum()) - 1e-9).mean())
    assert 0.01 < exact < 0.5
    assert flip(d) == pytest.approx(exact, abs=0.0032)


def test_monte_carlo_p_does_not_depend_on_the_other_cells() -> None:
    d = generator().normal(0.2, 1.0, (3, 20))
    assert sign_flip(d, rng=generator())[0] == sign_flip(d[:1], rng=generator())[0]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (3, 0.25),
        (4, 0.125),
        (5, 0.0625),
        (6, 0.03125),
        (7, 0.015625),
        (8, 0.0078125),
        (9, 0.00390625),
        (10, 0.001953125),
        (12, 0.00048828125),
    ],
)
def test_smallest_attainable_p_is_reached(n: int, expected: float) -> None:
    assert smallest_p(n) == expected
    assert flip(np.arange(1.0, n + 1)) == expected


def test_smallest_p_of_random_patterns_is_one_over_their_number() -> None:
    assert smallest_p(30) == 1e-5
    assert flip(np.ones(30)) == 1e-5


@pytest.mark.parametrize(("alpha", "needed"), [(0.0625, 6), (0.25, 4), (0.2, 4)])
def test_a_smallest_p_of_just_the_level_takes_one_pair_more(alpha: float, needed: int) -> None:
    """2/2^5 = .0625 and 2/2^3 = .25 are not below themselves."""
    assert pairs_to_resolve(alpha) == needed
    assert smallest_p(needed) < alpha <= smallest_p(needed - 1)


@pytest.mark.parametrize(("m", "needed"), [(1, 6), (15, 10)])
def test_pairs_needed_before_a_family_can_be_resolved(m: int, needed: int) -> None:
    assert pairs_to_resolve(0.05, m) == needed
    assert smallest_p(needed) * m < 0.05 <= smallest_p(needed - 1) * m
