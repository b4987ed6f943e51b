"""One number per memory over many tasks: skill, win rate, interquartile mean, improvement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import BoolArray, FloatArray
from bench.stats.pairing import Direction

LEAST_RATIO, MOST_RATIO = 0.01, 100.0
"""Relative errors are clipped to these, so that no single task decides."""
TRIM = 4
"""One value in this many is trimmed from each end for the interquartile mean."""


def relative_errors(
    costs: ArrayLike, reference: int, *, imputed: ArrayLike | None = None
) -> FloatArray:
    """Costs over the reference's on each task, clipped to [0.01, 100]: [..., k].

    0/0 is 1 and positive/0 is 100. An imputed memory, whose own cost is not known, gets the
    largest ratio of its task and at least 1; 100 where the reference costs nothing. To fail is
    then never better than to have a value.

    Args:
        costs: Costs [..., k], not negative, 0 = perfect.
        reference: Place of the reference; its cost is known.
        imputed: Which memories are imputed [k]; what stands in their place, 0 or a cost known in
            part, counts for the largest ratio.

    Raises:
        ValueError: If a cost is negative or not finite, or the reference is imputed.
    """
    cost = np.asarray(costs, dtype=np.float64)
    if not (np.isfinite(cost) & (cost >= 0)).all():
        raise ValueError("costs must be finite and not negative")
    holes = _holes(imputed, cost.shape[-1])
    if holes[reference]:
        raise ValueError("the reference's cost must be known")
    base = np.broadcast_to(cost[..., reference : reference + 1], cost.shape)
    ratio: FloatArray = np.where(cost > 0, MOST_RATIO, 1.0)
    np.divide(cost, base, out=ratio, where=base > 0)
    worst = np.maximum(1.0, ratio.max(axis=-1, keepdims=True))
    worst = np.where(base[..., :1] > 0, worst, MOST_RATIO)
    found: FloatArray = np.clip(np.where(holes, worst, ratio), LEAST_RATIO, MOST_RATIO)
    return found


def skill(mean_log_error: ArrayLike) -> FloatArray:
    """1 - exp(mean over tasks of log relative error): 0 for the reference, 1 for no error.

    The geometric mean does not depend on the unit of any task's cost.
    """
    score: FloatArray = 0.0 - np.expm1(np.asarray(mean_log_error, dtype=np.float64))
    return score


def win_rate(ranks: ArrayLike) -> FloatArray:
    """Share of opponents that each rank [..., k] beats, ties counted half: (k - r) / (k - 1).

    Averaged over tasks this is the share of duels won on costs as they are, not clipped.
    """
    r = np.asarray(ranks, dtype=np.float64)
    k = r.shape[-1]
    if k < 2:
        raise ValueError("a win takes an opponent")
    rate: FloatArray = (k - r) / (k - 1)
    return rate


def normalised(values: ArrayLike, chance: float, ceiling: float) -> FloatArray:
    """Values on the scale where guessing is 0 and the best attainable 1.

    Raises:
        ValueError: If both anchors are the same.
    """
    if chance == ceiling:
        raise ValueError("the value of guessing is the best attainable one")
    x = np.asarray(values, dtype=np.float64)
    return (x - chance) / (ceiling - chance)


def iqm(scores: ArrayLike, counts: ArrayLike | None = None) -> FloatArray:
    """Interquartile mean of all scores: the mean without a quarter at each end.

    floor(count / 4) scores are left out on each side (Agarwal et al. 2021), so fewer than 4 give
    their mean.

    Args:
        scores: Scores [n].
        counts: How often each score stands in each of several samples [R, n]; once in one sample
            if not given.

    Returns:
        One number per sample [R].
    """
    x = np.asarray(scores, dtype=np.float64).ravel()
    if counts is None:
        cut = x.size // TRIM
        within = np.partition(x, (cut, x.size - cut - 1))[cut : x.size - cut]
        return np.array([float(within.mean())])
    order = np.argsort(x, kind="stable")
    upto = np.cumsum(np.asarray(counts).T[order], axis=0, dtype=np.int32)
    total = upto[-1]
    cut = total // TRIM
    # how many of the scores up to each lie within both cuts; each step from one score to the
    # next counts for all that come after it
    inside = np.clip(upto[:-1], cut, total - cut).astype(np.float64)
    ordered = x[order]
    within = (total - cut) * ordered[-1] - cut * ordered[0] - np.diff(ordered) @ inside
    found: FloatArray = within / (total - 2 * cut)
    return found


def shortfall(scores: ArrayLike, target: float = 1.0) -> FloatArray:
    """How far each score falls below the target, 0 above it; its mean is the optimality gap."""
    below: FloatArray = np.maximum(0.0, target - np.asarray(scores, dtype=np.float64))
    return below


def duels(x: ArrayLike, y: ArrayLike, direction: Direction) -> FloatArray:
    """1 where a value of x is better than one of y, 0.5 where equal, else 0: [n_x, n_y].

    Infinite values, of failures, compare like others.
    """
    a = np.asarray(x, dtype=np.float64)[:, None]
    b = np.asarray(y, dtype=np.float64)[None, :]
    wins = a < b if direction == "lower" else a > b
    return np.where(a == b, 0.5, wins)


def probability_of_improvement(
    x: Sequence[ArrayLike],
    y: Sequence[ArrayLike],
    direction: Direction = "lower",
    *,
    paired: bool = False,
) -> float:
    """Chance that a run of x beats a run of y on a task drawn at random, ties counted half.

    The mean over tasks of Vargha and Delaney's A12 (Agarwal et al. 2021), or, paired, of the
    share of seeds on which x is better.

    Args:
        x: Values of one memory, one vector per task.
        y: Values of the other.
        direction: Which values are better.
        paired: Whether values at the same place were made with the same seed.

    Raises:
        ValueError: If the tasks, or paired values, are not equally many, or a task has no values.
    """
    tables = [duels(a, b, direction) for a, b in zip(x, y, strict=True)]
    if not tables or any(table.size == 0 for table in tables):
        raise ValueError("need at least one task, and values of both on each")
    if paired and any(table.shape[0] != table.shape[1] for table in tables):
        raise ValueError("paired values must be equally many")
    return float(np.mean([(table.diagonal() if paired else table).mean() for table in tables]))


def _holes(imputed: ArrayLike | None, k: int) -> BoolArray:
    return np.zeros(k, dtype=np.bool_) if imputed is None else np.asarray(imputed, dtype=np.bool_)
