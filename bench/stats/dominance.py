"""Almost stochastic order: is one memory's whole distribution of results better than another's?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from bench.stats.arrays import FloatArray, sample
from bench.stats.pairing import Direction

LEAST = 5
"""Below it the order says nothing: two samples of 3 violate it by chance alone."""
RESAMPLES = 1_000
ADVISED = 0.2
"""Bound below which dominance is advised to be claimed (Ulmer et al. 2022); 0.5 is the limit."""


@dataclass(frozen=True)
class StochasticOrder:
    """How far A is from being stochastically better than B.

    Attributes:
        violation: Share of the squared distance between the two quantile functions that lies
            where B's is better: 0 if A dominates, 1 if B does, 0.5 if they are equal.
        bound: Upper confidence bound of that share; A dominates almost surely if below 0.5.
    """

    violation: float
    bound: float


def almost_stochastic_order(
    a: ArrayLike,
    b: ArrayLike,
    direction: Direction,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> StochasticOrder:
    """The violation of stochastic order and its bound (del Barrio et al. 2018; Dror et al. 2019).

    With quantile functions F and G of A and B, higher being better,
    eps = int max(G - F, 0)^2 / int (G - F)^2; the bound is eps + z_level sd(eps) with the standard
    deviation over 1,000 bootstrap resamples of both sides.

    Raises:
        ValueError: If a side has fewer than 5 values, or one is not finite.
    """
    sign = -1 if direction == "lower" else 1
    x, y = sign * sample(a, least=LEAST), sign * sample(b, least=LEAST)
    violation = float(_violation(x[None], y[None])[0])
    left = x[rng.integers(x.size, size=(RESAMPLES, x.size))]
    right = y[rng.integers(y.size, size=(RESAMPLES, y.size))]
    bound = violation + float(ndtri(level)) * float(_violation(left, right).std())
    return StochasticOrder(violation, min(1.0, bound))


def _violation(x: FloatArray, y: FloatArray) -> FloatArray:
    """The ratio of each pair of rows; exact, both quantile functions being steps."""
    edges = np.union1d(
        np.arange(x.shape[1] + 1) / x.shape[1], np.arange(y.shape[1] + 1) / y.shape[1]
    )
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    gap = _quantiles(y, middle) - _quantiles(x, middle)
    distance = (gap**2) @ width
    violated = (np.maximum(gap, 0) ** 2) @ width
    found: FloatArray = np.full_like(distance, 0.5)
    np.divide(violated, distance, out=found, where=distance > 0)
    return found


def _quantiles(x: FloatArray, p: FloatArray) -> FloatArray:
    index = np.minimum((p * x.shape[1]).astype(np.int64), x.shape[1] - 1)
    found: FloatArray = np.sort(x, axis=1)[:, index]
    return found
