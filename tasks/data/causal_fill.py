"""Filling gaps from the past alone: an interpolated value would carry the future into a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.data.errors import DataProblem

Array = NDArray[np.float64]


def forward_fill(values: Array, columns: Sequence[str], place: str = "") -> Array:
    """`values` [T, C] with each NaN replaced by the latest earlier value of its channel.

    Raises:
        DataProblem: If a channel starts with NaN: there is no earlier value.
    """
    missing = np.isnan(values)
    if missing[0].any():
        column = int(np.argmax(missing[0]))
        known = np.flatnonzero(~missing[:, column])
        lead = int(known[0]) if len(known) else len(values)
        raise DataProblem(
            f"column '{columns[column]}' starts with {lead} missing values, "
            "and a causal fill has nothing before them to repeat",
            place,
            f"drop the first {lead} rows, or the column",
        )
    rows = np.arange(len(values))[:, None]
    latest = np.maximum.accumulate(np.where(missing, 0, rows), axis=0)
    return np.take_along_axis(values, latest, axis=0)
