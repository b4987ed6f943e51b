"""Rules that move or repeat the whole grid, whatever it shows."""

from __future__ import annotations

from itertools import product

import numpy as np

from tasks.arc.family import Family, of_mixed, one_of
from tasks.arc.grids import Grid

GROUP = "compositional"


def rotate(grid: Grid, turns: int) -> Grid:
    """The grid turned by some quarters, counter-clockwise."""
    return np.rot90(grid, turns)


def reflect(grid: Grid, axis: int) -> Grid:
    """The grid flipped up-down (0), left-right (1), about its diagonal (2), its other one (3)."""
    if axis == 0:
        return grid[::-1]
    if axis == 1:
        return grid[:, ::-1]
    return grid.T if axis == 2 else grid[::-1, ::-1].T


def shift(grid: Grid, down: int, right: int) -> Grid:
    """The grid moved, what leaves it on one side entering on the other."""
    return np.roll(grid, (down, right), axis=(0, 1))


def upscale(grid: Grid, tall: int, wide: int) -> Grid:
    """The grid with every cell grown to a block of `tall` x `wide`."""
    return grid.repeat(tall, axis=0).repeat(wide, axis=1)


def concat(grid: Grid, axis: int, mirror: int) -> Grid:
    """The grid and beside it (axis 1) or below it (0) itself, mirrored along the axis or not."""
    return np.concatenate([grid, np.flip(grid, axis) if mirror else grid], axis=axis)


def compose(grid: Grid, axis: int, down: int, right: int) -> Grid:
    """The grid reflected, then moved."""
    return shift(reflect(grid, axis), down, right)


SHIFTS = [step for step in product(range(-3, 4), repeat=2) if step != (0, 0)]

FAMILIES = (
    Family(
        "rotate", GROUP, "the grid turned counter-clockwise by so many quarters", ("turns",),
        one_of((1,), (2,), (3,)), of_mixed(rotate),
    ),
    Family(
        "reflect", GROUP,
        "the grid flipped: up-down (0), left-right (1), about its diagonal (2), its other one (3)",
        ("axis",), one_of((0,), (1,), (2,), (3,)), of_mixed(reflect),
    ),
    Family(
        "shift", GROUP, "the grid moved, round its edges", ("down", "right"),
        one_of(*SHIFTS), of_mixed(shift),
    ),
    Family(
        "upscale", GROUP, "every cell grown to a block", ("tall", "wide"),
        one_of((1, 2), (2, 1), (2, 2)), of_mixed(upscale),
    ),
    Family(
        "concat", GROUP, "the grid twice, below (axis 0) or beside itself (1), mirrored or not",
        ("axis", "mirror"), one_of(*product((0, 1), repeat=2)), of_mixed(concat),
    ),
    Family(
        "compose", GROUP, "the grid flipped (axis as in reflect), then moved round its edges",
        ("axis", "down", "right"), one_of(*product(range(4), range(1, 4), range(1, 4))),
        of_mixed(compose),
    ),
)  # fmt: skip
"""Rotations, reflections, shifts, scalings, concatenations, and one followed by another."""
