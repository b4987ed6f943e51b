"""Sign-flip tests: p-values from all, or many random, changes of sign of paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.arrays import FloatArray, cells
from bench.stats.ranking import average_ranks

Alternative = Literal["two-sided", "greater"]

EXACT_UP_TO = 16
"""Largest n whose 2^n sign patterns are all enumerated."""
MONTE_CARLO_FLIPS = 99_999
"""Random sign patterns drawn for a larger n."""
_AT_ONCE = 2**18
"""Sums held at once: few enough to stay in the cache, whatever the number of cells."""


def sign_flip(
    d: ArrayLike, *, rng: np.random.Generator, alternative: Alternative = "two-sided"
) -> FloatArray:
    """P-values [cells] of the sign-flip test on the mean of paired differences.

    Under the null hypothesis the two memories are exchangeable given the seed, so every pattern
    of signs is equally likely (Fisher 1935). Exact for n <= 16; beyond, 99,999 random patterns
    and p = (count + 1) / (patterns + 1) (Phipson & Smyth 2010). All cells share the patterns, so
    a cell's p does not depend on which others are tested with it.

    Args:
        d: Differences [cells, n], or [n] for one cell.
        rng: Source of the random patterns; not drawn from where the enumeration is exact.
        alternative: ``two-sided``, or ``greater`` for a mean above 0.
    """
    x = cells(d)
    total, size = x.sum(axis=1), np.abs(x).sum(axis=1)
    # Sums that are equal in exact arithmetic differ by rounding; one part in 1e12 of the largest
    # possible sum covers that and is below the last digit the differences are rounded to.
    tolerance = 1e-12 * size
    exact = x.shape[1] <= EXACT_UP_TO
    counts = np.zeros(x.shape[0], dtype=np.int64)
    patterns = 0
    for signs in _blocks(x.shape[1], max(1, _AT_ONCE // x.shape[0]), rng):
        sums = signs @ x.T
        if alternative == "two-sided":
            counts += (np.abs(sums) >= np.abs(total) - tolerance).sum(axis=0)
        else:
            counts += (sums >= total - tolerance).sum(axis=0)
            if exact:  # the enumeration holds one of each pair of opposite patterns
                counts += (-sums >= total - tolerance).sum(axis=0)
        patterns += signs.shape[0]
    if not exact:
        counts, patterns = counts + 1, patterns + 1
    elif alternative == "greater":
        patterns *= 2
    return np.asarray(counts / patterns, dtype=np.float64)


def wilcoxon(
    d: ArrayLike, *, rng: np.random.Generator, alternative: Alternative = "two-sided"
) -> FloatArray:
    """P-values [cells] of Wilcoxon's signed-rank test (1945): a sign-flip test on signed ranks.

    Tied magnitudes share their mean rank; the rank of a zero is split between both signs and so
    cancels (``zsplit``; Demsar 2006). Exact for n <= 16 with ties and zeros too.
    """
    return sign_flip(signed_ranks(d), rng=rng, alternative=alternative)


def signed_ranks(d: ArrayLike) -> FloatArray:
    """Ranks of |d| within each cell with the sign of d, 0 for a zero: [cells, n]."""
    x = cells(d)
    ranks: FloatArray = average_ranks(np.abs(x))
    signed: FloatArray = np.sign(x) * ranks
    return signed


def wilcoxon_statistic(d: ArrayLike) -> FloatArray:
    """Wilcoxon's W [cells]: the smaller of the two rank sums, zeros split evenly."""
    x = cells(d)
    all_ranks = x.shape[1] * (x.shape[1] + 1) / 2
    statistic: FloatArray = (all_ranks - np.abs(signed_ranks(x).sum(axis=1))) / 2
    return statistic


def smallest_p(n: int) -> float:
    """The smallest two-sided p that a sign-flip or Wilcoxon test of n pairs can return."""
    if n > EXACT_UP_TO:
        return max(2.0 ** (1 - n), 1 / (MONTE_CARLO_FLIPS + 1))
    return min(1.0, 2.0 ** (1 - n))


def pairs_to_resolve(alpha: float, m: int = 1) -> int:
    """The least number of pairs at which the sign-flip test could find p < alpha/m.

    ceil(1 + log2(m / alpha)), since the smallest attainable p is 2 / 2^n; one more where that is
    alpha/m itself.
    """
    if not 0 < alpha < 1 or m < 1:
        raise ValueError(f"need 0 < alpha < 1 and m >= 1, got {alpha} and {m}")
    n = math.ceil(1 + math.log2(m / alpha))
    return n if m * 2.0 ** (1 - n) < alpha else n + 1


def _blocks(n: int, rows: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Sign patterns [rows, n], in blocks."""
    signs = _half_of_all(n) if n <= EXACT_UP_TO else _random(n, rng)
    for start in range(0, signs.shape[0], rows):
        yield signs[start : start + rows].astype(np.float64)


@lru_cache(maxsize=EXACT_UP_TO)
def _half_of_all(n: int) -> NDArray[np.int8]:
    """The 2^(n-1) sign patterns whose first sign is +; the others are their opposites."""
    bits = np.arange(2 ** (n - 1), dtype=np.int64)[:, None] >> np.arange(n) & 1
    return (1 - 2 * bits).astype(np.int8)


def _random(n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    return 2 * rng.integers(0, 2, size=(MONTE_CARLO_FLIPS, n), dtype=np.int8) - 1
