"""Accuracies and macro F1, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from tasks.arc.label_scores import accuracy, macro_f1, recalls

LABELS = 5
answers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50)


@given(answers)
def test_macro_f1_and_recalls_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true = np.array([*range(LABELS), *(own for own, _ in pairs)])
    predicted = np.array([*range(LABELS), *(seen for _, seen in pairs)])
    every = range(LABELS)
    expected = f1_score(true, predicted, labels=every, average="macro")
    assert macro_f1(predicted, true, LABELS) == pytest.approx(expected, abs=1e-12)
    of_label = recall_score(true, predicted, labels=every, average=None)
    assert recalls(predicted, true, LABELS) == pytest.approx(of_label, abs=1e-12)
    assert accuracy(predicted, true) == pytest.approx((predicted == true).mean())


def test_a_label_that_is_never_predicted_counts_as_zero() -> None:
    """Labels 0 and 1 asked twice each, always answered 0: F1 = 2*2/(4 + 2) = 2/3 and 0."""
    true, predicted = np.array([0, 0, 1, 1]), np.zeros(4, dtype=np.int64)
    assert macro_f1(predicted, true, 2) == pytest.approx(1 / 3)


def test_a_label_that_is_never_asked_has_no_accuracy() -> None:
    with pytest.raises(ValueError, match="label 1 has no query"):
        recalls(np.array([0]), np.array([0]), 2)
