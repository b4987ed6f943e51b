"""Effect sizes with intervals: how large a difference is, beside how surely it is one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln

from bench.stats.arrays import FloatArray, sample
from bench.stats.intervals import LEAST_FOR_BOOTSTRAP, Interval, bootstrap_interval, t_interval
from bench.stats.noncentral import lower_tail, upper_tail
from bench.stats.pairing import Direction

RESAMPLES = 9_999
_SMALL_MEDIUM_LARGE = {
    "a12": (0.56, 0.64, 0.71),
    "cliff": (0.147, 0.33, 0.474),
    "g": (0.2, 0.5, 0.8),
}
_BCA_FROM = 20
"""From this n on the interval of a mean log ratio is a BCa bootstrap."""


@dataclass(frozen=True)
class Effect:
    """An effect size.

    Attributes:
        value: The estimate.
        interval: Its 95% interval, or None where there is none to be had.
    """

    value: float
    interval: Interval | None


def d_z(t: float, n: int) -> float:
    """The paired standardised difference mean(d) / sd(d), from the paired t statistic."""
    return t / math.sqrt(n)


def hedges_factor(df: int) -> float:
    """J, which removes the bias of a standardised difference with `df` degrees of freedom.

    J = Gamma(v/2) / (sqrt(v/2) Gamma((v-1)/2)) (Hedges 1981); 0 at one degree of freedom, where
    no unbiased estimate exists.
    """
    if df < 1:
        raise ValueError(f"need at least 1 degree of freedom, got {df}")
    if df == 1:
        return 0.0
    return math.exp(float(gammaln(df / 2) - gammaln((df - 1) / 2)) - 0.5 * math.log(df / 2))


def d_z_interval(t: float, n: int, *, level: float = 0.95) -> Interval:
    """Interval of d_z by inversion of the noncentral t distribution.

    The ends are the noncentralities under which the observed t is at the upper and lower
    (1 - level)/2 quantile, over sqrt(n).

    Raises:
        ValueError: If n < 2 or t is not finite.
    """
    if n < 2 or not math.isfinite(t):
        raise ValueError(f"need n >= 2 and a finite t, got {n} and {t}")
    tail = (1 - level) / 2
    low, high = _noncentralities(abs(t), n - 1, tail)
    if t < 0:
        low, high = -high, -low
    return Interval(low / math.sqrt(n), high / math.sqrt(n), level, "noncentral-t")


def hedges_g_z(t: float, n: int, *, level: float = 0.95) -> Effect:
    """Hedges' g_z: d_z without its small-sample bias, with its interval."""
    factor = hedges_factor(n - 1)
    return Effect(factor * d_z(t, n), d_z_interval(t, n, level=level).scaled(factor))


def superiority(d: ArrayLike, *, rng: np.random.Generator, level: float = 0.95) -> Effect:
    """Share of seeds on which A is better, ties counted half: the paired P(A > B).

    Clopper-Pearson interval (1934); with ties a percentile bootstrap, or none below 5 pairs.
    """
    x = sample(d)
    wins = np.where(x == 0, 0.5, x > 0).astype(np.float64)
    value = float(wins.mean())
    if (x != 0).all():
        return Effect(value, _clopper_pearson(int(wins.sum()), x.size, level))
    if x.size < LEAST_FOR_BOOTSTRAP:
        return Effect(value, None)
    return Effect(value, bootstrap_interval(wins, rng=rng, method="percentile", level=level))


@lru_cache(maxsize=4096)
def _clopper_pearson(wins: int, n: int, level: float) -> Interval:
    from scipy import stats  # slow to import, and tables do not need it

    ends = stats.binomtest(wins, n).proportion_ci(confidence_level=level, method="exact")
    return Interval(float(ends.low), float(ends.high), level, "clopper-pearson")


