"""Axes: logarithmic where values span more than a factor of ten, and said in plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)
from numpy.typing import ArrayLike

WIDE = 10.0
"""Ratio of the largest to the smallest value beyond which an axis is logarithmic."""
MOST_TICKS = 12


def spans_decades(values: ArrayLike) -> bool:
    """Whether positive values differ by more than a factor of ten; false if one is not positive."""
    found = np.asarray(values, dtype=np.float64).ravel()
    found = found[np.isfinite(found)]
    return bool(found.size and found.min() > 0 and found.max() > WIDE * found.min())


def powers_of_two(axes: Axes, values: Sequence[float]) -> None:
    """A base-2 x axis with ticks at the values themselves; zero stands left of one."""
    places = sorted(set(values))
    if places[0] > 0:
        axes.set_xscale("log", base=2)
    else:
        axes.set_xscale("symlog", base=2, linthresh=1, linscale=1)
    step = -(-len(places) // MOST_TICKS)
    axes.xaxis.set_major_locator(FixedLocator(places[::step]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def whole_numbers(axes: Axes, values: Sequence[float]) -> None:
    """No ticks between whole numbers on an x axis that has only those."""
    if all(value == int(value) for value in values):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """A base-10 axis whose ticks are plain numbers, at 1, 2 and 5 where decades are few."""
    scale = axes.set_xscale if which == "x" else axes.set_yscale
    scale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    few = high < 20 * low
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_formatter(NullFormatter())


def plain_number(value: float) -> str:
    """A tick: 1,000 and 0.01 as they are, beyond that in powers of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.10g}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
