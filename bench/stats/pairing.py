"""Two memories paired by seed, and the differences that every paired statistic starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray, IntArray, sample

Direction = Literal["lower", "higher"]
"""Which values are better."""

DIGITS = 12
"""Significant digits of a difference that are kept, relative to the values it was taken from."""


@dataclass(frozen=True)
class Pairs:
    """Values of two memories A and B on the seeds both have.

    Attributes:
        seeds: Common seeds, ascending [n].
        a: A's values in the metric's own units [n].
        b: B's values [n].
        d: Oriented differences [n]; positive where A is better.
        unpaired: How many seeds only one of the two has.
    """

    seeds: IntArray
    a: FloatArray
    b: FloatArray
    d: FloatArray
    unpaired: int

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.seeds.size)

    @property
    def scale(self) -> float:
        """Largest magnitude among the paired values; 0 without pairs."""
        return float(np.max(np.abs([self.a, self.b]), initial=0.0))

    @property
    def correlation(self) -> float | None:
        """Pearson correlation of A and B over seeds; None where it is undefined."""
        if self.n < 3 or np.ptp(self.a) == 0 or np.ptp(self.b) == 0:
            return None
        return float(np.corrcoef(self.a, self.b)[0, 1])


def pair(
    seeds_a: ArrayLike, a: ArrayLike, seeds_b: ArrayLike, b: ArrayLike, direction: Direction
) -> Pairs:
    """Both memories' values on their common seeds, in ascending order of seed.

    Raises:
        ValueError: If a seed occurs twice on one side, or a value is not finite.
    """
    left, right = np.asarray(seeds_a, dtype=np.int64), np.asarray(seeds_b, dtype=np.int64)
    values_a, values_b = sample(a, least=0), sample(b, least=0)
    for seeds, values in ((left, values_a), (right, values_b)):
        if seeds.shape != values.shape or np.unique(seeds).size != seeds.size:
            raise ValueError("each seed must come with one value")
    common, at_a, at_b = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    return Pairs(
        seeds=common,
        a=values_a[at_a],
        b=values_b[at_b],
        d=differences(values_a[at_a], values_b[at_b], direction),
        unpaired=left.size + right.size - 2 * common.size,
    )


def differences(a: ArrayLike, b: ArrayLike, direction: Direction) -> FloatArray:
    """Oriented differences, positive where `a` is better, rounded to 12 significant digits.

    The digits are counted from max(|a|, |b|). Without the rounding 0.3 - 0.2 and 0.2 - 0.1 would
    differ in the last bits, and ties would be broken by the arithmetic.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    raw = y - x if direction == "lower" else x - y
    scale = np.maximum(np.abs(x), np.abs(y))
    exponent = np.floor(np.log10(np.where(scale > 0, scale, 1.0)))
    return _round(raw, (DIGITS - 1 - exponent).astype(np.int64))


def significant(values: ArrayLike) -> FloatArray:
    """The values rounded to 12 significant digits each; infinite ones stay.

    Two means of the same numbers summed in another order then are the same number.
    """
    x = np.asarray(values, dtype=np.float64)
    plain = np.isfinite(x) & (x != 0)
    exponent = np.floor(np.log10(np.abs(np.where(plain, x, 1.0))))
    rounded = _round(np.where(plain, x, 1.0), (DIGITS - 1 - exponent).astype(np.int64))
    return np.where(plain, rounded, x)


def _round(x: FloatArray, decimals: IntArray) -> FloatArray:
    # Dividing by a power of ten gives the double nearest to the decimal number, so equal
    # decimals become equal doubles; multiplying by its inexact inverse would not.
    up = _TENS[np.clip(decimals, 0, _MOST)]
    if decimals.size and decimals.min() >= 0:
        rounded = np.rint(x * up) / up
    else:
        down = _TENS[np.clip(-decimals, 0, _MOST)]
        rounded = np.rint(x * up / down) * down / up
    return np.where(decimals > _MOST, x, rounded)


_MOST = 300
_TENS = np.power(10.0, np.arange(_MOST + 1))
