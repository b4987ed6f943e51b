"""Tests of pairs of ranks against Demsar's example, scipy, scikit-posthocs and hand counts."""

from __future__ import annotations

import math
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats import posthoc
from bench.stats.corrections import adjust
from bench.stats.posthoc import (
    against_reference,
    bonferroni_dunn_critical_difference,
    cliques,
    nemenyi,
    nemenyi_critical_difference,
    pair_differences,
    pairwise_wilcoxon,
)
from bench.stats.ranks import rank_matrix
from tests.bench.stats.demsar import MEMORIES, PRINTED, UNROUNDED
from tests.bench.stats.worked import generator

RANKS = rank_matrix(-UNROUNDED).mean(axis=0)
ROWS = len(UNROUNDED)


def separated(pairs: list[posthoc.PairTest], k: int, alpha: float) -> np.ndarray:
    differ = np.zeros((k, k), dtype=bool)
    for pair in pairs:
        differ[pair.first, pair.second] = pair.p_adjusted < alpha
    return differ | differ.T


def test_demsars_critical_differences() -> None:
    """CD = q sqrt(4 * 5 / (6 * 14)) with q_.05 = 2.569032 (Demsar 2006, section 3.2.4)."""
    assert nemenyi_critical_difference(4, 14) == pytest.approx(1.253559, abs=5e-7)
    assert nemenyi_critical_difference(4, 14, 0.10) == pytest.approx(1.118060, abs=5e-7)
    assert bonferroni_dunn_critical_difference(4, 14) == pytest.approx(1.168143, abs=5e-7)
    assert nemenyi_critical_difference(4, 14) / posthoc.standard_error(4, 14) == pytest.approx(
        2.569032, abs=5e-7
    )


def test_quantiles_are_those_of_the_tables() -> None:
    """Nemenyi and Bonferroni-Dunn quantiles for 2 to 10 memories; Demsar's table 5 is within
    .001, but for 2.724 at k = 9, a misprint of 2.734.
    """
    unit = {k: posthoc.standard_error(k, 1) for k in range(2, 11)}
    five = [nemenyi_critical_difference(k, 1) / unit[k] for k in unit]
    ten = [nemenyi_critical_difference(k, 1, 0.1) / unit[k] for k in unit]
    dunn = [bonferroni_dunn_critical_difference(k, 1) / unit[k] for k in unit]
    assert five == pytest.approx(
        [1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164], abs=5.1e-4
    )
    assert ten == pytest.approx(
        [1.645, 2.052, 2.291, 2.460, 2.589, 2.693, 2.780, 2.855, 2.920], abs=5.1e-4
    )
    assert dunn == pytest.approx(
        [1.960, 2.241, 2.394, 2.498, 2.576, 2.638, 2.690, 2.734, 2.773], abs=5.1e-4
    )


def test_demsars_nemenyi_p_and_groups() -> None:
    """At .05 nothing is separated; at .10 C4.5 from the two that tune m."""
    pairs = nemenyi(RANKS, ROWS)
    p = {(MEMORIES[x.first], MEMORIES[x.second]): x.p_adjusted for x in pairs}
    assert p["C4.5", "C4.5+m+cf"] == pytest.approx(0.0742, abs=5e-5)
    assert p["C4.5", "C4.5+m"] == pytest.approx(0.0887, abs=5e-5)
    assert cliques(separated(pairs, 4, 0.05)) == ((0, 1, 2, 3),)
    groups = [{MEMORIES[i] for i in group} for group in cliques(separated(pairs, 4, 0.10))]
    assert {"C4.5+m+cf", "C4.5+m", "C4.5+cf"} in groups
    assert {"C4.5+cf", "C4.5"} in groups
    assert len(groups) == 2


def test_demsars_tests_against_c45() -> None:
    pairs = {MEMORIES[x.second]: x for x in against_reference(RANKS, ROWS, 0)}
    assert [pairs[name].z for name in MEMORIES[1:]] == pytest.approx(
        [2.34216, 0.51235, 2.41535], abs=5e-6
    )
    assert [pairs[name].p_raw for name in MEMORIES[1:]] == pytest.approx(
        [0.01917, 0.60841, 0.01572], abs=5e-6
    )
    assert [pairs[name].p_adjusted for name in MEMORIES[1:]] == pytest.approx(
        [0.04716, 0.60841, 0.04716], abs=5e-6
    )
    assert sum(pair.p_adjusted < 0.05 for pair in pairs.values()) == 2


def test_demsars_wilcoxon_of_two_variants() -> None:
    """C4.5+m against C4.5: of 14 differences 2 are zero and 10 positive, R+ = 93 with half the
    ranks of the zeros, R- = 12; exact p = 128 / 2^14.
    """
    d = pair_differences(1 - PRINTED, span=1.0)[0]
    ranks = stats.rankdata(np.abs(d))
    positive = ranks[d < 0].sum() + ranks[d == 0].sum() / 2  # d is C4.5+m minus C4.5 in cost
    assert (positive, 14 * 15 / 2 - positive) == (93, 12)
    z = (12 - 14 * 15 / 4) / math.sqrt(14 * 15 * 29 / 24)
    assert z == pytest.approx(-2.5424, abs=5e-5)
    pair = pairwise_wilcoxon(pair_differences(1 - PRINTED, span=1.0), rng=generator())[0]
    assert (pair.first, pair.second, pair.p_raw) == (0, 1, 0.0078125)
    scipys = stats.wilcoxon(d, zero_method="zsplit", method="asymptotic")
    assert scipys.pvalue == pytest.approx(0.010968, abs=5e-7)


