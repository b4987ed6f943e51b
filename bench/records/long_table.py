"""A table with a row per number, put together from parts that many rows share.

A number belongs to a trial, a trial to a cell, and each is described once: a row is three indices
and a value. Only when all are there are the columns written out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Places = NDArray[np.intp]
About = Mapping[str, Any]
"""What a record says of a metric beside its value."""

OF_CELL = (
    "task", "task_label", "block", "task_params", "protocol_hash", "memory", "label",
    "memory_params", "deterministic", "seeded", "varies",
)  # fmt: skip
OF_TRIAL = ("seed", "n_eval", "status", "message", "trial_key", "call_id", "run")
OF_METRIC = (
    "metric", "unit", "direction", "kind", "bounds_lo", "bounds_hi", "resolution", "primary",
    "chance", "ceiling", "x",
)  # fmt: skip
NUMBERS = ("bounds_lo", "bounds_hi", "resolution", "chance", "ceiling", "x")


class LongTable:
    """Rows in the order in which they are added."""

    def __init__(self) -> None:
        self._cells: list[tuple[Any, ...]] = []
        self._trials: list[tuple[Any, ...]] = []
        self._cell_of: list[int] = []
        self._metrics: dict[tuple[Any, ...], int] = {}
        self._read: dict[int, tuple[Sequence[About], Places]] = {}
        self._added: list[tuple[int, Places]] = []
        self._values: list[float | None] = []

    def cell(self, **about: Any) -> None:
        """Begin a cell; the trials that follow are its own."""
        self._cells.append(tuple([about[name] for name in OF_CELL]))

    def trial(
        self,
        seed: int | None,
        n_eval: int,
        status: str,
        message: str,
        trial_key: str,
        call_id: str,
        run: str,
    ) -> None:
        """Begin a trial of the cell; the rows that follow are its own."""
        self._trials.append((seed, n_eval, status, message, trial_key, call_id, run))
        self._cell_of.append(len(self._cells) - 1)

    def add(self, abouts: Sequence[About], values: Iterable[float | None]) -> None:
        """Add a row of the trial for each value.

        Args:
            abouts: What is said of each metric; what is not said has its default. The same
                object, given again, is not read again.
            values: A value for each; None is no number.
        """
        known = self._read.get(id(abouts))
        if known is None:
            places = np.array([self._metric(about) for about in abouts], dtype=np.intp)
            known = self._read[id(abouts)] = abouts, places
        self._added.append((len(self._trials) - 1, known[1]))
        self._values.extend(values)

    def _metric(self, about: About) -> int:
        low, high = about.get("bounds", (None, None))
        described = (
            about.get("name", ""),
            about.get("unit", ""),
            about.get("direction", "higher"),
            about.get("kind", "quality"),
            _float(low),
            _float(high),
            _float(about.get("resolution", 0.0)),
            about.get("primary", True),
            _float(about.get("chance")),
            _float(about.get("ceiling")),
            _float(about.get("x")),
        )
        return self._metrics.setdefault(described, len(self._metrics))

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """The rows; of one number that was added twice, the last, in the place of the first."""
        added = [places for _, places in self._added]
        metric = np.concatenate([np.empty(0, np.intp), *added])
        trial = np.repeat(
            np.array([trial for trial, _ in self._added], dtype=np.intp),
            [places.size for places in added],
        )
        value = np.array(self._values, dtype=np.float64)
        rows = self._distinct(trial, metric)
        if rows is not None:
            trial, metric, value = trial[rows], metric[rows], value[rows]
        cell = np.array(self._cell_of, dtype=np.intp)[trial]
        parts = {
            **_columns(OF_CELL, self._cells, cell),
            **_columns(OF_TRIAL, self._trials, trial),
            **_columns(OF_METRIC, list(self._metrics), metric),
            "value": value,
        }
        return pd.DataFrame({name: parts[name] for name in columns})

    def _distinct(self, trial: Places, metric: Places) -> Places | None:
        """Which rows stay; None for all."""
        key, task, label = OF_TRIAL.index("trial_key"), *map(OF_CELL.index, ("task_label", "label"))
        name, x = OF_METRIC.index("metric"), OF_METRIC.index("x")
        trials = [
            (about[key], self._cells[cell][task], self._cells[cell][label])
            for about, cell in zip(self._trials, self._cell_of, strict=True)
        ]
        points = [(about[name], about[x]) for about in self._metrics]
        which = _numbered(trials)[trial] * (len(points) + 1) + _numbered(points)[metric]
        _, first, same = np.unique(which, return_index=True, return_inverse=True)
        if first.size == which.size:
            return None
        last = np.zeros_like(first)
        last[same] = np.arange(which.size)  # of equal places, numpy keeps what is written last
        kept: Places = last[np.argsort(first)]
        return kept


def _numbered(values: Iterable[Any]) -> Places:
    """Equal values by the same number."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.intp)


def _columns(
    names: Sequence[str], described: Sequence[tuple[Any, ...]], places: Places
) -> dict[str, Any]:
    """The columns of what is described, for rows that refer to its places."""
    parts: Sequence[Sequence[Any]] = list(zip(*described, strict=True)) or [()] * len(names)
    return {name: _column(name, part).take(places) for name, part in zip(names, parts, strict=True)}


def _column(name: str, values: Sequence[Any]) -> Any:
    """An array of the type that the column has whatever its values."""
    if name in NUMBERS:
        return np.array(values, dtype=np.float64)
    if name == "seed":
        return pd.array(list(values), dtype="Int64")
    return pd.Series(list(values)).array


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
