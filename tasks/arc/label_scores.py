"""How well labels are told apart: accuracy, of all and of each, and macro-averaged F1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def accuracy(predicted: Labels, true: Labels) -> float:
    """Share of predictions [Q] that are right."""
    return float((predicted == true).mean())


def recalls(predicted: Labels, true: Labels, labels: int) -> Floats:
    """Share of the queries of each label that are answered with it, [labels].

    Raises:
        ValueError: If a label has no query.
    """
    asked = np.bincount(true, minlength=labels)
    if not asked.all():
        raise ValueError(f"label {int(asked.argmin())} has no query")
    found = np.bincount(true[predicted == true], minlength=labels)
    share: Floats = found / asked
    return share


def macro_f1(predicted: Labels, true: Labels, labels: int) -> float:
    """Mean over labels of F1 = 2 TP / (2 TP + FP + FN); 0 for a label never right."""
    hits = np.bincount(true[predicted == true], minlength=labels)
    named = np.bincount(predicted, minlength=labels) + np.bincount(true, minlength=labels)
    return float((2 * hits / np.maximum(named, 1)).mean())
