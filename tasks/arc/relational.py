"""Rules about objects: where they stand, how large they are, which of them are in line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np

from tasks.arc.family import Family, of_objects, one_of
from tasks.arc.grids import Grid, GridObject, objects
from tasks.arc.pattern import COLOUR_CHOICES, DIRECTIONS

GROUP = "relational"


def gravity(grid: Grid, direction: int) -> Grid | None:
    """Objects moved as far as they go, those nearest to that border first.

    An object stops at the border and at objects that were moved before it. None where one of
    these has come to stand on it, as a ring may on a cell that it enclosed.
    """
    step = np.array(DIRECTIONS[direction])
    moved = np.zeros_like(grid)
    for part in sorted(objects(grid), key=lambda part: _distance(part, direction, grid)):
        cells = np.stack([part.rows, part.columns])
        if moved[cells[0], cells[1]].any():
            return None
        for _ in range(_distance(part, direction, grid)):
            ahead = cells + step[:, None]
            if moved[ahead[0], ahead[1]].any():
                break
            cells = ahead
        moved[cells[0], cells[1]] = part.colour
    return moved


def _distance(part: GridObject, direction: int, grid: Grid) -> int:
    """Steps from an object to the border in a direction."""
    to_border = (
        part.rows.min(),
        grid.shape[0] - 1 - part.rows.max(),
        part.columns.min(),
        grid.shape[1] - 1 - part.columns.max(),
    )
    return int(to_border[direction])


EXTREMES: tuple[Callable[[GridObject], int], ...] = (
    lambda part: -part.size,
    lambda part: part.size,
    lambda part: int(part.rows.min()),
    lambda part: int(part.columns.min()),
)
"""What is smallest for the largest (0), smallest (1), topmost (2) and leftmost (3) object."""


def extremal(grid: Grid, which: int) -> GridObject | None:
    """The extremal object of two cells or more; None if it has no rival or an equal."""
    rivals = [part for part in objects(grid) if part.size > 1]
    if len(rivals) < 2:
        return None
    ranks = [EXTREMES[which](part) for part in rivals]
    best = min(ranks)
    return rivals[ranks.index(best)] if ranks.count(best) == 1 else None


def keep(grid: Grid, which: int) -> Grid | None:
    """The extremal object alone."""
    part = extremal(grid, which)
    if part is None:
        return None
    alone = np.zeros_like(grid)
    alone[part.rows, part.columns] = part.colour
    return alone


def recolour_extremal(grid: Grid, which: int, colour: int) -> Grid | None:
    """The grid with its extremal object in another colour."""
    part = extremal(grid, which)
    if part is None:
        return None
    painted = grid.copy()
    painted[part.rows, part.columns] = colour
    return painted


def crop(grid: Grid, which: int) -> Grid | None:
    """The bounding box of the extremal object, cut from the grid."""
    part = extremal(grid, which)
    return None if part is None else grid[part.box].copy()


def border(grid: Grid, colour: int) -> Grid:
    """Objects that touch the edge of the grid in another colour."""
    painted = grid.copy()
    for part in objects(grid):
        if min(_distance(part, direction, grid) for direction in range(4)) == 0:
            painted[part.rows, part.columns] = colour
    return painted


def connect(grid: Grid, colour: int) -> Grid:
    """Neighbours among single cells of one colour in a row or column, joined across background."""
    joined = grid.copy()
    single = np.zeros(grid.shape, dtype=bool)
    for part in objects(grid):
        if part.size == 1:
            single[part.rows, part.columns] = True
    # views: what is painted on the second is painted on the grid, transposed
    for cells, alone, painted in ((grid, single, joined), (grid.T, single.T, joined.T)):
        for row in np.flatnonzero(alone.sum(1) > 1):
            filled = np.flatnonzero(cells[row])
            for left, right in pairwise(filled):
                same = cells[row, left] == cells[row, right]
                if same and alone[row, left] and alone[row, right]:
                    painted[row, left + 1 : right] = colour
    return joined


WHICH = tuple((which,) for which in range(4))

FAMILIES = (
    Family(
        "gravity", GROUP, "objects fallen up (0), down (1), left (2) or right (3)",
        ("direction",), one_of((0,), (1,), (2,), (3,)), of_objects(gravity),
    ),
    Family(
        "keep", GROUP, "only the largest (0), smallest (1), topmost (2) or leftmost (3) object",
        ("which",), one_of(*WHICH), of_objects(keep),
    ),
    Family(
        "border", GROUP, "objects at the edge coloured", ("colour",),
        one_of(*COLOUR_CHOICES), of_objects(border),
    ),
    Family(
        "recolor-ext", GROUP,
        "the largest (0), smallest (1), topmost (2) or leftmost (3) object coloured",
        ("which", "colour"), one_of(*product(range(4), range(1, 10))),
        of_objects(recolour_extremal),
    ),
    Family(
        "connect", GROUP, "single cells in line joined", ("colour",),
        one_of(*COLOUR_CHOICES), of_objects(connect),
    ),
    Family(
        "crop", GROUP,
        "the largest (0), smallest (1), topmost (2) or leftmost (3) object cut out",
        ("which",), one_of(*WHICH), of_objects(crop),
    ),
)  # fmt: skip
"""Gravity, selection and recolouring of an extremal object, edges, connection."""
