"""Series over a common axis, drawn with characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.samples.sample import MOST_COLUMNS

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

LINES = 9
"""Lines of a plot."""
LABEL_COLUMNS = 9
"""Columns for the largest and the smallest value, and a blank."""
FEWEST_COLUMNS = 8


@dataclass(frozen=True)
class Curve:
    """One series of a plot.

    Attributes:
        name: What it is.
        glyph: The character that its points are drawn with.
        start: Position of its first value on the common axis.
        values: One per position, finite.
    """

    name: str
    glyph: str
    start: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Plot:
    """Curves over one axis of positions, each with a character of its own.

    Attributes:
        title: What is plotted, with its unit.
        axis: What the positions are, a short word.
        curves: At least one; later ones cover earlier ones.
    """

    title: str
    axis: str
    curves: Sequence[Curve]

    def data(self) -> dict[str, Any]:
        """``{kind: plot, title, axis, curves: [{name, start, values}]}``."""
        curves = [
            {"name": curve.name, "start": curve.start, "values": list(curve.values)}
            for curve in self.curves
        ]
        return {"kind": "plot", "title": self.title, "axis": self.axis, "curves": curves}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Title, canvas with the range on its left, positions below, and what the glyphs mean."""
        from rich.text import Text

        width = min(options.max_width, MOST_COLUMNS) - LABEL_COLUMNS
        yield Text(self.title, style="italic")
        for line in self.lines(max(width, FEWEST_COLUMNS)):
            yield Text(line, no_wrap=True, overflow="crop")

    def lines(self, width: int) -> list[str]:
        """The drawing, its canvas at most so many columns wide."""
        first = min(curve.start for curve in self.curves)
        last = max(curve.start + len(curve.values) for curve in self.curves) - 1
        columns = min(width, last - first + 1)
        every = np.concatenate([curve.values for curve in self.curves])
        low, high = float(every.min()), float(every.max())
        canvas = np.full((LINES, columns), " ")
        for curve in self.curves:
            place, heights = _points(curve, first, last, columns, (low, high))
            canvas[heights, place] = curve.glyph
        labels = {0: f"{high:.3g}", LINES - 1: f"{low:.3g}"}
        drawn = [
            f"{labels.get(row, ''):>{LABEL_COLUMNS - 2}} |{''.join(canvas[row])}".rstrip()
            for row in range(LINES)
        ]
        ends = f"{first}{last:>{max(columns - len(str(first)), len(str(last)) + 1)}}"
        legend = "   ".join(f"{curve.glyph} {curve.name}" for curve in self.curves)
        below = f"{self.axis:>{LABEL_COLUMNS - 2}}  {ends}"
        return [*drawn, below, " " * LABEL_COLUMNS + legend]


def _points(
    curve: Curve, first: int, last: int, columns: int, span: tuple[float, float]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Columns that a curve is in, and its line in each: that of the mean of what falls there."""
    values = np.asarray(curve.values, dtype=float)
    at = (np.arange(len(values)) + curve.start - first) * columns // (last - first + 1)
    total = np.bincount(at, weights=values, minlength=columns)
    number = np.bincount(at, minlength=columns)
    place = np.flatnonzero(number)
    means = total[place] / number[place]
    low, high = span
    share = (means - low) / (high - low) if high > low else np.full(len(place), 0.5)
    return place, np.round((1 - share) * (LINES - 1)).astype(int)
