"""Numbers of an accuracy matrix, by hand and against the loops that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.arc.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    learning_accuracy,
)


def test_two_stages_by_hand() -> None:
    """Mean of (.5, .8); .5 - .9; .9 - .5; mean of (.9, .8)."""
    matrix = np.array([[0.9, 0.1], [0.5, 0.8]])
    assert average_accuracy(matrix) == pytest.approx(0.65)
    assert backward_transfer(matrix) == pytest.approx(-0.4)
    assert forgetting(matrix) == pytest.approx(0.4)
    assert learning_accuracy(matrix) == pytest.approx(0.85)


def test_forgetting_is_from_the_best_that_was_ever_reached_not_from_the_first() -> None:
    """Stage 1 rises to .9 after stage 2: forgetting is .9 - .7, backward transfer .7 - .6."""
    matrix = np.array([[0.6, 0.0, 0.0], [0.9, 0.5, 0.0], [0.7, 0.5, 0.4]])
    assert forgetting(matrix) == pytest.approx((0.2 + 0.0) / 2)
    assert backward_transfer(matrix) == pytest.approx((0.1 + 0.0) / 2)


def test_what_was_known_before_its_stage_is_nothing_to_forget() -> None:
    """R[1, 2] = 1 before stage 2 was learned does not count as its best."""
    matrix = np.array([[0.5, 1.0, 0.0], [0.5, 0.3, 0.0], [0.5, 0.3, 0.2]])
    assert forgetting(matrix) == pytest.approx(0)


@given(st.integers(2, 6).flatmap(lambda t: arrays(float, (t, t), elements=st.floats(0, 1))))
def test_the_definitions_hold_for_any_matrix(matrix: np.ndarray) -> None:
    last = len(matrix) - 1
    lost = [max(matrix[i, j] for i in range(j, last)) - matrix[last, j] for j in range(last)]
    moved = [matrix[last, j] - matrix[j, j] for j in range(last)]
    assert forgetting(matrix) == pytest.approx(sum(lost) / last, abs=1e-12)
    assert backward_transfer(matrix) == pytest.approx(sum(moved) / last, abs=1e-12)
    assert forgetting(matrix) >= -backward_transfer(matrix) - 1e-12


@pytest.mark.parametrize("of", [backward_transfer, forgetting])
def test_a_single_stage_has_nothing_before_it(of) -> None:
    with pytest.raises(ValueError, match="one stage"):
        of(np.ones((1, 1)))
