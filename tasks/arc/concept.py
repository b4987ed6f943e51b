"""Rules about colours and numbers."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
from numpy.random import Generator

from tasks.arc.family import Family, Parameters, of_mixed, of_objects, one_of
from tasks.arc.grids import COLOURS, Grid, Pair, objects
from tasks.arc.scenes import mixed_scene

GROUP = "concept"
TALLEST_BAR = 10
MOST_BARS = 5


def permute(grid: Grid, *colours: int) -> Grid:
    """The grid with colour c replaced by the c-th of the nine given."""
    return np.array((0, *colours), dtype=np.int8)[grid]


def swap(grid: Grid, first: int, second: int) -> Grid:
    """The grid with two colours exchanged."""
    exchanged = np.arange(COLOURS, dtype=np.int8)
    exchanged[[first, second]] = second, first
    return exchanged[grid]


def count(grid: Grid, axis: int, colour: int) -> Grid | None:
    """A row (axis 0) or column (1) of as many cells as there are objects of two cells or more."""
    n = sum(part.size > 1 for part in objects(grid))
    if n == 0:
        return None
    return np.full((n, 1) if axis else (1, n), colour, dtype=np.int8)


def majority(grid: Grid, side: int) -> Grid | None:
    """A square of the most frequent colour; None if two are equally frequent."""
    cells = np.bincount(grid.ravel(), minlength=COLOURS)
    cells[0] = 0
    most = cells.max()
    if most == 0 or (cells == most).sum() > 1:
        return None
    return np.full((side, side), cells.argmax(), dtype=np.int8)


def parity(grid: Grid, even: int, odd: int) -> Grid:
    """Objects coloured by whether their number of cells is even or odd."""
    painted = grid.copy()
    for part in objects(grid):
        painted[part.rows, part.columns] = odd if part.size % 2 else even
    return painted


def barchart(grid: Grid, axis: int) -> Grid | None:
    """Bars of up to ten cells, one per colour by decreasing cell count, equals by colour.

    At most five bars stand on a common ground; with axis 1 rows and columns are exchanged.
    """
    cells = np.bincount(grid.ravel(), minlength=COLOURS)[1:]
    order = np.argsort(-cells, kind="stable")[:MOST_BARS]
    order = order[cells[order] > 0]
    if not len(order):
        return None
    heights = np.minimum(TALLEST_BAR, cells[order])
    from_ground = np.arange(heights.max())[::-1, None]
    chart = np.where(from_ground < heights, order + 1, 0).astype(np.int8)
    return chart.T if axis else chart


def _swapped(rng: Generator, parameters: Parameters) -> Pair | None:
    """A mixed scene with both colours in it, and the same with the two exchanged."""
    given = mixed_scene(rng, parameters)
    both = all((given == colour).any() for colour in parameters)
    return (given, swap(given, *parameters)) if both else None


def _any_permutation(rng: Generator) -> Parameters:
    return tuple(int(colour) + 1 for colour in rng.permutation(9))


CHARTED = ("axis", "colour")
FAMILIES = (
    Family(
        "permute", GROUP, "colours 1 to 9 replaced by these", tuple(f"c{c}" for c in range(1, 10)),
        _any_permutation, of_mixed(permute),
    ),
    Family(
        "swap", GROUP, "two colours exchanged", ("first", "second"),
        one_of(*combinations(range(1, 10), 2)), _swapped,
    ),
    Family(
        "count", GROUP, "objects of two cells or more counted in a row (0) or column (1)", CHARTED,
        one_of(*product((0, 1), range(1, 10))), of_objects(count),
    ),
    Family(
        "majority", GROUP, "a square of the most frequent colour", ("side",),
        one_of((1,), (2,), (3,)), of_mixed(majority),
    ),
    Family(
        "parity", GROUP, "objects coloured by their number of cells, even or odd",
        ("even", "odd"), one_of(*permutations(range(1, 10), 2)), of_objects(parity),
    ),
    Family(
        "barchart", GROUP, "a bar per colour by decreasing cell count, upright (0) or lying (1)",
        ("axis",), one_of((0,), (1,)), of_objects(barchart),
    ),
)  # fmt: skip
"""Permutation and exchange of colours, counting, majority, parity, bar charts."""
