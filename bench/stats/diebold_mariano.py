"""Two forecasters on one path: is the mean of their loss differences over time zero?

Two answers to Diebold and Mariano's question (1995). `hln` is the statistic that papers report:
autocovariances up to the horizon, corrected for small samples. It trusts that nothing is
correlated beyond the horizon, and rejects far too often where forecasters adapt. `ewc` is the one
that decides: it estimates the long-run variance from a few slow cosines and pays for their small
number with few degrees of freedom.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.stats.arrays import BoolArray, FloatArray, cells
from bench.stats.paired import is_constant

MOST_COSINES = 12
"""Cosines behind the long-run variance; more would see less of a slow correlation."""
LEAST_COSINES = 4
"""With fewer there is no test: it takes 8 origins for each step of the horizon."""
UNSTABLE = 0.05
"""A variance below this share of that of uncorrelated differences makes absurdly small p."""
_HLN_ROUNDING = 1e-12
"""Share of g_0 below which a sum of autocovariances is rounding."""
_EWC_ROUNDING = 1e-20
"""Share of g_0 below which a mean of squared projections is rounding."""


@dataclass(frozen=True)
class HarveyLeybourneNewbold:
    """The statistic of Harvey, Leybourne and Newbold (1997).

    Attributes:
        uncorrected: Diebold and Mariano's own statistic; None if undefined.
        statistic: The same with the small-sample correction; None if undefined.
        p: Two-sided p from Student's t with T - 1 degrees of freedom; None if undefined.
        unstable: Whether the variance is so small that p cannot be believed.
    """

    uncorrected: float | None
    statistic: float | None
    p: float | None
    unstable: bool = False

    @property
    def undefined(self) -> bool:
        """Whether the estimated variance is not positive."""
        return self.statistic is None


@dataclass(frozen=True)
class EqualWeightedCosines:
    """The test of Lazarus, Lewis, Stock and Watson (2018).

    Attributes:
        mean: Mean of the differences.
        error: Standard error of that mean, from the long-run variance; None if not testable.
        statistic: mean / error; None if not testable or undefined.
        df: Degrees of freedom: the number of cosines B; 0 if not testable.
        p: Two-sided p from Student's t with B degrees of freedom; 1 for a tie; None if there is
            no test.
        tie: Whether all differences are zero.
        constant: Whether all differences are the same non-zero number, so that t is undefined.
    """

    mean: float
    error: float | None
    statistic: float | None
    df: int
    p: float | None
    tie: bool = False
    constant: bool = False

    @property
    def testable(self) -> bool:
        """Whether there are enough origins for the horizon."""
        return self.df > 0


def effective_horizon(horizon: int, stride: int = 1) -> int:
    """Consecutive origins whose forecasts overlap: ceil(H / s) for origins s steps apart.

    Raises:
        ValueError: If either is below 1.
    """
    if horizon < 1 or stride < 1:
        raise ValueError(f"need a horizon and a stride of at least 1, got {horizon} and {stride}")
    return -(-horizon // stride)


def cosines(origins: int, horizon: int) -> int:
    """B = min(12, floor(T / 2h)), the degrees of freedom of `ewc`; 0 where T < 8h.

    T / 2h keeps the fastest cosine slower than one forecast's own span.
    """
    found = min(MOST_COSINES, origins // (2 * horizon))
    return found if found >= LEAST_COSINES else 0


def hln(
    d: ArrayLike, horizon: int, *, scale: ArrayLike | None = None
) -> list[HarveyLeybourneNewbold]:
    """Harvey, Leybourne and Newbold's statistic of each pair.

    With autocovariances g_j = (1/T) sum_t (d_t - mean)(d_{t-j} - mean):

        V   = (g_0 + 2 sum_{j=1}^{h-1} g_j) / T
        DM  = mean / sqrt(V)
        DM* = DM sqrt((T + 1 - 2h + h(h-1)/T) / T)

    V is not positive by construction: where it is not, the statistic is undefined. For h = 1 DM*
    is the one-sample t statistic.

    Args:
        d: Loss differences [pairs, T] in time order, or [T] for one pair.
        horizon: h, in steps between origins.
        scale: Largest magnitude of the losses, one number or [pairs]; by default of `d`.

    Raises:
        ValueError: If the horizon is not within 1 .. T - 1, or a value is not finite.
    """
    x = cells(d)
    size = x.shape[1]
    if not 1 <= horizon < size:
        raise ValueError(f"need a horizon within 1 .. {size - 1}, got {horizon}")
    mean = x.mean(axis=1)
    centred = x - mean[:, None]
    g_0 = (centred**2).mean(axis=1)
    long_run = g_0 + 2 * (centred * _before(centred, horizon - 1)).mean(axis=1)
    undefined = _constant(x, scale) | (long_run <= _HLN_ROUNDING * g_0)
    correction = math.sqrt((size + 1 - 2 * horizon + horizon * (horizon - 1) / size) / size)
    results = []
    for i in range(x.shape[0]):
        if undefined[i]:
            results.append(HarveyLeybourneNewbold(None, None, None))
            continue
        uncorrected = float(mean[i]) / math.sqrt(long_run[i] / size)
        statistic = uncorrected * correction
        p = _two_sided(statistic, size - 1)
        unstable = bool(long_run[i] < UNSTABLE * g_0[i])
        results.append(HarveyLeybourneNewbold(uncorrected, statistic, p, unstable))
    return results


def ewc(
    d: ArrayLike, horizon: int, *, scale: ArrayLike | None = None
) -> list[EqualWeightedCosines]:
    """The equal-weighted cosine test of each pair.

        Lambda_j = sqrt(2/T) sum_t (d_t - mean) cos(pi j (t - 1/2) / T),  j = 1 .. B
        Omega    = mean of Lambda_j^2
        t        = mean / sqrt(Omega / T),  Student's t with B degrees of freedom

    Omega is never negative and no kernel is chosen (Lazarus, Lewis, Stock & Watson 2018).

    Args:
        d: Loss differences [pairs, T] in time order, or [T] for one pair.
        horizon: h, in steps between origins; B = min(12, floor(T / 2h)), and there is no test
            below 4, that is for T < 8h.
        scale: Largest magnitude of the losses, one number or [pairs]; by default of `d`.

    Raises:
        ValueError: If the horizon is below 1, or a value is not finite.
    """
    x = cells(d)
    if horizon < 1:
        raise ValueError(f"need a horizon of at least 1, got {horizon}")
    size = x.shape[1]
    mean = x.mean(axis=1)
    df = cosines(size, horizon)
    if not df:
        return [EqualWeightedCosines(float(m), None, None, 0, None) for m in mean]
    centred = x - mean[:, None]
    # row by row: a product of matrices rounds a row by how many others there are
    omega = np.array([((row @ _basis(size, df)) ** 2).mean() for row in centred])
    constant = _constant(x, scale)
    without = constant | (omega <= _EWC_ROUNDING * (centred**2).mean(axis=1))
    return [
        _without_spread(x[i], df, bool(constant[i]))
        if without[i]
        else _with_spread(float(mean[i]), math.sqrt(omega[i] / size), df)
        for i in range(x.shape[0])
    ]


def _with_spread(mean: float, error: float, df: int) -> EqualWeightedCosines:
    t = mean / error
    return EqualWeightedCosines(mean, error, t, df, _two_sided(t, df))


def _without_spread(d: FloatArray, df: int, constant: bool) -> EqualWeightedCosines:
    if not d.any():
        return EqualWeightedCosines(0.0, 0.0, 0.0, df, 1.0, tie=True)
    return EqualWeightedCosines(float(d.mean()), None, None, df, None, constant=constant)


def _two_sided(t: float, df: int) -> float:
    """Two-sided p of Student's t; never 0, though the tail may underflow."""
    return max(2 * float(stdtr(df, -abs(t))), sys.float_info.min)


def _constant(x: FloatArray, scale: ArrayLike | None) -> BoolArray:
    """Which pairs have differences that are all the same, up to the rounding of their losses."""
    top = np.abs(x).max(axis=1) if scale is None else np.broadcast_to(scale, x.shape[0])
    return np.array([is_constant(row, float(s)) for row, s in zip(x, top, strict=True)])


def _before(x: FloatArray, lags: int) -> FloatArray:
    """At each t the sum of up to `lags` values before it: times x, that is T sum_j g_j."""
    sums = np.pad(np.cumsum(x, axis=1), ((0, 0), (1, 0)))
    t = np.arange(x.shape[1])
    found: FloatArray = sums[:, t] - sums[:, np.maximum(t - lags, 0)]
    return found


@lru_cache(maxsize=8)
def _basis(size: int, count: int) -> FloatArray:
    """sqrt(2/T) cos(pi j (t - 1/2) / T) for t = 1 .. T and j = 1 .. count: [T, count]."""
    t = np.arange(size) + 0.5
    j = np.arange(1, count + 1)
    found: FloatArray = np.sqrt(2 / size) * np.cos(np.pi / size * np.outer(t, j))
    return found
