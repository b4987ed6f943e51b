"""What the inputs of episodes look like: scenes of objects, and textures.

Every kind of scene shows what any family may act on (single cells, aligned pairs of them, masked
textures), so that an input by itself says little about the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from tasks.arc.grids import Grid, regions

Mask = npt.NDArray[np.bool_]
Axis = Literal["vertical", "horizontal"]

SHAPES = (
    "rectangle", "rectangle", "hollow", "hollow", "ell", "plus", "row", "column", "blob",
)  # fmt: skip
"""Shapes as often as they are drawn."""
PLACEMENT_TRIES = 60
SINGLETON_TRIES = 20
OBJECT_SCENES = 0.70
PERIODIC_SCENES = 0.15
MASKED = 0.8
"""Share of the textures among mixed scenes that have a mask."""
BLOB_DENSITY = 0.6


def between(rng: Generator, low: int, high: int) -> int:
    """A uniform integer from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def shape(rng: Generator) -> Mask:
    """The cells of a random shape within its box."""
    kind = SHAPES[between(rng, 0, len(SHAPES) - 1)]
    if kind == "rectangle":
        return np.ones((between(rng, 2, 4), between(rng, 2, 4)), dtype=bool)
    if kind == "hollow":
        ring = np.ones((between(rng, 3, 5), between(rng, 3, 5)), dtype=bool)
        ring[1:-1, 1:-1] = False
        return ring
    if kind == "ell":
        side = between(rng, 2, 4)
        corner = np.zeros((side, side), dtype=bool)
        corner[:, 0] = corner[-1] = True
        return np.rot90(corner, between(rng, 0, 3))
    if kind == "plus":
        cross = np.zeros((3, 3), dtype=bool)
        cross[1] = cross[:, 1] = True
        return cross
    if kind == "blob":
        return _blob(rng)
    bar = np.ones((1, between(rng, 2, 5)), dtype=bool)
    return bar if kind == "row" else bar.T


def _blob(rng: Generator) -> Mask:
    """At least three 4-connected cells of a box of 3 x 3."""
    while True:
        drawn = rng.random((3, 3)) < BLOB_DENSITY
        if drawn.sum() >= 3 and regions(drawn)[1] == 1:
            return drawn


def palette(rng: Generator, least: int, most: int, holding: Sequence[int] = ()) -> list[int]:
    """`least` to `most` distinct colours of 1 to 9, those it must hold first."""
    n = between(rng, least, most)
    others = [c for c in (rng.permutation(9) + 1).tolist() if c not in holding]
    return [*holding, *others][: max(n, len(holding))]


def object_scene(rng: Generator, holding: Sequence[int] = ()) -> Grid:
    """Three to six shapes that do not touch, and single cells of one colour.

    Args:
        rng: Source of the draw.
        holding: Colours that the palette must have.
    """
    height, width = between(rng, 9, 15), between(rng, 9, 15)
    colours = palette(rng, 2, 5, holding)
    grid = np.zeros((height, width), dtype=np.int8)
    _place_shapes(rng, grid, colours)
    _place_singletons(rng, grid, colours[between(rng, 0, len(colours) - 1)])
    return grid


def _place_shapes(rng: Generator, grid: Grid, colours: Sequence[int]) -> None:
    """Put shapes whose boxes keep one cell apart; the first ones show every colour."""
    height, width = grid.shape
    wanted, placed = between(rng, 3, 6), 0
    # one cell wider on each side, so that the margin of a box may be set at the edges too
    taken = np.zeros((height + 2, width + 2), dtype=bool)
    for _ in range(PLACEMENT_TRIES):
        cells = shape(rng)
        h, w = cells.shape
        top, left = between(rng, 0, height - h), between(rng, 0, width - w)
        if taken[top + 1 : top + h + 1, left + 1 : left + w + 1].any():
            continue
        taken[top : top + h + 2, left : left + w + 2] = True
        new = placed < len(colours)
        colour = colours[placed if new else between(rng, 0, len(colours) - 1)]
        grid[top : top + h, left : left + w][cells] = colour
        placed += 1
        if placed == wanted:
            return


def _place_singletons(rng: Generator, grid: Grid, colour: int) -> None:
    """Put up to three groups of one cell, or of two in line with nothing between them."""
    height, width = grid.shape
    padded = np.zeros((height + 2, width + 2), dtype=bool)
    padded[1:-1, 1:-1] = grid != 0
    for _ in range(between(rng, 0, 3)):
        alone = rng.random() < 0.5
        for _ in range(SINGLETON_TRIES):
            top, left = between(rng, 0, height - 1), between(rng, 0, width - 1)
            bottom, right = top, left
            if not alone:
                distance = between(rng, 3, 7)
                if rng.random() < 0.5:
                    right += distance
                else:
                    bottom += distance
            if bottom >= height or right >= width:
                continue
            ends = ((top, left), (bottom, right))
            if grid[top : bottom + 1, left : right + 1].any() or any(
                padded[r : r + 3, c : c + 3].any() for r, c in ends
            ):
                continue
            for r, c in ends:
                grid[r, c] = colour
                padded[r + 1, c + 1] = True
            break


def periodic_texture(
    rng: Generator, holding: Sequence[int] = ()
) -> tuple[Grid, npt.NDArray[np.intp]]:
    """A tile of 2 to 4 cells a side, repeated; and which cell of the tile each cell repeats."""
    height, width = between(rng, 9, 15), between(rng, 9, 15)
    colours = np.array(palette(rng, 3, 5, holding), dtype=np.int8)
    a, b = between(rng, 2, 4), between(rng, 2, 4)
    tile = colours[rng.integers(0, len(colours), size=a * b)]
    of_tile = (np.arange(height) % a)[:, None] * b + np.arange(width) % b
    return tile[of_tile], of_tile


def symmetric_texture(rng: Generator, holding: Sequence[int] = ()) -> tuple[Grid, Axis]:
    """Random cells mirrored about a mid-axis, and that axis: ``vertical`` maps left to right."""
    height, width = between(rng, 9, 15), between(rng, 9, 15)
    colours = np.array(palette(rng, 3, 5, holding), dtype=np.int8)
    grid = colours[rng.integers(0, len(colours), size=(height, width))]
    axis: Axis = "vertical" if rng.random() < 0.5 else "horizontal"
    if axis == "vertical":
        grid[:, (width + 1) // 2 :] = grid[:, : width // 2][:, ::-1]
    else:
        grid[(height + 1) // 2 :] = grid[: height // 2][::-1]
    return grid, axis


def mask(rng: Generator, grid: Grid) -> Mask:
    """A rectangle of 2 to 4 cells a side, somewhere in the grid."""
    h, w = between(rng, 2, 4), between(rng, 2, 4)
    top, left = between(rng, 0, grid.shape[0] - h), between(rng, 0, grid.shape[1] - w)
    hidden = np.zeros(grid.shape, dtype=bool)
    hidden[top : top + h, left : left + w] = True
    return hidden


def masked(grid: Grid, hidden: Mask) -> Grid:
    """The grid with background where it is hidden."""
    return np.where(hidden, np.int8(0), grid)


def mixed_scene(rng: Generator, holding: Sequence[int] = ()) -> Grid:
    """Objects, or a periodic or symmetric texture that mostly has a mask."""
    drawn = rng.random()
    if drawn < OBJECT_SCENES:
        return object_scene(rng, holding)
    if drawn < OBJECT_SCENES + PERIODIC_SCENES:
        texture = periodic_texture(rng, holding)[0]
    else:
        texture = symmetric_texture(rng, holding)[0]
    return masked(texture, mask(rng, texture)) if rng.random() < MASKED else texture
