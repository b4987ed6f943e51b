"""Ranks of memories over many tasks, and Friedman's test that they rank alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc

from bench.stats.arrays import BoolArray, FloatArray
from bench.stats.pairing import DIGITS, significant
from bench.stats.ranking import average_ranks

EXACT_UP_TO = 100_000
"""Largest number of ways to permute within rows that are all enumerated."""
MONTE_CARLO_DRAWS = 9_999
"""Random permutations drawn where there are more."""
_AT_ONCE = 2**20
"""Ranks held at once, which bounds the memory of a test with many rows."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all memories rank alike.

    Attributes:
        chi2: Statistic, chi-squared with k - 1 degrees of freedom for large N.
        chi2_p: p of it.
        f: Iman and Davenport's F from it; infinite where all rows rank alike.
        f_p: p of it.
    """

    chi2: float
    chi2_p: float
    f: float
    f_p: float


def rank_matrix(costs: ArrayLike) -> FloatArray:
    """Ranks along the last axis, 1 for the least cost: [..., k].

    Costs are compared to 12 significant digits; ties share their mean rank, and so do failures,
    which cost infinity and come last.

    Raises:
        ValueError: If a cost is NaN.
    """
    x = np.asarray(costs, dtype=np.float64)
    if np.isnan(x).any():
        raise ValueError("a cost is NaN: a failure costs infinity")
    flat = x.reshape(-1, x.shape[-1])
    order = np.argsort(flat, axis=-1)
    ranks = np.empty(flat.shape)
    places = np.broadcast_to(np.arange(1.0, flat.shape[-1] + 1), flat.shape)
    np.put_along_axis(ranks, order, places, axis=-1)
    # only where two costs are close, which few samples are, does rounding change anything
    rows = _any_close(np.take_along_axis(flat, order, axis=-1))
    ranks[rows] = average_ranks(significant(flat[rows]))
    return ranks.reshape(x.shape)


def _any_close(ordered: FloatArray) -> BoolArray:
    """Whether two neighbours of a row [R, k] may be the same number to 12 significant digits."""
    below, above = ordered[:, :-1], ordered[:, 1:]
    with np.errstate(invalid="ignore"):  # infinite costs, which are all alike
        apart = above - below > 10.0 ** (1 - DIGITS) * (np.abs(below) + np.abs(above))
    return np.asarray(~apart.all(axis=1), dtype=np.bool_)


def block_ranks(ranks: ArrayLike) -> FloatArray:
    """Ranks [..., k] of a block: those of its tasks [tasks, ..., k] averaged, and ranked again.

    Related tasks, such as four horizons of one series, then count once.
    """
    return rank_matrix(np.mean(np.asarray(ranks, dtype=np.float64), axis=0))


def friedman(ranks: ArrayLike, *, tie_corrected: bool = True) -> Friedman:
    """Friedman's chi-squared (1937) and Iman and Davenport's F (1980), with their p-values.

    chi2 = (k - 1) sum_j (R_j - N (k+1)/2)^2 / V over rank sums R_j, where V is the spread of all
    ranks around (k+1)/2. Without ties V = N k (k^2 - 1) / 12; using that in spite of ties gives
    Demsar's form (2006). F = (N - 1) chi2 / (N (k - 1) - chi2) with k - 1 and (k - 1)(N - 1)
    degrees of freedom; where all rows rank alike it is infinite, and its p is the chance that
    N - 1 rows fall in with the first.

    Args:
        ranks: Ranks [N, k], N and k at least 2.
        tie_corrected: Whether V is that of the ranks as they are.

    Raises:
        ValueError: If there are fewer than 2 rows or memories.
    """
    r = _checked(ranks)
    n, k = r.shape
    middle = (k + 1) / 2
    between = float(((r.sum(axis=0) - n * middle) ** 2).sum())
    spread = float(((r - middle) ** 2).sum()) if tie_corrected else n * k * (k * k - 1) / 12
    # all memories tied in every row: nothing tells them apart
    chi2 = (k - 1) * between / spread if spread > 0 else 0.0
    chi2_p = float(chdtrc(k - 1, chi2))
    rest = n * (k - 1) - chi2
    if rest <= 1e-12 * n * (k - 1):
        return Friedman(chi2, chi2_p, math.inf, _arrangements(r[0]) ** -(n - 1))
    f = (n - 1) * chi2 / rest
    return Friedman(chi2, chi2_p, f, float(fdtrc(k - 1, (k - 1) * (n - 1), f)))


def permutation_p(
    ranks: ArrayLike, *, rng: np.random.Generator, draws: int = MONTE_CARLO_DRAWS
) -> float:
    """The p of Friedman's statistic when ranks are permuted within rows.

    Under the null hypothesis every order within a row is equally likely. Where the memories can
    be dealt out in at most 100,000 ways up to a common renaming all are enumerated; otherwise p =
    (count + 1) / (draws + 1) (Phipson & Smyth 2010). The chi-squared and F laws are meant for
    more than 10 rows and 5 memories (Demsar 2006); this holds for any.

    Args:
        ranks: Ranks [N, k], N and k at least 2.
        rng: Source of the permutations; not drawn from where the enumeration is exact.
        draws: Random permutations, where there are too many.
    """
    r = _canonical(_checked(ranks))
    # sums of half integers are exact, so equal statistics are equal numbers
    observed = float((_checked(ranks).sum(axis=0) ** 2).sum())
    if math.factorial(r.shape[1]) ** (r.shape[0] - 1) <= EXACT_UP_TO:
        return float(((_all_sums(r) ** 2).sum(axis=1) >= observed).mean())
    count = sum(
        int(((sums**2).sum(axis=1) >= observed).sum()) for sums in _random_sums(r, rng, draws)
    )
    return (count + 1) / (draws + 1)


def _checked(ranks: ArrayLike) -> FloatArray:
    r = np.asarray(ranks, dtype=np.float64)
    if r.ndim != 2 or min(r.shape) < 2:
        raise ValueError(f"need ranks of at least 2 rows and 2 memories, got shape {r.shape}")
    return r


def _canonical(r: FloatArray) -> FloatArray:
    """The rows with their ranks ascending, in a fixed order.

    The law of a permuted row depends on its tied ranks alone, so p does not depend on the order
    of tasks or memories, even where it is drawn at random.
    """
    ascending = np.sort(r, axis=1)
    return ascending[np.lexsort(ascending.T[::-1])]


def _arrangements(row: FloatArray) -> float:
    """In how many different ways the ranks of one row can be dealt out."""
    _, tied = np.unique(row, return_counts=True)
    return math.factorial(row.size) / math.prod(math.factorial(int(t)) for t in tied)


def _all_sums(r: FloatArray) -> FloatArray:
    """Rank sums of every way to permute the rows after the first: [ways, k].

    Permuting all rows alike renames the memories and changes no statistic, so one row stays.
    """
    sums = r[:1]
    for row in r[1:]:
        orders = np.array(list(permutations(row)))
        sums = (sums[:, None] + orders[None]).reshape(-1, r.shape[1])
    return sums


def _random_sums(r: FloatArray, rng: np.random.Generator, draws: int) -> Iterator[FloatArray]:
    """Rank sums [some, k] of rows permuted at random, in blocks that make `draws` together."""
    size = max(1, _AT_ONCE // r.size)
    for start in range(0, draws, size):
        some = min(size, draws - start)
        yield rng.permuted(np.broadcast_to(r, (some, *r.shape)), axis=2).sum(axis=1)