def vargha_delaney(a: ArrayLike, b: ArrayLike, direction: Direction) -> float:
    """A12: the chance that a random value of A beats a random one of B, ties counted half.

    Unpaired (Vargha & Delaney 2000); 0.5 where neither has the edge.
    """
    return float(_dominance(sample(a), sample(b), direction).mean())


def vargha_delaney_effect(
    a: ArrayLike,
    b: ArrayLike,
    direction: Direction,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Effect:
    """A12 with a percentile bootstrap interval that resamples both sides; none below 5 values."""
    table = _dominance(sample(a), sample(b), direction)
    value, (n_a, n_b) = float(table.mean()), table.shape
    if min(n_a, n_b) < LEAST_FOR_BOOTSTRAP:
        return Effect(value, None)
    # a resample's A12 is the dominance table's mean weighted by how often each row and column
    # was drawn
    rows = rng.multinomial(n_a, np.full(n_a, 1 / n_a), size=RESAMPLES)
    columns = rng.multinomial(n_b, np.full(n_b, 1 / n_b), size=RESAMPLES)
    draws = ((rows @ table) * columns).sum(axis=1) / (n_a * n_b)
    lo, hi = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(value, Interval(float(lo), float(hi), level, "percentile"))


def cliffs_delta(a12: float) -> float:
    """Cliff's delta (1993): A12 stretched from [0, 1] to [-1, 1]."""
    return 2 * a12 - 1


def geometric_ratio(
    a: ArrayLike, b: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> Effect | None:
    """exp(mean log(A/B)) over pairs; None unless all values are positive.

    The interval is that of the mean log ratio, by t below 20 pairs and by BCa from there on.
    """
    x, y = sample(a), sample(b)
    if x.shape != y.shape:
        raise ValueError(f"need pairs, got {x.size} and {y.size} values")
    if (x <= 0).any() or (y <= 0).any():
        return None
    logs = np.log(x / y)
    value = math.exp(float(logs.mean()))
    if x.size < 2:
        return Effect(value, None)
    if x.size < _BCA_FROM:
        found = t_interval(logs, level=level)
    else:
        found = bootstrap_interval(logs, rng=rng, method="bca", level=level)
    return Effect(value, Interval(math.exp(found.lo), math.exp(found.hi), level, found.method))


def magnitude(kind: Literal["a12", "cliff", "g"], value: float) -> str:
    """The customary word for an effect: negligible, small, medium or large.

    Thresholds: A12 .56/.64/.71 and Cliff's delta .147/.33/.474 (Romano et al. 2006; Vargha &
    Delaney 2000), |g| .2/.5/.8 (Cohen 1988). For a reader's ease, never instead of the number.
    """
    size = 0.5 + abs(value - 0.5) if kind == "a12" else abs(value)
    words = ("negligible", "small", "medium", "large")
    return words[sum(size >= limit for limit in _SMALL_MEDIUM_LARGE[kind])]


def _dominance(a: FloatArray, b: FloatArray, direction: Direction) -> FloatArray:
    """1 where A's value is better than B's, 0.5 where equal, 0 otherwise: [n_a, n_b]."""
    edge = b[None, :] - a[:, None] if direction == "lower" else a[:, None] - b[None, :]
    return (np.sign(edge) + 1) / 2


def _noncentralities(t: float, df: int, tail: float) -> tuple[float, float]:
    """Noncentralities that put t >= 0 at the upper and at the lower tail."""
    step = 3 * math.sqrt(1 + t * t / (2 * df))  # about three standard deviations of T
    low = _root(lambda nc: upper_tail(t, df, nc) - tail, t, -step)
    high = _root(lambda nc: tail - lower_tail(t, df, nc), t, step)
    return low, high


def _root(increasing: Callable[[float], float], start: float, step: float) -> float:
    """Where an increasing function crosses 0, searched from `start` in the step's direction."""
    end = start + step
    while increasing(end) * step < 0:
        step *= 2
        end = start + step
    low, high = sorted((start, end))
    return float(brentq(increasing, low, high, xtol=1e-12, rtol=1e-13))
