"""Names beside points, placed so that they cover neither each other nor a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from bench.figures.drawing import measuring
from bench.figures.style import INK, SOFT

DIRECTIONS = ((1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (-1, 0), (0, 1), (0, -1))
DISTANCES = (6.0, 10.0, 16.0, 24.0, 34.0, 46.0)
"""Points from a mark to its name that are tried in turn; a far name has a line to its mark."""
JOINED = 12.0
ALIGN: dict[int, Literal["left", "center", "right"]] = {-1: "right", 0: "center", 1: "left"}
UPRIGHT: dict[int, Literal["top", "center", "bottom"]] = {-1: "top", 0: "center", 1: "bottom"}

Named = tuple[float, float, str, bool]
"""Coordinates, the name, and whether it is set in bold."""


def annotate(
    axes: Axes,
    names: Sequence[Named],
    points: Sequence[tuple[float, float]],
    corners: Sequence[tuple[float, float]] = (),
) -> None:
    """Write names beside their points, the first ones first; one that finds no room is left out.

    Args:
        axes: With its final limits.
        names: What is written.
        points: All marks that a name may not cover.
        corners: Of a line of horizontal and vertical pieces, which names keep clear of too.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise TypeError("the axes belong to no figure")
    renderer = measuring(figure)
    marks = axes.transData.transform(np.asarray(points, dtype=np.float64))
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in marks]
    bends = [tuple(axes.transData.transform(corner)) for corner in corners]
    taken += [Bbox([start, end]).padded(1.0) for start, end in pairwise(bends)]
    frame = axes.get_window_extent(renderer)
    for name in names:
        for distance, (dx, dy) in product(DISTANCES, DIRECTIONS):
            text = _text(axes, name, dx, dy, distance)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line to its mark
            if _free(box, taken, frame):
                taken.append(box)
                break
            text.remove()


def _text(axes: Axes, named: Named, dx: int, dy: int, distance: float) -> Annotation:
    x, y, name, bold = named
    length = math.hypot(dx, dy)
    line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    return axes.annotate(
        name, (x, y), xytext=(distance * dx / length, distance * dy / length),
        textcoords="offset points", ha=ALIGN[dx], va=UPRIGHT[dy], fontsize=7.5, color=INK,
        fontweight="bold" if bold else "normal", zorder=6,
        arrowprops=line if distance > JOINED else None,
    )  # fmt: skip


def _free(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> bool:
    inside = box.x0 >= frame.x0 and box.y0 >= frame.y0 and box.x1 <= frame.x1 and box.y1 <= frame.y1
    return inside and not any(box.overlaps(other) for other in taken)
