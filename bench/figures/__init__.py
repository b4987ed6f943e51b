"""Figures of a comparison: vector and pixel files, each with its caption and its data.

    written = figures.draw(comparison, frame, Path("figures"))

`drawings` gives them one by one with their matplotlib figure, for pages that show them inline.
matplotlib's state and the user's settings of it have no part in what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare.model import Comparison
from bench.figures import (
    adaptation,
    capacity,
    critical_difference,
    curve,
    forest,
    heatmap,
    pareto,
    profile,
    strips,
    sweep,
)
from bench.figures.drawing import Absent, Drawing
from bench.figures.writing import Written, write

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "Absent", "Drawing", "Written", "draw", "drawings", "write"]

_Draw = Callable[[Comparison, "pd.DataFrame"], Iterable[Drawing | Absent]]

_KINDS: tuple[tuple[str, _Draw, str], ...] = (
    (heatmap.KIND, lambda c, _: heatmap.drawings(c), ""),
    (critical_difference.KIND, lambda c, _: critical_difference.drawings(c), ""),
    (profile.KIND, lambda c, _: profile.drawings(c), ""),
    (forest.KIND, lambda c, _: forest.drawings(c), "no two memories with results to compare"),
    (strips.KIND, lambda c, _: strips.drawings(c), "no memories with two or more common seeds"),
    (capacity.KIND, capacity.drawings, "no task with a curve over the items stored"),
    (curve.KIND, curve.drawings, "no task with a curve over lags, positions or steps ahead"),
    (sweep.KIND, lambda c, _: sweep.drawings(c), "no task at three values of a parameter"),
    (adaptation.KIND, adaptation.drawings, "no stored series of losses"),
    (pareto.KIND, pareto.drawings, ""),
)
"""Each kind, how it is drawn, and why it is not where nothing comes of that."""

KINDS: tuple[str, ...] = tuple(kind for kind, _, _ in _KINDS)
"""What is tried for every run, in order."""


def drawings(comparison: Comparison, frame: pd.DataFrame) -> Iterator[Drawing | Absent]:
    """Every figure that a run gives reason to draw, and why the other kinds are absent.

    Args:
        comparison: What `bench.compare.compare` returned.
        frame: The frame it was made from: curves and costs are in it, and where series lie.

    Raises:
        MembError: If a stored series is damaged.
    """
    for kind, draw_all, reason in _KINDS:
        none = True
        for found in draw_all(comparison, frame):
            none = False
            yield found
        if none:
            yield Absent(kind, reason)


def draw(comparison: Comparison, frame: pd.DataFrame, directory: Path) -> list[Written | Absent]:
    """Write every figure as SVG, PNG and CSV.

    Args:
        comparison: What `bench.compare.compare` returned.
        frame: The frame it was made from.
        directory: Where; made if it is not there.

    Returns:
        What was written, and the kinds of which there is none, with the reason.

    Raises:
        MembError: If the folder cannot be written to, or a stored series is damaged.
    """
    return list(write(drawings(comparison, frame), directory))
