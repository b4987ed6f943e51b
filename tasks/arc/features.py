"""What a pair of grids looks like: 60 numbers that need no learning.

Pairs of the same shapes are measured together. All counts are integers until the last division,
so that a pair's numbers do not depend on which others it is measured with.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.arc.grids import COLOURS, Pair, object_labels

FeatureSet: TypeAlias = Literal["basic", "full"]
Floats: TypeAlias = npt.NDArray[np.float64]
Grids: TypeAlias = npt.NDArray[np.int8]
"""Colours [n, h, w] of grids of one shape."""

BLOCKS: dict[str, int] = {
    "shape": 6, "colour": 10, "symmetry": 8, "objects": 9, "difference": 8,
    "dcolour": 10, "dcentroid": 2, "align": 7,
}  # fmt: skip
"""Entries of each block, in order."""
BASIC_BLOCKS = ("shape", "colour", "symmetry", "objects", "difference")


def block(name: str) -> slice:
    """Where a block's entries stand among the 60."""
    names = list(BLOCKS)
    start = sum(BLOCKS[earlier] for earlier in names[: names.index(name)])
    return slice(start, start + BLOCKS[name])


WIDTHS: dict[FeatureSet, int] = {
    "basic": sum(BLOCKS[name] for name in BASIC_BLOCKS),
    "full": sum(BLOCKS.values()),
}
"""Entries of the first five blocks, and of all."""
OF_INPUT: tuple[int, ...] = (
    *(block("colour").start + entry for entry in (0, 6, 8)),
    *range(block("symmetry").start, block("symmetry").start + 4),
    *range(block("objects").start, block("objects").start + 4),
)
"""Entries that tell of the input alone: colours, background, entropy, symmetries, objects."""


def features(pairs: Sequence[Pair]) -> npt.NDArray[np.float32]:
    """The 60 numbers of each pair, float32 [n, 60].

    In blocks: shapes; colours and their histograms; symmetries of both grids; objects of both;
    where they differ; change of the histogram; change of the centroid; agreement with each turned
    or flipped image of the input.

    Args:
        pairs: Input and output; colours 0 to 9, any sides.
    """
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, (given, made) in enumerate(pairs):
        alike[(*given.shape, *made.shape)].append(index)
    found = np.empty((len(pairs), WIDTHS["full"]), dtype=np.float32)
    for members in alike.values():
        given = np.stack([pairs[index][0] for index in members])
        made = np.stack([pairs[index][1] for index in members])
        found[members] = np.concatenate([measure(given, made) for measure in MEASURES], axis=1)
    return found


def histogram(grids: Grids) -> Floats:
    """Share of the cells of each colour, [n, 10]."""
    n, h, w = grids.shape
    shifted = grids.reshape(n, -1) + COLOURS * np.arange(n)[:, None]
    counts = np.bincount(shifted.ravel(), minlength=n * COLOURS)
    share: Floats = counts.reshape(n, COLOURS) / (h * w)
    return share


def _rows(n: int, entries: Sequence[float | Floats]) -> Floats:
    """Entries that hold for all grids or for each, as rows [n, entries]."""
    return np.stack([np.broadcast_to(np.asarray(entry, float), n) for entry in entries], axis=1)


def _shape(given: Grids, made: Grids) -> Floats:
    (n, h, w), (_, high, wide) = given.shape, made.shape
    tall, broad = math.log2(high / h), math.log2(wide / w)
    same, turned = (high, wide) == (h, w), (high, wide) == (w, h)
    return _rows(n, [tall, broad, same, turned, (tall + broad) / 2, min(high, wide) == 1])


def _colour(given: Grids, made: Grids) -> Floats:
    p, q = histogram(given), histogram(made)
    entries = [
        (p > 0).sum(1) / 10,
        (q > 0).sum(1) / 10,
        ((q > 0) & (p == 0)).sum(1) / 5,
        ((p > 0) & (q == 0)).sum(1) / 5,
        np.abs(p - q).sum(1) / 2,
        np.abs(np.sort(p) - np.sort(q)).sum(1) / 2,
        p[:, 0],
        q[:, 0],
        _entropy(p),
        _entropy(q),
    ]
    return np.stack(entries, axis=1)


def _entropy(p: Floats) -> Floats:
    """Entropy of each row, 1 where all ten colours are equally frequent."""
    share: Floats = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / math.log(COLOURS)
    return share


def _symmetry(given: Grids, made: Grids) -> Floats:
    return np.concatenate([_symmetries(given), _symmetries(made)], axis=1)


def _symmetries(grids: Grids) -> Floats:
    images = [grids[:, ::-1], grids[:, :, ::-1], grids[:, ::-1, ::-1], grids.swapaxes(1, 2)]
    return _agreement(grids, images)


