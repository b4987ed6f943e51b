"""Whether one memory outperforms another often enough to matter, not only surely enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from bench.stats.arrays import sample
from bench.stats.intervals import Interval, bootstrap_interval

Meaning = Literal["not significant", "not meaningful", "meaningful"]

GAMMA = 0.75
"""Share of runs that has to be won for a difference to matter (Bouthillier et al. 2021)."""


@dataclass(frozen=True)
class Outperformance:
    """The decision of Bouthillier et al. (2021) on P(A > B).

    Attributes:
        value: Share of pairs on which A is better, ties counted half.
        interval: Its 95% percentile bootstrap interval [l, u] over pairs.
        meaning: ``not significant`` for l <= 0.5; else ``meaningful`` for u > gamma, and
            ``not meaningful`` for u <= gamma.
    """

    value: float
    interval: Interval
    meaning: Meaning


def pairs_required(gamma: float = GAMMA, *, alpha: float = 0.05, beta: float = 0.05) -> int:
    """The least number of pairs for the decision at these error rates.

    ceil(((z_{1-alpha} - z_beta) / (sqrt(6) (1/2 - gamma)))^2) (Noether 1987).

    Raises:
        ValueError: If gamma is not within (0.5, 1), or a rate is not within (0, 0.5).
    """
    if not (0.5 < gamma < 1 and 0 < alpha < 0.5 and 0 < beta < 0.5):
        raise ValueError(
            f"need 0.5 < gamma < 1 and rates within (0, 0.5), got {gamma}, {alpha}, {beta}"
        )
    gap = float(ndtri(1 - alpha) - ndtri(beta))
    return math.ceil((gap / (math.sqrt(6) * (0.5 - gamma))) ** 2)


LEAST_PAIRS = pairs_required()
"""29: with fewer pairs the decision is not made."""


def outperformance(
    d: ArrayLike, *, rng: np.random.Generator, gamma: float = GAMMA
) -> Outperformance:
    """Whether A outperforms B, and often enough to matter.

    Args:
        d: Paired differences [n], positive where A is better.
        rng: Source of the bootstrap.
        gamma: Share of runs that has to be won.

    Raises:
        ValueError: If there are fewer than 29 pairs, or a value is not finite.
    """
    x = sample(d, least=LEAST_PAIRS)
    wins = np.where(x == 0, 0.5, x > 0).astype(np.float64)
    interval = bootstrap_interval(wins, rng=rng, method="percentile")
    return Outperformance(float(wins.mean()), interval, _meaning(interval, gamma))


def _meaning(interval: Interval, gamma: float) -> Meaning:
    if interval.lo <= 0.5:
        return "not significant"
    return "meaningful" if interval.hi > gamma else "not meaningful"
