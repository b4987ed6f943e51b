"""The losses at each forecast origin that trials stored beside their records."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.compare.model import Options, Row, Section
from bench.errors import MembError
from bench.stats.arrays import FloatArray
from bench.stats.diebold_mariano import effective_horizon

MEANS_OF: Mapping[str, str] = {"mse": "squared_error", "mae": "absolute_error"}
"""The series whose mean a metric is. A metric that is not here is the mean of the series of its
own name: a task that scores a pinball loss stores its losses as ``pinball`` and is tested over
time as well.
"""
ROUNDING = 1e-4
"""Relative difference between a metric and the mean of its losses that float32 explains."""

_Key = tuple[str, str, int | None]


@dataclass(frozen=True)
class _Stored:
    """Where the series of one trial are, and what they must add up to."""

    path: Path
    sha256: str
    place: str

    def read(self, name: str) -> FloatArray | None:
        """The series of that name; None if the trial stored none.

        Raises:
            MembError: If the file is not there, or is not the one that was written.
        """
        remedy = (
            "restore the file, run the suite again with --fresh, or compare with --claim seed, "
            "which reads no series"
        )
        try:
            content = self.path.read_bytes()
        except OSError as err:
            raise MembError(
                f"the series of {self.place} cannot be read: {err.strerror or err}",
                place=str(self.path),
                help=remedy,
            ) from err
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise MembError(
                f"the series of {self.place} are not those that were recorded: checksums differ",
                place=str(self.path),
                help=remedy,
            )
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return np.asarray(archive[name], np.float64) if name in archive else None
        except (ValueError, KeyError, zipfile.BadZipFile) as err:
            raise MembError(
                f"the series of {self.place} are no npz file of numbers: {err}",
                place=str(self.path),
                help=remedy,
            ) from err


class LossSeries:
    """The stored series of a run, found by task, memory and seed, and read when asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._stored = _index(frame)

    def of_seeds(self, sections: Sequence[Section]) -> tuple[str, ...]:
        """Task points whose data differ between seeds and whose trials stored series."""
        stored = {task for task, _, _ in self._stored}
        seeded = [s.task_label for s in sections if s.tested and s.seeded]
        return tuple(dict.fromkeys(label for label in seeded if label in stored))

    def named(self, sections: Sequence[Section], options: Options) -> list[Section]:
        """The sections with the name of the losses that claims rest on, where there are any.

        Only a fixed series has them: where the data differ between seeds, seeds tell all.

        Raises:
            MembError: If claims over time are asked for and no section has losses.
        """
        if options.claim == "seed":
            return list(sections)
        found = [replace(section, losses=self._name(section)) for section in sections]
        if options.claim == "time" and not any(section.losses for section in found):
            raise MembError(
                "nothing to claim over time: no fixed series with stored losses among the records",
                help="claims on data that vary with the seed rest on seeds: leave --claim out",
            )
        return found

    def _name(self, section: Section) -> str:
        if not section.tested or section.seeded:
            return ""
        name = MEANS_OF.get(section.metric, section.metric)
        for row in section.rows:
            for seed in _seeds(row):
                stored = self._of(section, row, seed)
                if stored is not None and stored.read(name) is not None:
                    return name
        return ""

    def losses(self, section: Section, row: Row) -> list[FloatArray | None]:
        """The losses behind each value of a row, in time order; None where none were stored.

        Raises:
            MembError: If a file is missing or damaged.
        """
        found: list[FloatArray | None] = []
        for seed in _seeds(row):
            stored = self._of(section, row, seed)
            found.append(None if stored is None else stored.read(section.losses))
        return found

    def _of(self, section: Section, row: Row, seed: int | None) -> _Stored | None:
        return self._stored.get((section.task_label, row.label, seed))


def averages_to(losses: FloatArray, value: float) -> bool:
    """Whether a metric is the mean of these losses."""
    return math.isclose(float(losses.mean()), value, rel_tol=ROUNDING, abs_tol=1e-12)


def horizon_of(section: Section) -> int:
    """h, in steps between origins: of a task without a horizon 1, each origin on its own.

    Stride 1 unless the task has a parameter of that name.
    """
    params: dict[str, Any] = json.loads(section.task_params or "{}")
    return effective_horizon(int(params.get("horizon") or 1), int(params.get("stride") or 1))


def _seeds(row: Row) -> tuple[int | None, ...]:
    """The seed behind each value."""
    return (None,) * row.n if row.seedless else row.seeds


def _index(frame: pd.DataFrame) -> dict[_Key, _Stored]:
    files: Mapping[str, tuple[str, str]] = frame.attrs.get("series") or {}
    if not files:
        return {}
    there = frame["trial_key"].isin(list(files)) & frame["status"].eq("ok")
    parts = ["task_label", "label", "seed", "trial_key"]
    trials = frame.loc[there, parts].drop_duplicates().sort_values("trial_key")
    found: dict[_Key, _Stored] = {}
    for task, label, number, key in trials.itertuples(index=False, name=None):
        seed = None if pd.isna(number) else int(number)
        path, sha256 = files[key]
        place = f"{label} on {task}" + ("" if seed is None else f", seed {seed}")
        found.setdefault((str(task), str(label), seed), _Stored(Path(path), sha256, place))
    return found
