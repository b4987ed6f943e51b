"""Which of several forecasters may be the best: the model confidence set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray
from bench.stats.optional import require

RESAMPLES = 1_000
SAME = 1e-12
"""Relative difference below which two loss series are one."""


@dataclass(frozen=True)
class ConfidenceSet:
    """The model confidence set of Hansen, Lunde and Nason (2011).

    Attributes:
        included: Columns of the losses that the set holds, ascending.
        p: Model confidence set p-value of each column.
        tied: Groups of columns with the same losses, which stand or fall together.
    """

    included: tuple[int, ...]
    p: tuple[float, ...]
    tied: tuple[tuple[int, ...], ...]


def model_confidence_set(
    losses: ArrayLike, horizon: int, *, rng: np.random.Generator, size: float = 0.10
) -> ConfidenceSet:
    """The forecasters that hold the best one with confidence 1 - size.

    Range statistic, stationary bootstrap with blocks of max(2h, T^(1/3)) origins, 1,000
    resamples. Columns that are equal within 1e-12 enter once.

    Args:
        losses: [T, k] in time order, lower is better.
        horizon: h, in steps between origins.
        rng: Source of the bootstrap.
        size: Chance that the best one is left out.

    Raises:
        MembError: If the package ``arch`` is not installed.
        ValueError: If the losses are no finite matrix of at least 2 rows, the horizon is below 1,
            or the size is not within (0, 1).
    """
    x = np.asarray(losses, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1 or not np.isfinite(x).all():
        raise ValueError(f"need finite losses [T, k] with T >= 2, got shape {x.shape}")
    if horizon < 1 or not 0 < size < 1:
        raise ValueError(f"need horizon >= 1 and 0 < size < 1, got {horizon} and {size}")
    groups = _alike(x)
    p = _p_values(x[:, [group[0] for group in groups]], horizon, size, rng)
    by_column = {column: p[i] for i, group in enumerate(groups) for column in group}
    return ConfidenceSet(
        included=tuple(c for c in range(x.shape[1]) if by_column[c] > size),
        p=tuple(by_column[c] for c in range(x.shape[1])),
        tied=tuple(group for group in groups if len(group) > 1),
    )


def _alike(x: FloatArray) -> list[tuple[int, ...]]:
    """Columns in groups of equal ones, by first column."""
    groups: list[list[int]] = []
    scale = np.abs(x).max(axis=0)
    for column in range(x.shape[1]):
        for group in groups:
            off = np.abs(x[:, column] - x[:, group[0]]).max()
            if off <= SAME * max(scale[column], scale[group[0]]):
                group.append(column)
                break
        else:
            groups.append([column])
    return [tuple(group) for group in groups]


def _p_values(
    distinct: FloatArray, horizon: int, size: float, rng: np.random.Generator
) -> list[float]:
    """P-value of each column, all different."""
    bootstrap = require("arch.bootstrap", "the model confidence set")
    if distinct.shape[1] == 1:
        return [1.0]
    block = max(2 * horizon, math.ceil(distinct.shape[0] ** (1 / 3)))
    found = bootstrap.MCS(
        distinct,
        size=size,
        reps=RESAMPLES,
        block_size=block,
        method="R",
        bootstrap="stationary",
        seed=rng,
    )
    found.compute()
    return [float(found.pvalues.loc[column].iloc[0]) for column in range(distinct.shape[1])]
