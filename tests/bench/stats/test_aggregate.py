"""Scores over tasks: worked examples, the identities behind them, and what failures may not buy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.aggregate import (
    duels,
    iqm,
    normalised,
    probability_of_improvement,
    relative_errors,
    shortfall,
    skill,
    win_rate,
)
from bench.stats.ranks import rank_matrix

COSTS = np.array([[1, 0.5, 0.8], [2, 2, 1], [4, 6, 0]])
"""Tasks x memories, the first the reference; the last entry failed and stands as 0."""
FAILED = np.array([[False, False, False], [False, False, False], [False, False, True]])

TABLES = arrays(np.float64, (5, 4), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 1e4, 1e5]))


def skills(costs: np.ndarray, failed: np.ndarray | None = None) -> np.ndarray:
    holes = np.zeros_like(costs, dtype=bool) if failed is None else failed
    errors = [relative_errors(row, 0, imputed=hole) for row, hole in zip(costs, holes, strict=True)]
    return skill(np.log(errors).mean(axis=0))


def test_three_tasks_with_a_failure() -> None:
    """Ratios of the third memory .8, .5 and the largest of its task, 6/4: 1 - .6^(1/3); of the
    second .5, 1, 1.5: 1 - .75^(1/3).
    """
    assert list(skills(COSTS, FAILED)) == pytest.approx([0, 0.091440, 0.156567], abs=5e-7)
    ranks = rank_matrix(np.where(FAILED, np.inf, COSTS))
    assert ranks.tolist() == [[3, 1, 2], [2.5, 2.5, 1], [1, 2, 3]]
    assert list(ranks.mean(axis=0)) == pytest.approx([2.1667, 1.8333, 2.0], abs=5e-5)
    rates = win_rate(ranks).mean(axis=0)
    assert list(rates) == pytest.approx([0.416667, 0.583333, 0.5], abs=5e-7)


def test_other_rules_for_a_failure_would_choose_another_winner() -> None:
    """A ratio of 1 gives .263194; leaving the task out .367544, and .292893 for the second."""
    as_reference = np.log(relative_errors([[1, 0.5, 0.8], [2, 2, 1], [4, 6, 4]], 0)).mean(axis=0)
    assert skill(as_reference)[2] == pytest.approx(0.263194, abs=5e-7)
    assert list(skills(COSTS[:2])) == pytest.approx([0, 0.292893, 0.367544], abs=5e-7)


def test_zero_over_zero_is_one_and_ratios_are_clipped() -> None:
    costs = [[0.0, 0.0, 3.0], [1.0, 1e-9, 1e9]]
    assert relative_errors(costs, 0).tolist() == [[1, 1, 100], [1, 0.01, 100]]


def test_the_reference_has_no_skill_and_no_error_has_all_the_clip_allows() -> None:
    assert str(skills(np.array([[2.0, 0.0], [3.0, 0.0]])).tolist()) == "[0.0, 0.99]"


@given(TABLES, arrays(np.float64, 5, elements=st.floats(0.01, 100)))
def test_skill_does_not_depend_on_the_unit_of_a_task(costs: np.ndarray, scale: np.ndarray) -> None:
    assert list(skills(costs * scale[:, None])) == pytest.approx(list(skills(costs)), abs=1e-9)


@given(TABLES)
def test_failing_is_never_better_than_the_worst_and_than_the_reference(costs: np.ndarray) -> None:
    failed = np.zeros_like(costs, dtype=bool)
    failed[2, 3] = True
    errors = relative_errors(costs[2], 0, imputed=failed[2])
    assert errors[3] == errors.max() >= 1
    assert skills(costs, failed)[3] <= skills(costs)[3] + 1e-12


def test_failing_where_the_reference_is_perfect_is_not_perfect() -> None:
    assert relative_errors([0.0, 0.0, 0.0], 0, imputed=[False, False, True]).tolist() == [1, 1, 100]


@given(TABLES)
def test_the_win_rate_is_the_share_of_duels_won_on_costs_as_they_are(costs: np.ndarray) -> None:
    """W = (k - R) / (k - 1): clipped ratios would make ties of 1e4 and 1e5."""
    ranks = rank_matrix(costs)
    k = costs.shape[1]
    for j in range(k):
        won = [
            1.0 if row[j] < row[i] else 0.5 if row[j] == row[i] else 0.0
            for row in costs
            for i in range(k)
            if i != j
        ]
        assert win_rate(ranks).mean(axis=0)[j] == pytest.approx(np.mean(won), abs=1e-12)
        mean_rank = ranks[:, j].mean()
        assert (k - mean_rank) / (k - 1) == pytest.approx(np.mean(won), abs=1e-12)


def test_iqm_of_published_test_data() -> None:
    """Agarwal et al. 2021, tests of their library: runs x tasks."""
    x, y = [[1, 2], [2, 2], [1, 1], [2, 1]], [[1, 1], [2, 2], [3, 3]]
    assert (iqm(x)[0], iqm(y)[0], np.mean(x), np.mean(y)) == (1.5, 2, 1.5, 2)


def test_iqm_leaves_out_a_quarter_on_each_side_rounded_down() -> None:
    assert iqm(range(1, 13))[0] == 6.5
    assert iqm([*range(1, 12), 1000])[0] == 6.5
    assert iqm([1, 2, 30])[0] == 11


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=9).flatmap(
        lambda x: st.tuples(
            st.just(x), st.lists(st.integers(0, 3), min_size=len(x), max_size=len(x))
        )
    )
)
def test_iqm_of_counts_is_that_of_the_scores_written_out(
    found: tuple[list[int], list[int]],
) -> None:
    scores, counts = found
    counts[0] += 1
    written = np.repeat(scores, counts)
    expected = stats.trim_mean(written, 0.25)
    assert iqm(scores, [counts, counts]).tolist() == pytest.approx([expected] * 2, abs=1e-12)


def test_scores_run_from_guessing_to_the_best() -> None:
    assert normalised([0.1, 0.55, 1.0, 0.0], 0.1, 1.0) == pytest.approx([0, 0.5, 1, -1 / 9])
    assert normalised([4.0, 2.0, 0.0], 4.0, 0.0).tolist() == [0, 0.5, 1]
    with pytest.raises(ValueError, match="value of guessing"):
        normalised([0.5], 1.0, 1.0)


def test_the_optimality_gap_counts_shortfall_alone() -> None:
    """Scores of .5 and 2 fall short of 1 by .5 and 0."""
    assert shortfall([0.5, 2.0]).mean() == 0.25


def test_probability_of_improvement_of_published_test_data() -> None:
    """By task 4 x 3 duels: on the first two 1s lose to 2 and 3 and tie with 1 (.5 of 3 each), two
    2s win, tie and lose (1.5 of 3 each): (2 * .5 + 2 * 1.5) / 12 = 1/3; so on the second.
    """
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]]), np.array([[1, 1], [2, 2], [3, 3]])
    found = probability_of_improvement(list(x.T), list(y.T), "higher")
    assert found == pytest.approx(1 / 3, abs=1e-15)
    assert probability_of_improvement(list(y.T), list(x.T), "higher") == pytest.approx(2 / 3)
    assert probability_of_improvement(list(x.T), list(y.T), "lower") == pytest.approx(2 / 3)


def test_paired_improvement_counts_seeds() -> None:
    """Losses .1 .3 .5 against .2 .3 .4: one better, one tie, one worse; unpaired 4.5 of 9."""
    x, y = [[0.1, 0.3, 0.5]], [[0.2, 0.3, 0.4]]
    assert probability_of_improvement(x, y, paired=True) == 0.5
    assert probability_of_improvement(x, y) == pytest.approx(0.5)
    assert probability_of_improvement([[0.1, 0.3, 0.3]], y, paired=True) == pytest.approx(2.5 / 3)
    with pytest.raises(ValueError, match="equally many"):
        probability_of_improvement([[1.0]], [[1.0, 2.0]], paired=True)
    with pytest.raises(ValueError, match="at least one task"):
        probability_of_improvement([[]], [[1.0]])


def test_failed_runs_lose_every_duel_but_those_with_other_failures() -> None:
    assert duels([1.0, np.inf], [2.0, np.inf], "lower").tolist() == [[1, 1], [0, 0.5]]


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
def test_what_is_no_cost_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        relative_errors([1.0, cost], 0)


def test_an_unknown_reference_and_a_lone_memory_are_refused() -> None:
    with pytest.raises(ValueError, match="reference's cost must be known"):
        relative_errors([1.0, 2.0], 0, imputed=[True, False])
    with pytest.raises(ValueError, match="takes an opponent"):
        win_rate([1.0])
