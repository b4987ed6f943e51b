"""The threshold that validation fixes."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.episodic.calibration import THRESHOLDS, calibrate
from tasks.episodic.questions import Questions


def questions(truth, matches):
    k = len(matches)
    return Questions(
        np.zeros(k, dtype=np.int64),
        np.zeros((k, 4), dtype=np.int64),
        np.array(matches),
        np.array(truth, dtype=bool),
    )


def test_the_grid_goes_from_a_twentieth_to_one_point_three():
    assert len(THRESHOLDS) == 26
    assert (THRESHOLDS[0], THRESHOLDS[-1]) == (0.05, 1.3)


def test_the_middle_of_the_best_thresholds_is_taken():
    """Right values score .8, wrong ones .32: all of .35 to .75 are perfect, and .8 is not.

    A score equal to a threshold does not exceed it, rounding or not.
    """
    asked = questions([[1, 0, 0], [0, 0, 0]], [1, 0])
    scores = np.array([[0.8 + 1e-7, 0.32, 0.1], [0.3, -np.inf, 0.2]])
    found = calibrate(0.5, [scores], [asked])
    assert found.f1 == 1
    assert found.scale == 0.5
    assert found.threshold == pytest.approx(0.55)


def test_bins_weigh_the_same_however_many_questions_they_have():
    """One question without a match against nine with: above .6 the first is right alone (mean
    of bins .5), below .3 the nine are (2/3 each: .67 F1, and the first wrong: .33).
    """
    asked = questions([[0, 0]] + [[1, 0]] * 9, [0] + [1] * 9)
    scores = np.array([[0.6, 0.6]] + [[0.3, 0.3]] * 9)
    found = calibrate(1.0, [scores], [asked])
    assert found.f1 == pytest.approx(0.5)
    assert found.threshold >= 0.6


def test_several_episodes_are_pooled():
    first = questions([[1, 0]], [1])
    second = questions([[0, 0]], [0])
    found = calibrate(1.0, [np.array([[0.5, 0.1]]), np.array([[0.4, 0.0]])], [first, second])
    assert found.f1 == 1
    assert found.threshold == pytest.approx(0.4)


def test_who_scores_nothing_answers_nothing_at_any_threshold():
    asked = questions([[1, 0], [0, 0]], [1, 0])
    found = calibrate(0.0, [np.full((2, 2), -np.inf)], [asked])
    assert found.f1 == 0.5
    assert found.threshold == pytest.approx(0.65)
