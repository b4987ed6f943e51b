"""How much banks have in common with labels, and how evenly they are used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PERMUTATIONS = 20
"""Relabellings whose mean says what mutual information finite samples show by chance."""


def contingency(first: Labels, second: Labels, rows: int, columns: int) -> Labels:
    """How often labels go together, [rows, columns]."""
    counts = np.bincount(first * columns + second, minlength=rows * columns)
    return counts.reshape(rows, columns)


def normalised_mutual_information(first: Labels, second: Labels) -> float:
    """NMI = 2 I(A; B) / (H(A) + H(B)), natural logarithms (Strehl & Ghosh 2002).

    Zero if either is constant, where nothing can be shared.
    """
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    joint = contingency(first, second, rows, columns) / len(first)
    of_first, of_second = joint.sum(axis=1), joint.sum(axis=0)
    entropies = _entropy(of_first), _entropy(of_second)
    if min(entropies) <= 0:
        return 0.0
    information = sum(entropies) - _entropy(joint.ravel())
    return min(1.0, max(0.0, 2 * information / sum(entropies)))


def chance_information(first: Labels, second: Labels, rng: np.random.Generator) -> float:
    """Mean NMI over random permutations of the first labels."""
    drawn = [
        normalised_mutual_information(rng.permutation(first), second) for _ in range(PERMUTATIONS)
    ]
    return math.fsum(drawn) / len(drawn)


def _entropy(shares: Floats) -> float:
    """-sum p ln p, nats."""
    used = shares[shares > 0]
    return float(-(used * np.log(used)).sum())


@dataclass(frozen=True)
class Load:
    """How evenly queries are spread over banks.

    Attributes:
        entropy: Of the banks' shares, over that of equal shares: 1 if all are used alike.
        variation: Standard deviation of the shares over their mean (Shazeer et al. 2017).
        largest: Largest share.
    """

    entropy: float
    variation: float
    largest: float

    @classmethod
    def of(cls, shares: Floats) -> Load:
        """That of shares [banks], which sum to 1; a single bank is used evenly."""
        banks = len(shares)
        entropy = _entropy(shares) / math.log(banks) if banks > 1 else 1.0
        return cls(entropy, float(shares.std() / shares.mean()), float(shares.max()))


def group_of_bank(banks: Labels, groups: Labels, n_banks: int, n_groups: int) -> Labels:
    """The group that each bank stands for [banks], read off examples.

    With as many banks as groups, each its own, so that most examples agree (linear sum
    assignment); otherwise the group that most examples of the bank are from, of equal ones the
    first.
    """
    from scipy.optimize import linear_sum_assignment

    counts = contingency(banks, groups, n_banks, n_groups)
    if n_banks == n_groups:
        return np.asarray(linear_sum_assignment(-counts)[1], dtype=np.int64)
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)
