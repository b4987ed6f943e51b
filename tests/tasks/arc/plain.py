"""Objects and features written out cell by cell, to hold the fast ones against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st

Cells = list[tuple[int, int]]

# few colours, small sides: objects of all sizes, equal shapes, empty grids are all frequent
SIDES = st.integers(1, 7)


@st.composite
def grids(draw: Any, sides: tuple[int, int] | None = None, colours: int = 4) -> np.ndarray:
    """A grid of colours 0 to `colours` - 1."""
    height, width = sides or (draw(SIDES), draw(SIDES))
    cells = draw(
        st.lists(st.integers(0, colours - 1), min_size=height * width, max_size=height * width)
    )
    return np.array(cells, dtype=np.int8).reshape(height, width)


@st.composite
def pairs(draw: Any, colours: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Two grids, of one shape half of the time."""
    given = draw(grids(colours=colours))
    same = draw(st.booleans())
    return given, draw(grids(sides=given.shape if same else None, colours=colours))


def parts(
    grid: np.ndarray, belongs: Callable[[int], bool], alike: Callable[[int, int], bool]
) -> list[Cells]:
    """4-connected parts by flood fill, in row-major order of their first cells."""
    height, width = grid.shape
    seen: set[tuple[int, int]] = set()
    found = []
    for row in range(height):
        for column in range(width):
            if (row, column) in seen or not belongs(grid[row, column]):
                continue
            part, waiting = [], [(row, column)]
            seen.add((row, column))
            while waiting:
                r, c = waiting.pop()
                part.append((r, c))
                for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                    inside = 0 <= near[0] < height and 0 <= near[1] < width
                    if inside and near not in seen and alike(grid[r, c], grid[near]):
                        seen.add(near)
                        waiting.append(near)
            found.append(sorted(part))
    return found


def object_cells(grid: np.ndarray) -> list[Cells]:
    """The objects of a grid."""
    return parts(grid, lambda colour: colour != 0, lambda a, b: bool(a == b))


def features(given: np.ndarray, made: np.ndarray) -> list[float]:
    """The 60 features of a pair."""
    (h, w), (high, wide) = given.shape, made.shape
    p = [float((given == colour).sum()) / given.size for colour in range(10)]
    q = [float((made == colour).sum()) / made.size for colour in range(10)]
    shape = [
        math.log2(high / h), math.log2(wide / w), (high, wide) == (h, w), (high, wide) == (w, h),
        math.log2(high * wide / (h * w)) / 2, min(high, wide) == 1,
    ]  # fmt: skip
    colour = [
        sum(x > 0 for x in p) / 10, sum(x > 0 for x in q) / 10,
        sum(y > 0 and x == 0 for x, y in zip(p, q, strict=True)) / 5,
        sum(x > 0 and y == 0 for x, y in zip(p, q, strict=True)) / 5,
        sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2,
        sum(abs(x - y) for x, y in zip(sorted(p), sorted(q), strict=True)) / 2,
        p[0], q[0], entropy(p), entropy(q),
    ]  # fmt: skip
    n_given, n_made = len(object_cells(given)), len(object_cells(made))
    objects = [*sizes(given), *sizes(made), math.tanh((n_made - n_given) / 3)]
    centroids = [b - a for a, b in zip(centroid(given), centroid(made), strict=True)]
    turned = [np.rot90(given, turns) for turns in range(4)]
    images = [*turned[1:], *(np.fliplr(image) for image in turned)]
    return [
        *map(float, shape), *colour, *symmetries(given), *symmetries(made), *objects,
        *difference(given, made), *(y - x for x, y in zip(p, q, strict=True)), *centroids,
        *(equal(made, image) for image in images),
    ]  # fmt: skip


def entropy(p: Iterable[float]) -> float:
    return -sum(x * math.log(x) for x in p if x > 0) / math.log(10)


def equal(grid: np.ndarray, image: np.ndarray) -> float:
    return float((grid == image).mean()) if grid.shape == image.shape else 0.0


def symmetries(grid: np.ndarray) -> list[float]:
    images = np.flipud(grid), np.fliplr(grid), np.rot90(grid, 2), grid.T
    return [equal(grid, image) for image in images]


def sizes(grid: np.ndarray) -> list[float]:
    found = [len(part) for part in object_cells(grid)]
    n = len(found)
    if not n:
        return [0.0, 0.0, 0.0, 0.0]
    return [
        math.log(1 + n) / 3, math.log(1 + sum(found) / n) / 3, max(found) / grid.size,
        Counter(found)[1] / n,
    ]  # fmt: skip


def difference(given: np.ndarray, made: np.ndarray) -> list[float]:
    if given.shape != made.shape:
        return [0.0] * 8
    changed = given != made
    n = max(int(changed.sum()), 1)
    rows, columns = np.nonzero(changed)
    box = 0 if not len(rows) else (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    pieces = parts(changed, bool, lambda a, b: bool(a and b))
    return [
        float(changed.mean()),
        float((given[changed] == 0).sum()) / n,
        float((made[changed] == 0).sum()) / n,
        float(((given != 0) & (made != 0))[changed].sum()) / n,
        float(box) / given.size,
        math.log(1 + len(pieces)) / 3,
        len(set(made[changed].tolist())) / 5,
        len(set(given[changed].tolist())) / 5,
    ]


def centroid(grid: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(grid)
    if not len(rows):
        return 0.5, 0.5
    height, width = grid.shape
    return rows.mean() / max(height - 1, 1), columns.mean() / max(width - 1, 1)
