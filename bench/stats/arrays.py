"""Array types and input checks shared by the statistics."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


def sample(values: ArrayLike, *, least: int = 1) -> FloatArray:
    """The values as a finite float64 vector.

    Raises:
        ValueError: If there are fewer than `least` values, or one is NaN or infinite: a failed
            seed is the caller's to report, never left out here.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < least:
        raise ValueError(f"expected a vector of at least {least} values, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("values must be finite")
    return x


def cells(differences: ArrayLike) -> FloatArray:
    """The differences as finite float64 [cells, n]; one vector becomes one cell.

    Raises:
        ValueError: If there are no seeds, or a value is NaN or infinite.
    """
    d = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    if d.ndim != 2 or d.shape[1] == 0:
        raise ValueError(f"expected differences [cells, n] with n >= 1, got shape {d.shape}")
    if not np.isfinite(d).all():
        raise ValueError("differences must be finite")
    return d
