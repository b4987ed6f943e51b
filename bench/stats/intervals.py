"""Confidence intervals of a mean over seeds."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray, sample
from bench.stats.student import critical_t, resolution_floor

IntervalMethod = Literal["t", "bca", "percentile"]

LEAST_FOR_BOOTSTRAP = 5
"""Below this n a bootstrap has too few distinct resamples to mean anything."""
RESAMPLES = 9_999


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        lo: Lower end.
        hi: Upper end.
        level: Nominal coverage, e.g. 0.95.
        method: How it was computed, which may differ from what was asked for.
    """

    lo: float
    hi: float
    level: float
    method: str

    def clip(self, lo: float, hi: float) -> Interval:
        """The interval within attainable bounds; NaN bounds are none."""
        low = self.lo if math.isnan(lo) else max(self.lo, lo)
        high = self.hi if math.isnan(hi) else min(self.hi, hi)
        return replace(self, lo=low, hi=high)

    def scaled(self, factor: float) -> Interval:
        """The interval of the quantity times `factor`; its ends trade places if negative."""
        ends = sorted((self.lo * factor, self.hi * factor))
        return replace(self, lo=ends[0], hi=ends[1])


class TooFewForBootstrap(ValueError):
    """A bootstrap was asked of fewer than 5 values."""

    def __init__(self, n: int) -> None:
        super().__init__(
            f"no bootstrap interval at n={n}: there are only {distinct_resamples(n)} distinct "
            f"resamples; at least {LEAST_FOR_BOOTSTRAP} values are needed"
        )


def distinct_resamples(n: int) -> int:
    """How many different samples of size n can be drawn with replacement from n values."""
    return math.comb(2 * n - 1, n)


def t_interval(values: ArrayLike, *, level: float = 0.95, resolution: float = 0.0) -> Interval:
    """Mean +- t sd / sqrt(n), the default at every n.

    Its coverage holds at n = 3 for normal data, where a bootstrap's is 75%.

    Args:
        values: At least 2 finite values.
        level: Nominal coverage.
        resolution: Step of the metric, if `values` are differences of two rounded values.

    Raises:
        ValueError: If there are fewer than 2 values, or one is not finite.
    """
    x = sample(values, least=2)
    sd = max(float(x.std(ddof=1)), float(resolution_floor(resolution)))
    half = critical_t(level, x.size - 1) * sd / math.sqrt(x.size)
    mean = float(x.mean())
    return Interval(mean - half, mean + half, level, "t")


def bootstrap_interval(
    values: ArrayLike,
    *,
    rng: np.random.Generator,
    method: Literal["bca", "percentile"] = "bca",
    level: float = 0.95,
) -> Interval:
    """Bootstrap interval of the mean, 9,999 resamples (Efron 1987 for BCa).

    Constant values give [mean, mean]. Where BCa is degenerate the percentile interval is
    returned, and its `method` says so.

    Raises:
        TooFewForBootstrap: If there are fewer than 5 values.
        ValueError: If a value is not finite.
    """
    x = sample(values)
    if x.size < LEAST_FOR_BOOTSTRAP:
        raise TooFewForBootstrap(x.size)
    if np.ptp(x) == 0:
        return Interval(float(x[0]), float(x[0]), level, method)
    lo, hi = _resampled(x, "BCa" if method == "bca" else "percentile", level, rng)
    if math.isnan(lo) or math.isnan(hi):
        lo, hi = _resampled(x, "percentile", level, rng)
        return Interval(lo, hi, level, "percentile")
    return Interval(lo, hi, level, method)


def mean_interval(
    values: ArrayLike,
    *,
    rng: np.random.Generator,
    method: IntervalMethod = "t",
    level: float = 0.95,
    resolution: float = 0.0,
) -> Interval:
    """Interval of a mean by the named method; see `t_interval` and `bootstrap_interval`."""
    if method == "t":
        return t_interval(values, level=level, resolution=resolution)
    return bootstrap_interval(values, rng=rng, method=method, level=level)


def _resampled(
    x: FloatArray, method: Literal["BCa", "percentile"], level: float, rng: np.random.Generator
) -> tuple[float, float]:
    from scipy import stats  # slow to import, and the default interval does not need it

    # where BCa is degenerate scipy divides 0 by 0; the caller sees it in the interval's method
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (x,),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=level,
            method=method,
            vectorized=True,
            rng=rng,
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