def _agreement(grids: Grids, images: Sequence[Grids]) -> Floats:
    """Share of equal cells with each image, 0 where its shape is another one."""
    n = len(grids)
    return _rows(
        n,
        [
            (grids == image).reshape(n, -1).mean(1) if image.shape == grids.shape else 0.0
            for image in images
        ],
    )


def _objects(given: Grids, made: Grids) -> Floats:
    (n_given, of_given), (n_made, of_made) = _object_sizes(given), _object_sizes(made)
    return np.concatenate([of_given, of_made, np.tanh((n_made - n_given) / 3)[:, None]], axis=1)


def _object_sizes(grids: Grids) -> tuple[Floats, Floats]:
    """Objects of each grid [n]; their number, mean and largest size and share of single cells."""
    n, h, w = grids.shape
    labels, count = object_labels(grids)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    owner = np.zeros(count + 1, dtype=np.intp)
    owner[labels] = np.arange(n)[:, None, None]
    owner = owner[1:]
    number = np.bincount(owner, minlength=n).astype(float)
    some = np.maximum(number, 1)
    total = np.bincount(owner, weights=sizes, minlength=n)
    single = np.bincount(owner, weights=sizes == 1, minlength=n)
    largest = np.zeros(n)
    np.maximum.at(largest, owner, sizes)
    entries = [
        np.log1p(number) / 3,
        np.log1p(total / some) / 3,
        largest / (h * w),
        single / some,
    ]
    return number, np.stack(entries, axis=1)


def _difference(given: Grids, made: Grids) -> Floats:
    if given.shape != made.shape:
        return np.zeros((len(given), BLOCKS["difference"]))
    n, h, w = given.shape
    changed = given != made
    cells = changed.reshape(n, -1).sum(1)
    some = np.maximum(cells, 1)
    from_nothing = (changed & (given == 0)).reshape(n, -1).sum(1)
    to_nothing = (changed & (made == 0)).reshape(n, -1).sum(1)
    entries = [
        cells / (h * w),
        from_nothing / some,
        to_nothing / some,
        (cells - from_nothing - to_nothing) / some,
        _extent(changed.any(2)) * _extent(changed.any(1)) / (h * w),
        np.log1p(_parts(changed)) / 3,
        _colours_on(changed, made) / 5,
        _colours_on(changed, given) / 5,
    ]
    return np.stack(entries, axis=1)


def _extent(lines: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Lines from the first to the last that is set, of each row [n, lines]; 0 if none is."""
    first, last = lines.argmax(1), lines.shape[1] - lines[:, ::-1].argmax(1)
    return np.where(lines.any(1), last - first, 0)


def _parts(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """How many 4-connected parts each mask [n, h, w] has."""
    labels, count = object_labels(masks.astype(np.int8))
    owner = np.zeros(count + 1, dtype=np.intp)
    owner[labels] = np.arange(len(masks))[:, None, None]
    return np.bincount(owner[1:], minlength=len(masks))


def _colours_on(masks: npt.NDArray[np.bool_], grids: Grids) -> npt.NDArray[np.intp]:
    """How many colours each grid shows on its mask."""
    n = len(grids)
    shown = np.zeros((n, COLOURS + 1), dtype=bool)
    coloured = np.where(masks, grids, COLOURS).reshape(n, -1)
    shown[np.arange(n)[:, None], coloured] = True
    number: npt.NDArray[np.intp] = shown[:, :COLOURS].sum(1)
    return number


def _dcolour(given: Grids, made: Grids) -> Floats:
    return histogram(made) - histogram(given)


def _dcentroid(given: Grids, made: Grids) -> Floats:
    return _centroid(made) - _centroid(given)


def _centroid(grids: Grids) -> Floats:
    """Mean row and column of what is not background, in units of the longest way; ½ if empty."""
    n, h, w = grids.shape
    coloured = grids != 0
    cells = coloured.reshape(n, -1).sum(1)
    some = np.maximum(cells, 1)
    row = (coloured.sum(2) * np.arange(h)).sum(1) / some / max(h - 1, 1)
    column = (coloured.sum(1) * np.arange(w)).sum(1) / some / max(w - 1, 1)
    return np.where((cells > 0)[:, None], np.stack([row, column], axis=1), 0.5)


def _align(given: Grids, made: Grids) -> Floats:
    turned = [np.rot90(given, turns, axes=(1, 2)) for turns in range(4)]
    return _agreement(made, [*turned[1:], *(image[:, :, ::-1] for image in turned)])


MEASURES: tuple[Callable[[Grids, Grids], Floats], ...] = (
    _shape, _colour, _symmetry, _objects, _difference, _dcolour, _dcentroid, _align,
)  # fmt: skip
"""What makes each block, in the order of `BLOCKS`."""
