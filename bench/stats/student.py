"""Student's t on paired differences, Welch's t on unpaired samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from bench.stats.arrays import FloatArray, cells, sample


@lru_cache(maxsize=4096)
def critical_t(level: float, df: float) -> float:
    """The t that a central t variate with `df` degrees of freedom stays within, both sides."""
    return float(stdtrit(df, (1 + level) / 2))


def resolution_floor(resolution: ArrayLike) -> FloatArray:
    """The least standard deviation of a difference of two values with steps of `resolution`.

    Each rounding error is uniform over one step, with variance resolution^2 / 12; a difference
    has two of them.
    """
    floor: FloatArray = np.asarray(resolution, dtype=np.float64) / np.sqrt(6)
    return floor


def spread(d: ArrayLike, resolution: ArrayLike = 0.0) -> FloatArray:
    """Sample standard deviations [cells] (ddof 1), not below the resolution floor.

    Raises:
        ValueError: If n < 2.
    """
    x = cells(d)
    if x.shape[1] < 2:
        raise ValueError("a standard deviation needs at least 2 values")
    sd: FloatArray = np.maximum(x.std(axis=1, ddof=1), resolution_floor(resolution))
    return sd


def paired_t(d: ArrayLike, resolution: ArrayLike = 0.0) -> tuple[FloatArray, FloatArray]:
    """Statistics t and two-sided p-values, both [cells], of the mean of paired differences.

    t = mean / (sd / sqrt(n)) with n-1 degrees of freedom (Student 1908). Where the spread is
    zero t is undefined and both are NaN, never p = 0.

    Args:
        d: Differences [cells, n], n >= 2.
        resolution: Smallest step of the metric, one number or [cells].
    """
    x = cells(d)
    n = x.shape[1]
    sd = spread(x, resolution)
    t = np.full(x.shape[0], np.nan)
    np.divide(x.mean(axis=1) * np.sqrt(n), sd, out=t, where=sd > 0)
    return t, 2 * stdtr(n - 1, -np.abs(t))


@dataclass(frozen=True)
class Welch:
    """Welch's t-test of two unpaired samples.

    Attributes:
        difference: mean(a) - mean(b).
        t: The statistic.
        df: Welch-Satterthwaite degrees of freedom.
        p: Two-sided p-value.
        lo: Lower end of the interval of the difference.
        hi: Upper end.
    """

    difference: float
    t: float
    df: float
    p: float
    lo: float
    hi: float


def welch(
    a: ArrayLike, b: ArrayLike, *, level: float = 0.95, resolution: float = 0.0
) -> Welch | None:
    """Welch's t-test (1947) on disjoint seeds; None where both samples are constant.

    Each sample's variance is not taken below resolution^2 / 12, that of one rounding.

    Raises:
        ValueError: If a sample has fewer than 2 values, or one is not finite.
    """
    x, y = sample(a, least=2), sample(b, least=2)
    floor = resolution**2 / 12
    error_x = max(float(x.var(ddof=1)), floor) / x.size
    error_y = max(float(y.var(ddof=1)), floor) / y.size
    if error_x + error_y == 0:
        return None
    error = error_x + error_y
    df = error**2 / (error_x**2 / (x.size - 1) + error_y**2 / (y.size - 1))
    difference = float(x.mean() - y.mean())
    t = difference / error**0.5
    half = critical_t(level, df) * error**0.5
    p = float(2 * stdtr(df, -abs(t)))
    return Welch(difference, t, df, p, difference - half, difference + half)
