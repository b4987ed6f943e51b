"""Whether a change makes a metric worse: one-sided tests of paired changes against a margin."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.stats.arrays import BoolArray, FloatArray, cells
from bench.stats.noncentral import upper_tail
from bench.stats.paired import LEAST_PAIRS
from bench.stats.student import critical_t, resolution_floor

MOST_SEEDS = 500
"""Advice stops here: beyond, a gate is better served by a wider tolerance."""
POWER = 0.8
"""Chance of an answer that advice on seeds aims at."""


@dataclass(frozen=True)
class OneSided:
    """One-sided tests of g, the oriented change of each seed; positive where it is worse.

    Attributes:
        mean: Means of g [cells].
        sd: Standard deviations [cells], not below the resolution floor.
        p_worse: P-values of H0: E g <= 0, or of H0: E g <= margin where the margin is strict.
        p_ni: P-values of H0: E g >= margin; small where g is worse by less than the margin.
        p_improved: P-values of H0: E g >= 0.
    """

    mean: FloatArray
    sd: FloatArray
    p_worse: FloatArray
    p_ni: FloatArray
    p_improved: FloatArray

    @property
    def undefined(self) -> BoolArray:
        """Cells [cells] without spread, of which t says nothing: their p-values are NaN."""
        return np.equal(self.sd, 0)


def one_sided_tests(
    g: ArrayLike, margin: ArrayLike, *, resolution: ArrayLike = 0.0, strict: bool = False
) -> OneSided:
    """Paired t-tests (Student 1908) of "worse", "not worse by the margin" and "better".

    A change is non-inferior where H0: E g >= margin is rejected. The claim that all cells are
    non-inferior is an intersection-union claim: each at level alpha, all at level alpha
    (Berger 1982).

    Args:
        g: Oriented changes [cells, n], n >= 2; rounded, so that constant ones are equal.
        margin: Largest change that does not matter, in the metric's units; a number or [cells].
        resolution: Smallest step of the metric; a number or [cells].
        strict: Whether "worse" means worse by more than the margin.

    Raises:
        ValueError: If n < 2, a change is not finite, or a margin is negative.
    """
    x = cells(g)
    count, n = x.shape
    if n < 2:
        raise ValueError("a test needs at least 2 pairs")
    delta = np.broadcast_to(np.asarray(margin, dtype=np.float64), count)
    if not (delta >= 0).all():
        raise ValueError("a margin must not be negative")
    mean = x.mean(axis=1)
    # equal numbers have no spread, though their mean, and so their sd, may be off by a rounding
    own = np.where(np.ptp(x, axis=1) == 0, 0.0, x.std(axis=1, ddof=1))
    sd: FloatArray = np.maximum(own, resolution_floor(resolution))
    above_zero, above_margin = (_t(mean - null, sd, n) for null in (np.zeros(count), delta))
    return OneSided(
        mean=mean,
        sd=sd,
        p_worse=stdtr(n - 1, -(above_margin if strict else above_zero)),
        p_ni=stdtr(n - 1, above_margin),
        p_improved=stdtr(n - 1, above_zero),
    )


def _t(distance: FloatArray, sd: FloatArray, n: int) -> FloatArray:
    t = np.full(distance.shape, np.nan)
    np.divide(distance * np.sqrt(n), sd, out=t, where=sd > 0)
    return t


def one_sided_power(effect: float, n: int, *, alpha: float = 0.05) -> float:
    """Chance that a one-sided paired t-test at level alpha finds a true effect d_z with n pairs.

    P(T > t_{1-alpha, n-1}) for T noncentral t with shift d_z sqrt(n).

    Raises:
        ValueError: If n < 2 or alpha is not within (0, 1/2).
    """
    if n < 2 or not 0 < alpha < 0.5:
        raise ValueError(f"need n >= 2 and 0 < alpha < 0.5, got {n} and {alpha}")
    return upper_tail(critical_t(1 - 2 * alpha, n - 1), n - 1, effect * math.sqrt(n))


def seeds_to_clear(delta: float, sd: float, *, alpha: float = 0.05) -> int | None:
    """The least number of seeds that shows with 80 % chance that nothing is worse by delta.

    It supposes that nothing has changed, so that the effect is delta / sd. None beyond 500.
    """
    return _least(delta / sd, alpha)


def seeds_to_confirm(worsening: float, sd: float, *, alpha: float = 0.05, m: int = 1) -> int | None:
    """The least number of seeds that shows with 80 % chance that a metric became worse.

    It supposes that the observed mean change is the true one, and the first step of Holm's
    correction for m tests: level alpha / m. None beyond 500, or where nothing is worse.
    """
    return _least(worsening / sd, alpha / m)


def _least(effect: float, alpha: float) -> int | None:
    if effect <= 0 or one_sided_power(effect, MOST_SEEDS, alpha=alpha) < POWER:
        return None
    sizes = range(LEAST_PAIRS, MOST_SEEDS + 1)  # power rises with n, so the least is bisected
    at = bisect_left(sizes, POWER, key=lambda n: one_sided_power(effect, n, alpha=alpha))
    return sizes[at]
