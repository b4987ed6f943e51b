"""Ranks and Friedman's test against Demsar's example, scipy, and their own symmetries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.pairing import significant
from bench.stats.ranking import average_ranks
from bench.stats.ranks import block_ranks, friedman, permutation_p, rank_matrix
from tests.bench.stats.demsar import PRINTED, UNROUNDED
from tests.bench.stats.worked import generator

SMALL = st.tuples(st.integers(2, 7), st.integers(3, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(float))
)

ENDS = [0.0, 1.0, math.inf]


def lists(elements: st.SearchStrategy[Any], n: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=n, max_size=n)


def p_of(ranks: object) -> float:
    return permutation_p(ranks, rng=generator())


def test_demsars_ranks_and_statistics() -> None:
    """Demsar 2006, section 3.2.4: published mean ranks 3.143, 2.000, 2.893, 1.964, chi2 9.28, F
    3.69. F has 3 and 39 degrees of freedom, critical at .05: 2.85.
    """
    ranks = rank_matrix(-UNROUNDED)
    found = friedman(ranks, tie_corrected=False)
    assert ranks.mean(axis=0) == pytest.approx([3.142857, 2.0, 2.892857, 1.964286], abs=5e-7)
    assert found.chi2 == pytest.approx(9.278571, abs=5e-7)
    assert found.chi2_p == pytest.approx(0.02581, abs=5e-6)
    assert found.f == pytest.approx(3.686313, abs=5e-7)
    assert found.f_p == pytest.approx(0.01982, abs=5e-6)
    assert stats.f.ppf(0.95, 3, 39) == pytest.approx(2.845068, abs=5e-7)


def test_demsars_table_as_printed_has_one_tie_more() -> None:
    ranks = rank_matrix(-PRINTED)
    found = friedman(ranks, tie_corrected=False)
    assert ranks.mean(axis=0) == pytest.approx([3.142857, 2.0, 2.928571, 1.928571], abs=5e-7)
    assert (found.chi2, found.f) == pytest.approx((9.857143, 3.986667), abs=5e-7)


def test_demsars_table_corrected_for_ties() -> None:
    """Ties shrink the spread of ranks, so the corrected statistics are larger."""
    found = friedman(rank_matrix(-UNROUNDED))
    assert (found.chi2, found.chi2_p) == pytest.approx((10.228346, 0.016722), abs=5e-7)
    assert (found.f, found.f_p) == pytest.approx((4.185130, 0.011621), abs=5e-7)


def test_demsars_table_by_permutation() -> None:
    """Exactly .0135929, and .0091250 as printed: row by row, the chances of all rank sums (by a
    dynamic program over sorted sums). 9,999 draws have a standard error of .0012; four of those.
    """
    assert p_of(rank_matrix(-UNROUNDED)) == pytest.approx(0.0135929, abs=0.0046)
    assert p_of(rank_matrix(-PRINTED)) == pytest.approx(0.0091250, abs=0.0038)


@given(SMALL)
def test_the_corrected_chi2_is_scipys(costs: np.ndarray) -> None:
    ranks = rank_matrix(costs)
    found = friedman(ranks)
    if (ranks == ranks[:, :1]).all():  # scipy divides 0 by 0
        assert (found.chi2, found.chi2_p, found.f, found.f_p) == (0.0, 1.0, 0.0, 1.0)
        return
    expected = stats.friedmanchisquare(*costs.T)
    assert found.chi2 == pytest.approx(expected.statistic, abs=1e-9)
    assert found.chi2_p == pytest.approx(expected.pvalue, abs=1e-9)


def test_f_is_that_of_an_analysis_of_variance_of_the_ranks() -> None:
    """Rows and memories as factors (Iman & Davenport 1980)."""
    ranks = rank_matrix(-UNROUNDED)
    n, k = ranks.shape
    between = n * ((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum()
    rest = ((ranks - ranks.mean(axis=0)) ** 2).sum()
    expected = (between / (k - 1)) / (rest / ((k - 1) * (n - 1)))
    assert friedman(ranks).f == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("tie_corrected", [True, False])
def test_rows_that_all_rank_alike_leave_f_infinite(tie_corrected: bool) -> None:
    """Three more rows fall in with the first of 4! orders with chance (1/24)^3."""
    found = friedman([[1, 2, 3, 4]] * 4, tie_corrected=tie_corrected)
    assert found.chi2 == pytest.approx(12.0)
    assert found.f == math.inf
    assert found.f_p == pytest.approx(24.0**-3)


def test_tied_rows_that_all_rank_alike_have_fewer_orders() -> None:
    """(1, 2.5, 2.5) can be dealt out in 3 ways, so the chance is 1/3 per further row."""
    found = friedman([[1, 2.5, 2.5]] * 3)
    assert (found.f, found.f_p) == (math.inf, pytest.approx(1 / 9))
    assert p_of([[1, 2.5, 2.5]] * 3) == pytest.approx(1 / 9)


@given(arrays(np.float64, (3, 3), elements=st.integers(0, 3).map(float)))
@settings(max_examples=15, deadline=None)
def test_the_exact_permutation_p_is_scipys(costs: np.ndarray) -> None:
    """(3!)^3 = 216 ways in all; with the first row held 36, for the same p."""
    ranks = rank_matrix(costs)
    expected = stats.permutation_test(
        tuple(ranks.T),
        lambda *columns, axis: sum(column.sum(axis=axis) ** 2 for column in columns),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert p_of(ranks) == pytest.approx(expected, abs=1e-12)


def test_a_drawn_permutation_p_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = rank_matrix([[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]])
    exact = p_of(ranks)
    monkeypatch.setattr("bench.stats.ranks.EXACT_UP_TO", 0)
    # four standard errors of 9,999 draws
    assert p_of(ranks) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 9_999))


def test_a_drawn_p_is_never_zero() -> None:
    assert p_of(np.tile(np.arange(1.0, 6.0), (12, 1))) == 1 / 10_000


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_tasks_and_memories_changes_no_p(random: object) -> None:
    ranks = rank_matrix(-UNROUNDED)
    rows, columns = list(range(14)), list(range(4))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = ranks[np.ix_(rows, columns)]
    assert p_of(shuffled) == p_of(ranks)
    assert friedman(shuffled).chi2 == pytest.approx(friedman(ranks).chi2, rel=1e-12)


def test_differences_in_the_thirteenth_digit_are_ties() -> None:
    assert list(rank_matrix([0.1 + 0.2, 0.3, 0.4])) == [1.5, 1.5, 3]
    assert list(rank_matrix([1e-30 * (1 + 1e-13), 1e-30, 1.01e-30])) == [1.5, 1.5, 3]
    assert list(rank_matrix([1.0, 1.0 + 1e-9])) == [1, 2]


def test_failures_come_last_and_share_the_worst_ranks() -> None:
    assert list(rank_matrix([math.inf, 2.0, math.inf, 1.0])) == [3.5, 2, 3.5, 1]


def test_a_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="a failure costs infinity"):
        rank_matrix([1.0, math.nan])


def test_blocks_average_ranks_and_rank_them_again() -> None:
    """Two horizons rank (1, 2, 3) and (2, 1, 3): averages 1.5, 1.5, 3 rank 1.5, 1.5, 3."""
    assert list(block_ranks([[1, 2, 3], [2, 1, 3]])) == [1.5, 1.5, 3]
    # thirds do not add up to the same double in every order
    assert list(block_ranks([[1, 2, 3], [2, 1, 3], [2, 2, 2]])) == [1.5, 1.5, 3]
    assert block_ranks([[[1, 2]], [[1, 2]]]).tolist() == [[1, 2]]


@pytest.mark.parametrize("ranks", [[[1, 2, 3]], [[1], [1]], [1, 2]])
def test_too_little_to_compare_is_refused(ranks: object) -> None:
    with pytest.raises(ValueError, match="at least 2 rows and 2 memories"):
        friedman(ranks)
    with pytest.raises(ValueError, match="at least 2 rows and 2 memories"):
        p_of(ranks)


@given(st.data())
def test_costs_that_are_close_rank_as_if_all_were_rounded(data: st.DataObject) -> None:
    """Whether two costs are one to 12 significant digits depends on where a digit ends."""
    k = data.draw(st.integers(1, 6))
    nudges = st.sampled_from([0.0, 1e-15, 1e-13, 1e-12, -1e-12, 5e-12, 1e-11, 3e-11, 0.5])
    cost = data.draw(st.floats(1e-9, 1e9)) * (1 + np.array(data.draw(lists(nudges, k))))
    cost = np.where(data.draw(lists(st.booleans(), k)), cost, data.draw(st.sampled_from(ENDS)))
    np.testing.assert_array_equal(rank_matrix(cost), average_ranks(significant(cost)))