@given(arrays(np.float64, (3, 6), elements=st.integers(-4, 4).map(float)))
@settings(max_examples=25, deadline=None)
def test_pairwise_p_is_scipys_exact_one_and_holms(d: np.ndarray) -> None:
    d[:, 0] = 1.0  # all zeros have no test in scipy
    found = pairwise_wilcoxon(d, rng=generator())
    method = stats.PermutationMethod(n_resamples=np.inf)
    raw = [stats.wilcoxon(row, zero_method="zsplit", method=method).pvalue for row in d]
    assert [pair.p_raw for pair in found] == pytest.approx(raw, abs=1e-12)
    assert [pair.p_adjusted for pair in found] == pytest.approx(list(adjust(raw)), abs=1e-12)
    assert [(pair.first, pair.second) for pair in found] == list(combinations(range(3), 2))


def test_many_rows_are_drawn_without_regard_to_their_order() -> None:
    d = generator().normal(0.3, 1.0, (1, 20))
    found = pairwise_wilcoxon(d, rng=generator())[0].p_raw
    assert pairwise_wilcoxon(d[:, ::-1], rng=generator())[0].p_raw == found
    # four standard errors of 99,999 draws
    exact = stats.wilcoxon(d[0], method="exact").pvalue
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact / 99_999))


@given(arrays(np.float64, (6, 4), elements=st.floats(0.01, 10)))
@settings(max_examples=15, deadline=None)
def test_nemenyi_agrees_with_scikit_posthocs(costs: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        reference = pytest.importorskip("scikit_posthocs")
        expected = np.asarray(reference.posthoc_nemenyi_friedman(costs))
    for pair in nemenyi(rank_matrix(costs).mean(axis=0), len(costs)):
        # it looks its p up to fewer digits
        assert pair.p_adjusted == pytest.approx(expected[pair.first, pair.second], abs=1e-5)


def test_of_two_memories_nemenyi_is_the_normal_test() -> None:
    """The range of two standard normals is |z| sqrt(2)."""
    (pair,) = nemenyi([1.2, 1.8], 10)
    assert pair.p_adjusted == pytest.approx(pair.p_raw, abs=1e-8)


def test_differences_of_one_metric_are_parts_of_its_range() -> None:
    costs = [[0.3, 0.2], [0.2, 0.1], [40.0, 10.0]]
    assert pair_differences(costs, span=100.0).tolist() == [[-0.001, -0.001, -0.3]]


def test_relative_differences_do_not_depend_on_the_unit_of_a_row() -> None:
    """(b - a) / (a + b): -1/3 for a half, whatever the unit; zero against anything is 1."""
    costs = np.array([[0.2, 0.1], [2000.0, 1000.0], [0.0, 5.0], [0.0, 0.0]])
    assert pair_differences(costs).tolist() == [pytest.approx([-1 / 3, -1 / 3, 1.0, 0.0])]
    assert (pair_differences(costs * [[7.0], [0.1], [3.0], [2.0]]) == pair_differences(costs)).all()


@pytest.mark.parametrize("span", [None, 2.0])
def test_a_failure_is_as_far_behind_as_can_be(span: float | None) -> None:
    inf = math.inf
    found = pair_differences([[inf, 0.5], [0.5, inf], [inf, inf]], span=span)
    assert found.tolist() == [[-1.0, 1.0, 0.0]]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="without NaN"):
        pair_differences([[math.nan, 1.0]])
    with pytest.raises(ValueError, match="not those of all pairs"):
        pairwise_wilcoxon(np.ones((2, 5)), rng=generator())
    with pytest.raises(ValueError, match="at least 2 memories"):
        posthoc.standard_error(1, 5)
    with pytest.raises(ValueError, match="symmetric"):
        cliques([[False, True], [False, False]])


def test_groups_need_not_be_intervals() -> None:
    """0 differs from 1 and 1 from 2, but 0 does not from 2."""
    differ = np.zeros((4, 4), dtype=bool)
    for i, j in ((0, 1), (1, 2)):
        differ[i, j] = differ[j, i] = True
    assert cliques(differ) == ((0, 2, 3), (1, 3))


def test_a_memory_that_differs_from_all_is_in_no_group() -> None:
    differ = ~np.eye(3, dtype=bool)
    assert cliques(differ) == ()
    differ[1, 2] = differ[2, 1] = False
    assert cliques(differ) == ((1, 2),)


@given(arrays(np.bool_, (6, 6)))
@settings(max_examples=60)
def test_groups_are_all_maximal_sets_of_unseparated_memories(noise: np.ndarray) -> None:
    """Against every one of the 2^6 sets."""
    differ = np.triu(noise, 1) | np.triu(noise, 1).T
    free = [
        set(group)
        for size in range(1, 7)
        for group in combinations(range(6), size)
        if not any(differ[i, j] for i, j in combinations(group, 2))
    ]
    maximal = {
        tuple(sorted(s)) for s in free if len(s) > 1 and not any(s < other for other in free)
    }
    assert set(cliques(differ)) == maximal
