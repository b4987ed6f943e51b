"""What a run would do: cells, trials done already, time that the rest may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.plan import Cell, Plan
from bench.store import Record, RunFolder, best_records

UNKNOWN = "unknown"


@dataclass(frozen=True)
class CellOutlook:
    """One cell before it runs.

    Attributes:
        task: Label of the task point.
        memory: Label of the memory.
        trials: Trials planned.
        cached: Those that have an ok record, or will be skipped.
        seconds_left: Estimate for the others from earlier runs, or None.
        note: Why it will be skipped, or that it is lifted.
    """

    task: str
    memory: str
    trials: int
    cached: int
    seconds_left: float | None
    note: str

    @property
    def time_left(self) -> str:
        """The estimate in words; ``unknown``, never 0, where there is none."""
        return duration(self.seconds_left)


@dataclass(frozen=True)
class Outlook:
    """The whole plan before it runs."""

    cells: tuple[CellOutlook, ...]
    keys: Mapping[str, tuple[Cell, int | None]]

    @property
    def sentence(self) -> str:
        """One line: trials, cached, time."""
        trials = sum(cell.trials for cell in self.cells)
        cached = sum(cell.cached for cell in self.cells)
        left = [cell.seconds_left for cell in self.cells if cell.cached < cell.trials]
        known = [seconds for seconds in left if seconds is not None]
        total = duration(sum(known)) if known else UNKNOWN if left else "none"
        if known and len(known) < len(left):
            total = f"at least {total}"
        return f"{trials} trials, {cached} cached, time left: {total}"

    def describe(self, *, verbose: bool) -> dict[str, Any]:
        """Plain JSON data; with `verbose` every trial's key."""
        plain: dict[str, Any] = {
            "cells": [asdict(cell) for cell in self.cells],
            "trials": sum(cell.trials for cell in self.cells),
            "cached": sum(cell.cached for cell in self.cells),
        }
        if verbose:
            plain["keys"] = {
                key: {"task": cell.task_label, "memory": cell.label, "seed": seed}
                for key, (cell, seed) in self.keys.items()
            }
        return plain


def outlook(plan: Plan, folder: Path, *, probe: bool = False) -> Outlook:
    """The plan held against what its folder has.

    Args:
        plan: All cells of the suite.
        folder: The run's folder. Times come from its trials of the same memory and task settings,
            whatever the version of their code.
        probe: Whether to run the first moments of cells that were never timed.
    """
    best = best_records(RunFolder(folder).records())
    timings = _timings(best)
    cells = []
    for cell in plan.cells:
        done = [best.get(key, {}).get("status") for key in cell.trials.values()]
        cached = len(done) if cell.skipped else done.count("ok")
        left = len(done) - cached
        seconds = timings.get(_setting(cell.describe()))
        if left and probe and seconds is None:
            seconds = _probed(cell, plan.device)
        time_left = None if seconds is None else seconds * left
        cells.append(
            CellOutlook(
                cell.task_label,
                cell.label,
                len(done),
                cached,
                time_left if left else 0.0,
                _note(cell),
            )
        )
    return Outlook(tuple(cells), plan.trials)


def _probed(cell: Cell, device: str) -> float | None:
    """Seconds per trial of a cell, from its first moments."""
    from bench.running.probe import probe as first_moments

    seconds = first_moments(cell, device)
    return None if seconds is None else seconds / len(cell.trials)


def _note(cell: Cell) -> str:
    if cell.skipped:
        return f"skipped: {cell.skipped}"
    if cell.memory != cell.listed:
        return f"{cell.listed} inside {cell.memory}"
    return "runs once: nothing depends on the seed" if cell.deterministic else ""


def _timings(best: Mapping[str, Record]) -> dict[str, float]:
    """Mean seconds per trial of each setting that was run before."""
    seconds: dict[str, list[float]] = {}
    for record in best.values():
        if record["kind"] == "trial" and record["status"] == "ok":
            seconds.setdefault(_setting(record), []).append(record["wall_s"])
    return {setting: sum(times) / len(times) for setting, times in seconds.items()}


def _setting(plain: Mapping[str, Any]) -> str:
    return repr([plain[key] for key in ("memory", "memory_params", "task", "task_params")])


def duration(seconds: float | None) -> str:
    """A time as a person says it: ``unknown``, ``0.4 s``, ``2 min 10 s``, ``1 h 05 min``."""
    if seconds is None:
        return UNKNOWN
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
