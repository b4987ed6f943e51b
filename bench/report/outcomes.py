"""Trials without a value: why, where, and the traceback of those that raised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.report.model import Mishap, Place
from bench.store import RunFolder, best_records

FAILED = ("error", "nonfinite", "timeout", "oom", "missing")


@dataclass(frozen=True)
class Trial:
    """One planned trial as a frame shows it."""

    label: str
    task: str
    seed: int | None
    status: str
    message: str
    key: str


def trials(frame: pd.DataFrame) -> list[Trial]:
    """Every planned trial, in the plan's order; measurements of cost are none."""
    columns = ["run", "task_label", "label", "seed", "trial_key"]
    rows = frame[frame["kind"].ne("perf")].drop_duplicates(columns)
    names = ["label", "task_label", "seed", "status", "message", "trial_key"]
    return [
        Trial(str(label), str(task), None if pd.isna(seed) else int(seed), status, message, key)
        for label, task, seed, status, message, key in rows[names].itertuples(index=False)
    ]


def tracebacks(runs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tracebacks by trial key, read from the folders of the runs.

    Raises:
        MembError: If a folder's records cannot be read.
    """
    return {
        key: record["traceback"]
        for run in runs
        for key, record in best_records(RunFolder(Path(run["path"])).records()).items()
        if record["traceback"]
    }


def mishaps(
    found: Iterable[Trial], statuses: Iterable[str], known: Mapping[str, str]
) -> tuple[Mishap, ...]:
    """Trials with one of these statuses, grouped by reason; the most frequent status order kept.

    Args:
        found: All trials.
        statuses: The statuses that count, in the order of the result.
        known: Tracebacks by trial key.
    """
    groups: dict[tuple[str, str, str], dict[tuple[str, str], list[Trial]]] = {}
    for status in statuses:
        for trial in found:
            if trial.status == status:
                reason = status, trial.message, known.get(trial.key, "")
                places = groups.setdefault(reason, {})
                places.setdefault((trial.label, trial.task), []).append(trial)
    return tuple(
        Mishap(*reason, tuple(_place(*where, hit) for where, hit in places.items()))
        for reason, places in groups.items()
    )


def _place(label: str, task: str, hit: Iterable[Trial]) -> Place:
    hit = sorted(hit, key=lambda trial: -1 if trial.seed is None else trial.seed)
    seeds = tuple(trial.seed for trial in hit if trial.seed is not None)
    return Place(label, task, seeds, tuple(trial.key for trial in hit))
