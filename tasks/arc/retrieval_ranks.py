"""Ranks among items where several may be right and several may score the same.

How often a rank is good must not depend on how ties are broken: where many items share one score,
counting them in the order in which they stand makes retrieval look far better than it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

TIE = 1e-9
"""Scores no further apart than this are equal."""


@dataclass(frozen=True)
class Ranks:
    """Where the best right item of each of Q queries stands.

    Attributes:
        better: Wrong items that score higher, [Q].
        equal: Wrong items that score the same, [Q].
    """

    better: Counts
    equal: Counts

    @classmethod
    def of(cls, scores: Floats, right: Flags) -> Ranks:
        """The ranks of scores [Q, M].

        Args:
            scores: Larger is better.
            right: Items that answer each query, [Q, M]; at least one each.

        Raises:
            ValueError: If a query has no right item.
        """
        if not right.any(axis=1).all():
            raise ValueError("a query without a right item has no rank")
        scores = scores.astype(np.float64)
        best = np.where(right, scores, -math.inf).max(axis=1, keepdims=True)
        tied = np.abs(scores - best) <= TIE
        better = ~right & ~tied & (scores > best)
        return cls(better.sum(axis=1), (~right & tied).sum(axis=1))

    def within(self, k: int) -> Flags:
        """Whether a right item is among the first k even if all its ties go before it, [Q]."""
        found: Flags = 1 + self.better + self.equal <= k
        return found

    def reciprocal(self) -> Floats:
        """One over the rank, of which ties take the middle: 1 + better + equal / 2, [Q]."""
        rank: Floats = 1 / (1 + self.better + self.equal / 2)
        return rank


def cosine_scores(reads: npt.NDArray[np.float32], codes: npt.NDArray[np.float32]) -> Floats:
    """Cosine [Q, M] of what was read [Q, V] with unit codes [M, V]; zero for a zero read."""
    read = reads.astype(np.float64)
    length = np.linalg.norm(read, axis=1, keepdims=True)
    scores: Floats = (read / np.where(length > 0, length, 1)) @ codes.astype(np.float64).T
    return scores


def chance_within(k: int, items: int, right: int) -> float:
    """Probability that one of the right items is among k drawn without replacement.

    1 - C(M - r, k) / C(M, k).
    """
    return 1 - math.comb(items - right, k) / math.comb(items, k) if k < items else 1.0
