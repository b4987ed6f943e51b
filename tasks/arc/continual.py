"""What is left of earlier stages after later ones, from accuracies R[i, j] on j after stage i."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def average_accuracy(matrix: Floats) -> float:
    """ACC = mean over j of R[T, j] (Lopez-Paz & Ranzato 2017)."""
    return float(matrix[-1].mean())


def learning_accuracy(matrix: Floats) -> float:
    """Mean over j of R[j, j], each stage right after it was learned (Riemer et al. 2019)."""
    return float(np.diag(matrix).mean())


def backward_transfer(matrix: Floats) -> float:
    """BWT = mean over j < T of R[T, j] - R[j, j] (Lopez-Paz & Ranzato 2017).

    Raises:
        ValueError: If there is one stage only.
    """
    _require_stages(matrix)
    return float((matrix[-1] - np.diag(matrix))[:-1].mean())


def forgetting(matrix: Floats) -> float:
    """Mean over j < T of max over j <= i < T of R[i, j], minus R[T, j] (Chaudhry et al. 2018).

    Raises:
        ValueError: If there is one stage only.
    """
    _require_stages(matrix)
    stages = len(matrix)
    lost = [matrix[j : stages - 1, j].max() - matrix[-1, j] for j in range(stages - 1)]
    return float(np.mean(lost))


def _require_stages(matrix: Floats) -> None:
    if len(matrix) < 2:
        raise ValueError("one stage cannot be forgotten")
