"""Evidence that a difference is too small to matter."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.stats.arrays import sample
from bench.stats.intervals import Interval, t_interval
from bench.stats.student import spread


@dataclass(frozen=True)
class Equivalence:
    """Outcome of two one-sided tests.

    Attributes:
        margin: The largest difference that does not matter, in the metric's units.
        p: The larger of the two one-sided p-values.
        interval: The (1 - 2 alpha) interval of the mean difference.
        equivalent: Whether that interval lies within (-margin, margin), that is p < alpha.
    """

    margin: float
    p: float
    interval: Interval
    equivalent: bool


def tost(
    d: ArrayLike, margin: float, *, alpha: float = 0.05, resolution: float = 0.0
) -> Equivalence:
    """Two one-sided paired t-tests of |mean d| < margin (Schuirmann 1987).

    A difference that is merely not significant is never called equal; this is the claim that is.

    Raises:
        ValueError: If the margin is not positive, there are fewer than 2 pairs, or a value is
            not finite.
    """
    if not (margin > 0 and math.isfinite(margin)):
        raise ValueError(f"the margin must be positive, got {margin}")
    x = sample(d, least=2)
    mean, n = float(x.mean()), x.size
    error = float(spread(x, resolution)[0]) / math.sqrt(n)
    room = margin - abs(mean)
    p = float(stdtr(n - 1, -room / error)) if error > 0 else _without_spread(room, n)
    interval = t_interval(x, level=1 - 2 * alpha, resolution=resolution)
    inside = -margin < interval.lo and interval.hi < margin
    return Equivalence(margin, p, interval, inside and p < alpha)


def _without_spread(room: float, n: int) -> float:
    """One-sided sign-flip p of n equal distances to the margin: never 0, whatever t would say."""
    return 0.5**n if room > 0 else 1.0
