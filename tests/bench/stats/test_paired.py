"""Which test is used when, and the guards around it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.paired import Test as RequestedTest
from bench.stats.paired import choose, paired_tests
from bench.stats.pairing import differences
from tests.bench.stats.worked import MAIZE, A, B, D, generator


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, "none"), (2, "none"), (3, "t"), (11, "t"), (12, "signflip"), (40, "signflip")],
)
def test_the_default_depends_on_the_number_of_pairs_alone(n: int, expected: str) -> None:
    assert choose(n) == expected


@pytest.mark.parametrize("asked", ["t", "signflip", "wilcoxon"])
def test_a_request_wins_but_never_below_three_pairs(asked: RequestedTest) -> None:
    assert choose(30, asked) == asked
    assert choose(2, asked) == "none"


def test_welch_is_refused_for_pairs() -> None:
    with pytest.raises(ValueError, match="not a paired test"):
        choose(5, "welch")


def test_five_pairs_use_t_and_show_the_sign_flip_p() -> None:
    (found,) = paired_tests(differences(A, B, "lower"), rng=generator())
    assert (found.test, found.n, found.p_flip, found.smallest_p) == ("t", 5, 0.125, 0.0)
    assert found.p == pytest.approx(0.0312298, abs=5e-8)
    assert not found.fragile


def test_fifteen_pairs_use_the_sign_flip_test() -> None:
    (found,) = paired_tests(MAIZE, rng=generator())
    assert (found.test, found.p, found.smallest_p) == ("signflip", 1726 / 32768, 2**-14)


def test_wilcoxon_on_request() -> None:
    (found,) = paired_tests(D, rng=generator(), test="wilcoxon")
    assert (found.test, found.statistic, found.p) == ("wilcoxon", 1.0, 0.125)


def test_two_pairs_are_not_tested() -> None:
    (found,) = paired_tests([0.1, 0.2], rng=generator())
    assert (found.test, found.p, found.p_flip) == ("none", None, None)


def test_all_zeros_are_a_tie() -> None:
    (found,) = paired_tests(np.zeros(5), rng=generator())
    assert (found.p, found.tie, found.constant) == (1.0, True, False)


def test_a_constant_difference_gets_the_sign_flip_p_instead_of_zero() -> None:
    (found,) = paired_tests(np.full(5, 0.1), rng=generator())
    assert (found.test, found.p, found.constant) == ("signflip", 0.0625, True)


def test_a_difference_constant_up_to_rounding_is_constant() -> None:
    """Adding 0.1 to values near 1000 leaves differences that vary in the 13th digit."""
    b = np.array([1000.3, 1001.7, 999.9, 1002.2, 1000.1])
    a = b - 0.1
    d = differences(a, b, "lower")
    (found,) = paired_tests(d, rng=generator(), scale=[1002.2])
    assert (found.test, found.p) == ("signflip", 0.0625)


def test_resolution_turns_a_quantised_triple_from_significant_to_open() -> None:
    """Accuracy over 20 trials moves in steps of .05: three near-equal gains prove little.

    Without the floor t = .0517/(.0029/sqrt 3) = 31, p = .001. With sd >= .05/sqrt 6 = .0204,
    t = .0517/(.0204/sqrt 3) = 4.38, and p = .048.
    """
    d = [0.05, 0.05, 0.055]
    (naive,) = paired_tests(d, rng=generator())
    (guarded,) = paired_tests(d, rng=generator(), resolution=0.05)
    assert naive.p is not None and naive.p < 0.002
    assert guarded.statistic == pytest.approx(np.mean(d) * np.sqrt(18) / 0.05, rel=1e-12)
    assert guarded.p is not None and 0.04 < guarded.p < 0.06


def test_significance_that_one_seed_carries_is_fragile() -> None:
    """Both are significant. Leaving any seed out of the steady one keeps p below .001; without
    the first seed the shaky one is (.02 .25 .03 .22), t = 2.13 with 3 df, p = .12 > 2a.
    """
    steady = [0.30, 0.29, 0.31, 0.28, 0.30]
    shaky = [0.30, 0.02, 0.25, 0.03, 0.22]
    safe, unsure = paired_tests([steady, shaky], rng=generator())
    assert safe.p is not None and safe.p < 0.05 and not safe.fragile
    assert unsure.p is not None and unsure.p < 0.05 and unsure.fragile


def test_a_seed_that_carries_four_fifths_is_fragile_at_any_level() -> None:
    """(.81 and ten times .019): t = 1.25, p = .24, and leaving a seed out moves p to .27 at most,
    but for the large one, without which the rest is constant. At 5% such a t is never significant.
    """
    d = [0.81, *[0.019] * 10]
    (found,) = paired_tests(d, rng=generator(), alpha=0.3)
    assert found.p is not None and 0.2 < found.p < 0.3
    assert max(np.abs(d)) / np.sum(np.abs(d)) > 0.8
    assert found.fragile
    (less,) = paired_tests([0.75, *[0.025] * 10], rng=generator(), alpha=0.3)
    assert less.p is not None and less.p < 0.3 and not less.fragile


def test_what_is_not_significant_is_not_called_fragile() -> None:
    (found,) = paired_tests([1.0, 0.001, 0.001, -0.001, 0.002], rng=generator())
    assert found.p is not None and found.p > 0.05
    assert not found.fragile


def test_cells_tested_together_equal_cells_tested_alone() -> None:
    d = generator().normal(0.5, 1.0, (6, 7))
    d[1] = 0.0
    d[2] = 0.25
    together = paired_tests(d, rng=generator())
    assert together == [paired_tests(row, rng=generator())[0] for row in d]


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        paired_tests([0.1, np.nan, 0.2], rng=generator())


def test_equal_differences_of_a_metric_with_steps_are_tested_at_its_rounding() -> None:
    """d = .2 five times, steps of .01: sd = .01/sqrt(6), t = .2 sqrt(5) sqrt(6)/.01 = 109.54."""
    (found,) = paired_tests([0.2] * 5, rng=np.random.default_rng(0), resolution=0.01)
    assert found.test == "t"
    assert found.statistic == pytest.approx(109.5445, abs=1e-3)
    assert found.p == pytest.approx(2 * stats.t.sf(109.5445115, 4), rel=1e-6)
    assert not found.constant
    (unknown,) = paired_tests([0.2] * 5, rng=np.random.default_rng(0))
    assert (unknown.test, unknown.p, unknown.constant) == ("signflip", 0.0625, True)
    (tied,) = paired_tests([0.0] * 5, rng=np.random.default_rng(0), resolution=0.01)
    assert (tied.p, tied.tie) == (1.0, True)
