"""A series of numbers as one line of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLOCKS = "▁▂▃▄▅▆▇█"
DIGITS = "01234567"


def condensed(values: Sequence[float], columns: int) -> list[float]:
    """The values themselves, or means of equal shares of them where they are too many."""
    if len(values) <= columns:
        return [float(value) for value in values]
    return [float(np.mean(share)) for share in np.array_split(np.asarray(values, float), columns)]


def sparkline(values: Sequence[float], columns: int, *, ascii_only: bool = False) -> str:
    """One character per value, higher where it is larger; the middle one where all are equal.

    Args:
        values: Finite numbers.
        columns: Characters at most; more values are averaged.
        ascii_only: Use the digits 0 to 7.
    """
    levels = DIGITS if ascii_only else BLOCKS
    means = condensed(values, columns)
    if not means:
        return ""
    low, high = min(means), max(means)
    if low == high:
        return levels[len(levels) // 2] * len(means)
    top = len(levels) - 1
    return "".join(levels[round((value - low) / (high - low) * top)] for value in means)
