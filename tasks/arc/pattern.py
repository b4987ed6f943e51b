"""Rules that restore, clean or continue what a grid shows."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.arc.family import Family, Parameters, of_objects, one_of
from tasks.arc.grids import Grid, Pair, objects, regions
from tasks.arc.scenes import mask, masked, periodic_texture, symmetric_texture

GROUP = "pattern"
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Steps (down, right) of the directions 0 up, 1 down, 2 left, 3 right."""
COLOUR_CHOICES = tuple((colour,) for colour in range(1, 10))


def denoise(grid: Grid, most: int) -> Grid | None:
    """The grid without objects of at most so many cells; None if no cell stands alone."""
    found = objects(grid)
    if not any(part.size == 1 for part in found):
        return None
    clean = grid.copy()
    for part in found:
        if part.size <= most:
            clean[part.rows, part.columns] = 0
    return clean


def extend(grid: Grid, direction: int) -> Grid:
    """Every single cell's colour painted on in a direction, up to the border or another colour."""
    down, right = DIRECTIONS[direction]
    painted = grid.copy()
    for part in objects(grid):
        if part.size > 1:
            continue
        row, column = int(part.rows[0]) + down, int(part.columns[0]) + right
        while 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1] and not grid[row, column]:
            painted[row, column] = part.colour
            row, column = row + down, column + right
    return painted


def fill(grid: Grid, colour: int) -> Grid:
    """Background that no 4-connected path of background joins to the border, coloured."""
    labels, count = regions(grid == 0)
    outside = np.zeros(count + 1, dtype=bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        outside[edge] = True
    return np.where((labels > 0) & ~outside[labels], np.int8(colour), grid)


def hollow(grid: Grid) -> Grid:
    """Objects without the cells whose neighbourhood of 3 x 3 lies in the object."""
    height, width = grid.shape
    around = np.zeros((height + 2, width + 2), dtype=grid.dtype)
    around[1:-1, 1:-1] = grid
    inner = grid != 0
    # eight neighbours of one colour are of one object: the four at the sides join them
    for down in range(3):
        for right in range(3):
            inner &= around[down : down + height, right : right + width] == grid
    return masked(grid, inner)


def _complete_symmetry(rng: Generator, _: Parameters) -> Pair | None:
    """A mirrored texture with a part hidden, all of which shows on the other side."""
    whole, axis = symmetric_texture(rng)
    hidden = mask(rng, whole)
    mirrored = np.flip(hidden, 1 if axis == "vertical" else 0)
    return None if (hidden & mirrored).any() else (masked(whole, hidden), whole)


def _complete_tiles(rng: Generator, _: Parameters) -> Pair | None:
    """A repeated tile with a part hidden, every cell of which shows in another repetition."""
    whole, of_tile = periodic_texture(rng)
    hidden = mask(rng, whole)
    shown = np.bincount(of_tile[~hidden], minlength=int(of_tile.max()) + 1) > 0
    return (masked(whole, hidden), whole) if shown[of_tile[hidden]].all() else None


FAMILIES = (
    Family(
        "sym-complete", GROUP, "the hidden part of a mirrored texture restored", (),
        one_of(()), _complete_symmetry,
    ),
    Family(
        "tile-complete", GROUP, "the hidden part of a repeated tile restored", (),
        one_of(()), _complete_tiles,
    ),
    Family(
        "denoise", GROUP, "objects of at most so many cells erased", ("most",),
        one_of((1,), (2,)), of_objects(denoise),
    ),
    Family(
        "extend", GROUP, "single cells drawn out up (0), down (1), left (2) or right (3)",
        ("direction",), one_of((0,), (1,), (2,), (3,)), of_objects(extend),
    ),
    Family(
        "fill", GROUP, "enclosed background coloured", ("colour",),
        one_of(*COLOUR_CHOICES), of_objects(fill),
    ),
    Family("hollow", GROUP, "objects without their inner cells", (), one_of(()),
           of_objects(hollow)),
)  # fmt: skip
"""Completion of symmetries and tiles, denoising, extension, filling, hollowing."""
