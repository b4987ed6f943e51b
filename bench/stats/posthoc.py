"""Which memories differ in rank, once Friedman's test says that some do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from bench.stats import permutation
from bench.stats.arrays import BoolArray, FloatArray
from bench.stats.corrections import adjust


@dataclass(frozen=True)
class PairTest:
    """Two memories, by their places, compared over rows.

    Attributes:
        first: Place of one.
        second: Place of the other.
        p_raw: Two-sided p.
        p_adjusted: p for the family of all pairs tested.
        z: The rank difference in standard errors, positive where `second` ranks better; None for
            tests that use none.
    """

    first: int
    second: int
    p_raw: float
    p_adjusted: float
    z: float | None = None


def pair_differences(costs: ArrayLike, *, span: float | None = None) -> FloatArray:
    """Differences [pairs, N] of the costs [N, k], second minus first, within [-1, 1].

    Wilcoxon's test ranks differences of one row among those of the others, so they have to be of
    one kind. Where all rows share a metric with a finite range they are taken as they are, in
    parts of it. Otherwise relative to |a| + |b|, which depends neither on the unit of a row nor
    on any third memory, and says as much as the ratio of two costs. A failure, which costs
    infinity, is as far behind as can be. To 12 decimals, so that ties are not broken by rounding.

    Args:
        costs: Costs [N, k].
        span: The range of the metric that all rows share; None where they share none.

    Returns:
        Pairs in the order of `itertools.combinations`.

    Raises:
        ValueError: If a cost is NaN.
    """
    x = np.asarray(costs, dtype=np.float64)
    if x.ndim != 2 or np.isnan(x).any():
        raise ValueError(f"need costs [N, k] without NaN, got shape {x.shape}")
    first, second = (x[:, list(places)].T for places in zip(*_pairs(x.shape[1]), strict=True))
    failed_first, failed_second = np.isinf(first), np.isinf(second)
    a, b = np.where(failed_first, 0.0, first), np.where(failed_second, 0.0, second)
    scale = np.abs(a) + np.abs(b) if span is None else np.full(a.shape, span)
    d = np.divide(b - a, scale, out=np.zeros_like(a), where=scale > 0)
    behind = failed_second.astype(np.float64) - failed_first.astype(np.float64)
    d = np.where(failed_first | failed_second, behind, d)
    return np.asarray(np.round(d, 12), dtype=np.float64)


def pairwise_wilcoxon(d: ArrayLike, *, rng: np.random.Generator) -> list[PairTest]:
    """Wilcoxon's signed-rank test over rows for every pair, corrected after Holm.

    Unlike tests on mean ranks, what it says of two memories does not depend on which others are
    compared (Benavoli et al. 2016). Exact for up to 16 rows, with ties and zeros too.

    Args:
        d: Differences [k (k-1)/2, N] in the order of `itertools.combinations`.
        rng: Source of random sign patterns beyond 16 rows.
    """
    x = np.atleast_2d(np.asarray(d, dtype=np.float64))
    # random sign patterns then do not depend on the order of rows
    x = np.take_along_axis(x, np.argsort(np.abs(x), axis=1, kind="stable"), axis=1)
    raw = permutation.wilcoxon(x, rng=rng)
    k = math.isqrt(2 * raw.size) + 1
    if k * (k - 1) != 2 * raw.size:
        raise ValueError(f"{raw.size} differences are not those of all pairs")
    return [
        PairTest(i, j, float(p), float(holm))
        for (i, j), p, holm in zip(_pairs(k), raw, adjust(raw), strict=True)
    ]


def standard_error(k: int, n: int) -> float:
    """Standard error of a difference of two mean ranks: sqrt(k (k+1) / (6 N))."""
    if k < 2 or n < 1:
        raise ValueError(f"need at least 2 memories and 1 row, got {k} and {n}")
    return math.sqrt(k * (k + 1) / (6 * n))


def nemenyi_critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """The least difference of mean ranks over N rows that Nemenyi's test (1963) calls one.

    CD = q sqrt(k (k+1) / (6 N)), with q the studentized range over sqrt(2) (Demsar 2006).
    """
    from scipy.stats import studentized_range  # slow to import, seldom asked for

    q = float(studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    return q * standard_error(k, n)


def nemenyi(mean_ranks: ArrayLike, n: int) -> list[PairTest]:
    """Nemenyi's test of every pair of mean ranks [k] over N rows.

    p_raw is that of the normal law for the pair alone; p_adjusted that of the studentized range.
    """
    from scipy.stats import studentized_range  # slow to import, seldom asked for

    ranks = np.asarray(mean_ranks, dtype=np.float64)
    k = ranks.size
    pairs = _pairs(k)
    z = np.array([ranks[i] - ranks[j] for i, j in pairs]) / standard_error(k, n)
    adjusted = studentized_range.sf(np.abs(z) * math.sqrt(2), k, np.inf)
    return [
        PairTest(i, j, _two_sided(float(score)), min(1.0, float(p)), float(score))
        for (i, j), score, p in zip(pairs, z, adjusted, strict=True)
    ]


def against_reference(mean_ranks: ArrayLike, n: int, reference: int) -> list[PairTest]:
    """Every memory against one: z of the difference of mean ranks, corrected after Holm.

    `first` is the reference, so z is positive where the other ranks better (Demsar 2006).
    """
    ranks = np.asarray(mean_ranks, dtype=np.float64)
    others = [j for j in range(ranks.size) if j != reference]
    z = (ranks[reference] - ranks[others]) / standard_error(ranks.size, n)
    raw = [_two_sided(float(score)) for score in z]
    return [
        PairTest(reference, j, p, float(holm), float(score))
        for j, p, holm, score in zip(others, raw, adjust(raw), z, strict=True)
    ]


def bonferroni_dunn_critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """The least difference of mean ranks to a reference that is one at level alpha/(k-1).

    Dunn 1961; the quantile is computed: a widely copied table misprints the one of k = 9.
    """
    return -float(ndtri(alpha / (2 * (k - 1)))) * standard_error(k, n)


def cliques(separated: ArrayLike) -> tuple[tuple[int, ...], ...]:
    """Maximal sets of two or more memories, none separated from another: in order of place.

    Sets need not be intervals of the ranking: Wilcoxon's test may separate neighbours and not
    their neighbours. Found by the pivoting form of Bron and Kerbosch (1973).

    Args:
        separated: Whether two memories differ, symmetric [k, k]; the diagonal is ignored.
    """
    together: BoolArray = ~np.asarray(separated, dtype=np.bool_)
    if together.ndim != 2 or (together != together.T).any():
        raise ValueError(f"need a symmetric matrix, got shape {together.shape}")
    near = [{int(j) for j in np.flatnonzero(row)} - {i} for i, row in enumerate(together)]
    found: list[tuple[int, ...]] = []
    _grow(set(), set(range(len(near))), set(), near, found)
    return tuple(sorted(clique for clique in found if len(clique) > 1))


def _grow(
    clique: set[int],
    candidates: set[int],
    done: set[int],
    near: list[set[int]],
    found: list[tuple[int, ...]],
) -> None:
    if not candidates and not done:
        found.append(tuple(sorted(clique)))
        return
    pivot = max(candidates | done, key=lambda v: (len(near[v] & candidates), -v))
    for v in sorted(candidates - near[pivot]):
        _grow(clique | {v}, candidates & near[v], done & near[v], near, found)
        candidates = candidates - {v}
        done = done | {v}


def _pairs(k: int) -> list[tuple[int, int]]:
    return list(combinations(range(k), 2))


def _two_sided(z: float) -> float:
    return float(2 * ndtr(-abs(z)))
