"""Bootstrap of scores over tasks: seeds drawn within tasks, the same ones for all memories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.arrays import FloatArray, IntArray
from bench.stats.intervals import Interval

Resample = Literal["seeds", "tasks", "both"]
Counts: TypeAlias = NDArray[np.int16]
"""How often each seed was drawn."""

REPLICATES = 10_000
"""Replicates behind an interval in a table."""
FIGURE_REPLICATES = 2_000
"""Replicates behind a band in a figure."""


@dataclass(frozen=True)
class Stratum:
    """How often one task, and each of its seeds, was drawn.

    Attributes:
        times: Times the task stands in each replicate [R].
        counts: Times each of its n seeds was drawn, for one time after the other [sum(times), n];
            None where the seeds stay as they are.
    """

    times: IntArray
    counts: Counts | None


def draw(
    sizes: Sequence[int],
    *,
    rng: np.random.Generator,
    resample: Resample = "seeds",
    replicates: int = REPLICATES,
) -> list[Stratum]:
    """The replicates of a stratified bootstrap, one stratum per task.

    ``seeds`` keeps the tasks and draws n seeds with replacement within each: it says how sure the
    score on these tasks is. ``tasks`` draws whole tasks, for a claim about others like them;
    ``both`` draws tasks and then seeds within every one drawn. A replicate holds the same seeds
    for all memories, so that what they share cancels (Agarwal et al. 2021 draw them apart).

    Args:
        sizes: Number of seeds of each task.
        rng: Source of the draws.
        resample: What is drawn.
        replicates: How many samples R.
    """
    tasks = len(sizes)
    if tasks == 0 or min(sizes) < 1 or replicates < 1:
        raise ValueError("need at least one task, seed and replicate")
    if resample == "seeds":
        times = np.ones((replicates, tasks), dtype=np.int64)
    else:
        times = rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=replicates)
    return [
        Stratum(
            times[:, t],
            None if resample == "tasks" else _seeds(n, int(times[:, t].sum()), rng),
        )
        for t, n in enumerate(sizes)
    ]


def seed_means(values: ArrayLike, counts: Counts | None) -> FloatArray:
    """Means [samples, k] of values [k, n] over the seeds drawn; [1, k] if none were."""
    x = np.asarray(values, dtype=np.float64)
    if counts is None:
        observed: FloatArray = x.mean(axis=1)[None]
        return observed
    means: FloatArray = counts @ x.T / x.shape[1]
    return means


def mean_over_tasks(
    strata: Sequence[Stratum], statistic: Callable[[int, Counts | None], FloatArray]
) -> FloatArray:
    """Mean over the tasks of every replicate of a statistic of one task: [R, k].

    Args:
        strata: What was drawn.
        statistic: From a task's place and its counts [samples, n] to values [samples, k]; with
            None for counts, the values as observed [1, k].
    """
    total: FloatArray = np.zeros(1)
    for t, stratum in enumerate(strata):
        found = statistic(t, stratum.counts)
        if stratum.counts is None:
            total = total + stratum.times[:, None] * found
        else:
            total = total + _sums(found, stratum.times)
    mean: FloatArray = total / len(strata)
    return mean


def pooled_counts(strata: Sequence[Stratum], sizes: Sequence[int]) -> NDArray[np.int32]:
    """Times each run stands in each replicate [R, sum(sizes)], tasks one after the other."""
    parts = []
    for stratum, n in zip(strata, sizes, strict=True):
        if stratum.counts is None:
            parts.append(np.repeat(stratum.times[:, None], n, axis=1).astype(np.int32))
        else:
            parts.append(_sums(stratum.counts, stratum.times).astype(np.int32))
    return np.concatenate([part.T for part in parts]).T


def percentile_interval(samples: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval that the middle share `level` of the replicates [R] spans (Efron 1979)."""
    x = np.asarray(samples, dtype=np.float64)
    lo, hi = np.quantile(x, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(lo), float(hi), level, "percentile")


def _seeds(n: int, times: int, rng: np.random.Generator) -> Counts:
    """Times each of n seeds is among n drawn with replacement: [times, n]."""
    return rng.multinomial(n, np.full(n, 1 / n), size=times).astype(np.int16)


def _sums(values: FloatArray | Counts, times: IntArray) -> FloatArray:
    """Rows of [sum(times), k] summed in consecutive groups of the given sizes: [R, k]."""
    if (times == 1).all():
        return values.astype(np.float64, copy=False)
    owners = np.repeat(np.arange(times.size), times)
    columns = [np.bincount(owners, weights=column, minlength=times.size) for column in values.T]
    return np.stack(columns, axis=1)
