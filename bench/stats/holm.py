"""Holm's correction of many families at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray


def holm(p: ArrayLike, others: int = 0) -> FloatArray:
    """P-values adjusted within each family along the last axis (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, and none is smaller than those before it.
    It bounds the chance of any false claim in a family under every dependence.

    Args:
        p: P-values [..., tests].
        others: Further tests of each family that count in m with p = 1.

    Raises:
        ValueError: If a p-value is NaN or outside [0, 1], or `others` is negative.
    """
    raw = np.asarray(p, dtype=np.float64)
    if not ((raw >= 0) & (raw <= 1)).all() or others < 0:
        raise ValueError("p-values must lie within [0, 1], and no family has fewer than its tests")
    count = raw.shape[-1]
    rank = np.argsort(raw, axis=-1, kind="stable")
    steps = np.take_along_axis(raw, rank, -1) * (count + others - np.arange(count))
    adjusted = np.empty_like(raw)
    np.put_along_axis(adjusted, rank, np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), -1)
    return adjusted
