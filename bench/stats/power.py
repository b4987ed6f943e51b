"""What a number of seeds can detect, and how many seeds an effect needs."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

from scipy.optimize import brentq

from bench.stats.noncentral import lower_tail, upper_tail
from bench.stats.paired import LEAST_PAIRS
from bench.stats.student import critical_t

MOST_SEEDS = 200
"""Advice stops here: beyond, a table says ``> 200``."""


def power(effect: float, n: int, *, alpha: float = 0.05) -> float:
    """Chance that a two-sided paired t-test at level alpha finds a true effect d_z with n pairs.

    Raises:
        ValueError: If n < 2 or alpha is not within (0, 1).
    """
    if n < 2 or not 0 < alpha < 1:
        raise ValueError(f"need n >= 2 and 0 < alpha < 1, got {n} and {alpha}")
    critical = critical_t(1 - alpha, n - 1)
    shift = abs(effect) * math.sqrt(n)
    return upper_tail(critical, n - 1, shift) + lower_tail(-critical, n - 1, shift)


@lru_cache(maxsize=4096)
def detectable_effect(n: int, alpha: float = 0.05, target: float = 0.8) -> float:
    """The smallest d_z that n pairs find with chance `target`; times sd(d), in metric units.

    Raises:
        ValueError: If n < 2, or alpha and target are not 0 < alpha < target < 1.
    """
    if not 0 < alpha < target < 1:
        raise ValueError(f"need 0 < alpha < target < 1, got {alpha} and {target}")
    high = 1.0
    while power(high, n, alpha=alpha) < target:
        high *= 2
    found = brentq(lambda d: power(d, n, alpha=alpha) - target, 0.0, high, xtol=1e-10)
    return float(found)


def seeds_needed(
    effect: float, *, alpha: float = 0.05, target: float = 0.8, most: int = MOST_SEEDS
) -> int | None:
    """The least number of pairs, from 3, that finds d_z with chance `target`; None beyond `most`.

    A planning aid: an observed d_z is itself noisy, so say "about".
    """
    if effect == 0 or power(effect, most, alpha=alpha) < target:
        return None
    sizes = range(LEAST_PAIRS, most + 1)  # power rises with n, so the least one is bisected
    return sizes[bisect_left(sizes, target, key=lambda n: power(effect, n, alpha=alpha))]
