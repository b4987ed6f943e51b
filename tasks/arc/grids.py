"""Grids of colours, and the objects in them.

A grid is a matrix of colours 0 to 9 with sides from 1 to 30; 0 is the background. An object is a
maximal 4-connected set of cells of one colour other than 0 (Chollet 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Grid: TypeAlias = npt.NDArray[np.int8]
"""Colours [h, w]."""
Pair: TypeAlias = tuple[Grid, Grid]
"""A demonstration: what is given, and what the rule makes of it."""
Labels: TypeAlias = npt.NDArray[np.signedinteger]

COLOURS = 10
LARGEST_SIDE = 30
IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
"""Which neighbours of a cell of a stack of grids belong to its object: the four in its plane."""
IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class GridObject:
    """An object of a grid.

    Attributes:
        colour: Its colour, 1 to 9.
        rows: Row of each cell, in row-major order.
        columns: Column of each cell.
    """

    colour: int
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]

    @property
    def size(self) -> int:
        """Its number of cells."""
        return len(self.rows)

    @property
    def box(self) -> tuple[slice, slice]:
        """The rows and the columns of its bounding box."""
        return (
            slice(int(self.rows.min()), int(self.rows.max()) + 1),
            slice(int(self.columns.min()), int(self.columns.max()) + 1),
        )


def object_labels(grids: npt.NDArray[np.integer]) -> tuple[Labels, int]:
    """Which object each cell of some grids of one shape belongs to.

    Cells and the borders between them are laid out as one finer grid, where a border is set if the
    cells on its sides have one colour: its 4-connected parts are the objects of all colours.

    Args:
        grids: Colours [n, h, w].

    Returns:
        Numbers [n, h, w] of the objects, from 1 in order of their first cell, 0 on the
        background; and how many objects there are.
    """
    n, h, w = grids.shape
    fine = np.zeros((n, 2 * h - 1, 2 * w - 1), dtype=bool)
    coloured = grids != 0
    fine[:, ::2, ::2] = coloured
    fine[:, 1::2, ::2] = coloured[:, 1:] & (grids[:, 1:] == grids[:, :-1])
    fine[:, ::2, 1::2] = coloured[:, :, 1:] & (grids[:, :, 1:] == grids[:, :, :-1])
    labels, count = ndimage.label(fine, structure=IN_PLANE)
    return labels[:, ::2, ::2], int(count)


def objects(grid: Grid) -> list[GridObject]:
    """The objects of a grid, in row-major order of their first cells."""
    labels, count = object_labels(grid[None])
    flat = labels[0].ravel()
    cells = np.argsort(flat, kind="stable")
    ends = np.cumsum(np.bincount(flat, minlength=count + 1))
    width = grid.shape[1]
    found = []
    for start, end in pairwise(ends):
        rows, columns = np.divmod(cells[start:end], width)
        found.append(GridObject(int(grid[rows[0], columns[0]]), rows, columns))
    return found


def regions(mask: npt.NDArray[np.bool_]) -> tuple[Labels, int]:
    """The 4-connected parts of a mask [h, w], numbered from 1, and how many they are."""
    labels, count = ndimage.label(mask)
    return labels, int(count)
