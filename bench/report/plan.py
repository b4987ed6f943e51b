"""What was planned: memories and tasks with their parameters, and what was asked of the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.compare.model import Comparison, Options
from bench.compare.notes import CORRECTIONS
from bench.compare.records import bare
from bench.report.audits import Member
from bench.report.model import Fact
from bench.tables.grid import Cell, Grid

SCOPES = {"table": "all tasks of a metric", "task": "each task alone", "none": "nothing"}
MODES = {
    "vs-reference": "every memory against the reference",
    "vs-best": "every memory against the best of the task",
    "all-pairs": "every memory against every other",
}
HOLES = {
    "worst": "shown, never ranked as best",
    "error": "none allowed",
    "drop": "their task points are left out",
}


def members(frame: pd.DataFrame, labels: Iterable[str]) -> list[Member]:
    """The memories of a run, with each set of parameters that they had."""
    known = frame[["label", "memory", "memory_params"]].drop_duplicates()
    by_label: dict[str, list[tuple[str, str]]] = {}
    for label, memory, params in known.itertuples(index=False):
        by_label.setdefault(str(label), []).append((str(memory), str(params)))
    return [
        Member(label, by_label[label][0][0], tuple(json.loads(p) for _, p in by_label[label]))
        for label in labels
    ]


def memories(found: Sequence[Member]) -> Grid:
    """One row per memory: registry name and parameters."""
    rows = [(m.label, m.memory, _settings(m.params)) for m in found]
    return _grid("Memories and their parameters", ("memory", "registered as", "parameters"), rows)


def tasks(frame: pd.DataFrame, comparison: Comparison) -> Grid:
    """One row per task point: task, parameters, seeds, and what they vary."""
    primary: dict[str, list[str]] = {}
    for section in comparison.sections:
        if section.tested:
            primary.setdefault(section.task_label, []).append(section.metric)
    rows = []
    for label, part in bare(frame).groupby("task_label", sort=False):
        first = part.iloc[0]
        seeds = sorted({int(seed) for seed in part["seed"].dropna()})
        rows.append(
            (
                str(label),
                str(first["task"]),
                ", ".join(primary.get(str(label), ["none"])),
                span(seeds),
                _varies(first),
                _settings([json.loads(first["task_params"])]),
            )
        )
    header = ("task point", "task", "tested metrics", "seeds", "seeds vary", "parameters")
    return _grid("Task points and their parameters", header, rows)


def statistics(options: Options) -> tuple[Fact, ...]:
    """What was asked of the comparison."""
    facts = {
        "reference": ", or where it is not planned ".join(options.references),
        "pairs": MODES[options.mode],
        "test": options.test,
        "correction": CORRECTIONS[options.correction],
        "corrected together": SCOPES[options.family],
        "level": f"{options.alpha:g}",
        "95% intervals": {"t": "t", "bca": "BCa bootstrap"}.get(options.ci, "percentile bootstrap"),
        "incomplete cells": HOLES[options.missing],
        "margins": ", ".join(f"{name} {margin}" for name, margin in options.margins.items()),
    }
    return tuple(Fact(name, value) for name, value in facts.items() if value)


def span(seeds: Sequence[int]) -> str:
    """``5 (0 to 4)``, ``3 (0, 2, 5)`` or ``none``."""
    if not seeds:
        return "none"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{len(seeds)} ({seeds[0]} to {seeds[-1]})"
    return f"{len(seeds)} ({', '.join(map(str, seeds))})"


def _varies(row: pd.Series[Any]) -> str:
    fixed = "" if row["seeded"] else "; the data are fixed"
    return f"{row.get('varies') or 'nothing'}{fixed}"


def _settings(several: Sequence[Mapping[str, Any]]) -> str:
    """Parameters as ``name = value``; where a memory has several sets, all values of each."""
    names = dict.fromkeys(name for params in several for name in params)
    parts = []
    for name in names:
        values = dict.fromkeys(_text(params.get(name)) for params in several)
        parts.append(f"{name} = {' | '.join(values)}")
    return ", ".join(parts) or "none"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _grid(title: str, header: tuple[str, ...], rows: Iterable[Iterable[str]]) -> Grid:
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return Grid(title, header, cells, (False,) * len(header))
