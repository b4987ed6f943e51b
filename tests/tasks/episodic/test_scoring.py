"""Sets and orders against hand-computed scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.episodic.scoring import by_bin, f1, kendall, over_bins


def sets(*members, width=10):
    """One row per set of members."""
    rows = np.zeros((len(members), width), dtype=bool)
    for row, own in zip(rows, members, strict=True):
        row[list(own)] = True
    return rows


@pytest.mark.parametrize(
    ("predicted", "truth", "exact", "lenient"),
    [
        ([0, 1], [0, 1, 2, 3, 4], 4 / 7, 4 / 7),  # P = 1, R = .4: F1 = .571
        ([], [], 1, 1),
        ([0, 1, 2], [], 0, 0),
        ([], [1], 0, 0),
        ([0, 1, 2, 3], [2], 0.4, 1),  # P = 1/4, R = 1; capped to one prediction P = 1
        ([3], [4], 0, 0),
        ([3, 5], [3, 5], 1, 1),
    ],
)
def test_f1_of_sets(predicted, truth, exact, lenient):
    assert f1(sets(predicted), sets(truth)) == pytest.approx([exact])
    assert f1(sets(predicted), sets(truth), lenient=True) == pytest.approx([lenient])


def test_answering_everything_is_worth_something_only_if_one_is_lenient():
    """All 100 values for g true ones: F1 = 2g / (100 + g), lenient 1; 0 where nothing is true."""
    truth = sets([], [1], [1, 2], range(10), width=100)
    everything = np.ones_like(truth)
    assert f1(everything, truth) == pytest.approx([0, 2 / 101, 4 / 102, 20 / 110])
    assert f1(everything, truth, lenient=True) == pytest.approx([0, 1, 1, 1])


@given(
    predicted=st.sets(st.integers(0, 9)),
    truth=st.sets(st.integers(0, 9)),
    shuffled=st.permutations(range(10)),
)
def test_f1_is_symmetric_bounded_blind_to_names_and_never_above_the_lenient_one(
    predicted, truth, shuffled
):
    (score,) = f1(sets(predicted), sets(truth))
    assert 0 <= score <= 1
    assert f1(sets(truth), sets(predicted)) == score
    assert f1(sets(predicted)[:, shuffled], sets(truth)[:, shuffled]) == score
    assert f1(sets(predicted), sets(truth), lenient=True) >= score
    assert (score == 1) == (predicted == truth)


def test_the_mean_over_bins_weighs_bins_and_not_questions():
    score, bin_of = np.array([1.0, 0.0, 0.0, 0.5]), np.array([0, 1, 1, 4])
    assert by_bin(score, bin_of) == {0: 1.0, 1: 0.0, 4: 0.5}
    assert over_bins(score, bin_of) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("predicted", "tau"),
    [
        ([0, 2, 1], 1 / 3),  # two of three pairs in order, one not
        ([0, 1, 2, 3], 1),
        ([3, 2, 1, 0], -1),
        ([10.0, 70.0, 500.0], 1),
        ([4, 4, 4], 0),  # no order at all
    ],
)
def test_kendalls_tau_of_an_order(predicted, tau):
    assert kendall(predicted) == pytest.approx(tau)
