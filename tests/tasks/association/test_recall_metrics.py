"""Metrics of recall know how fine they are."""

from __future__ import annotations

import pytest

from tasks.association.recall import first_crossing
from tasks.association.recall_metrics import accuracy, capacity_step


def test_an_accuracy_moves_in_steps_of_one_answer() -> None:
    assert accuracy("acc_code", 0.5, 0.1, answers=40).resolution == 1 / 40
    assert accuracy("acc_code", 0.5, 0.1).resolution == 0.0


def test_a_capacity_moves_at_least_by_its_step_when_one_answer_changes() -> None:
    """Loads 8, 16, 32 with 20 episodes: 8/(16 x 20) = .025 and 16/(32 x 20) = .025."""
    step = capacity_step([8, 16, 32], lambda _: 20)
    assert step == pytest.approx(0.025, abs=0)
    for right in range(288):  # of 320 answers at load 16, too few for 0.9
        before, _ = first_crossing([8, 16], [1.0, right / 320], 0.9)
        after, _ = first_crossing([8, 16], [1.0, (right + 1) / 320], 0.9)
        if (right + 1) / 320 < 0.9:
            # at the crossing itself only the part of the way down to the threshold counts
            assert after - before >= step * 0.1


def test_a_curve_of_one_load_has_no_step() -> None:
    assert capacity_step([8], lambda _: 1) == 0.0
