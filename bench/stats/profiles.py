"""Performance profiles: how often a memory is within a factor of the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import BoolArray, FloatArray
from bench.stats.intervals import LEAST_FOR_BOOTSTRAP
from bench.stats.resampling import (
    FIGURE_REPLICATES,
    Stratum,
    draw,
    mean_over_tasks,
    seed_means,
)

TAUS: FloatArray = np.geomspace(1.0, 100.0, 201)
"""Factors at which a profile is drawn unless others are asked for."""


@dataclass(frozen=True)
class Profile:
    """Performance profiles of k memories.

    Attributes:
        taus: Factors [m], ascending.
        fraction: Share of runs within the factor of the best, tasks weighing the same [k, m].
        lo: Lower ends of a pointwise 95% band [k, m]; None below 5 seeds.
        hi: Upper ends.
    """

    taus: FloatArray
    fraction: FloatArray
    lo: FloatArray | None
    hi: FloatArray | None


def cost_ratios(costs: ArrayLike) -> FloatArray:
    """Costs [k, n] of one task over its best cost, the least mean of a memory without failures.

    0/0 is 1; positive/0 and a failure, which costs infinity, are infinite. A single run may be
    better than the best mean: its ratio is then below 1.

    Raises:
        ValueError: If a cost is negative or NaN, or every memory failed.
    """
    x = np.asarray(costs, dtype=np.float64)
    if x.ndim != 2 or not (x >= 0).all():
        raise ValueError(f"need costs [k, n] that are not negative, got shape {x.shape}")
    best = float(x.mean(axis=1).min())
    if not np.isfinite(best):
        raise ValueError("every memory failed: there is no best cost")
    if best == 0:
        return np.where(x == 0, 1.0, np.inf)
    return x / best


def performance_profile(
    costs: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    taus: ArrayLike = TAUS,
    replicates: int = FIGURE_REPLICATES,
) -> Profile:
    """Share of (task, seed) runs whose cost is within tau of the task's best (Dolan & More 2002).

    A failure is within no factor. The band is a percentile interval at each factor over
    replicates that draw seeds within tasks, the same for all memories, against the best costs as
    observed.

    Args:
        costs: One [k, n] per task, 0 = perfect, infinite for failures; n may differ by task.
        rng: Source of the replicates.
        taus: Factors.
        replicates: How many samples the band comes from.
    """
    factors = np.asarray(taus, dtype=np.float64)
    ratios = [cost_ratios(task) for task in costs]
    reached = [ratio[:, :, None] <= factors for ratio in ratios]
    fraction = np.mean([task.mean(axis=1) for task in reached], axis=0)
    sizes = [ratio.shape[1] for ratio in ratios]
    if min(sizes) < LEAST_FOR_BOOTSTRAP:
        return Profile(factors, fraction, None, None)
    strata = draw(sizes, rng=rng, replicates=replicates)
    bands = [_band(strata, [task[j] for task in reached]) for j in range(fraction.shape[0])]
    lo, hi = (np.array(ends) for ends in zip(*bands, strict=True))
    return Profile(factors, fraction, lo, hi)


def _band(strata: Sequence[Stratum], reached: Sequence[BoolArray]) -> tuple[FloatArray, FloatArray]:
    """Ends [m] of one memory's band, from what each of its runs reached [n, m] by task."""
    samples = mean_over_tasks(strata, lambda t, counts: seed_means(reached[t].T, counts))
    lo, hi = np.quantile(samples, [0.025, 0.975], axis=0)
    return lo, hi
