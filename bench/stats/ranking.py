"""Ranks with ties shared: what Wilcoxon's and Friedman's tests start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray


def average_ranks(values: ArrayLike) -> FloatArray:
    """Ranks along the last axis, 1 for the least value; equal values share their mean rank.

    Those of `scipy.stats.rankdata`, without the import of all of `scipy.stats`, which takes
    longer than most comparisons.

    Raises:
        ValueError: If a value is NaN.
    """
    x = np.asarray(values, dtype=np.float64)
    if np.isnan(x).any():
        raise ValueError("NaN has no rank")
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(x, order, axis=-1)
    # a run of equal values spans the places first to last, which all its members share
    place = np.broadcast_to(np.arange(1.0, x.shape[-1] + 1), x.shape)
    begins = np.ones(x.shape, dtype=np.bool_)
    begins[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    shared = place
    if not begins.all():
        ends = np.ones_like(begins)
        ends[..., :-1] = begins[..., 1:]
        first = np.maximum.accumulate(np.where(begins, place, 0.0), axis=-1)
        last = np.where(ends, place, np.inf)[..., ::-1]
        shared = (first + np.minimum.accumulate(last, axis=-1)[..., ::-1]) / 2
    ranks = np.empty(x.shape)
    np.put_along_axis(ranks, order, shared, axis=-1)
    return ranks
