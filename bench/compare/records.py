"""The tidy frame of a run, read into plain typed records grouped by task point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.errors import MembError, Problem

FAILURES = ("nonfinite", "error", "timeout", "oom", "missing", "skipped")
"""Statuses of a trial without values."""


@dataclass(frozen=True)
class Number:
    """One row of the frame: a value, or the hole where one should be."""

    label: str
    memory: str
    memory_params: str
    metric: str
    x: float | None
    unit: str
    direction: str
    kind: str
    bounds: tuple[float, float]
    resolution: float
    primary: bool
    chance: float | None
    ceiling: float | None
    seed: int | None
    value: float
    n_eval: int | None
    status: str
    message: str
    deterministic: bool
    seeded: bool
    varies: str
    trial_key: str
    run: str


@dataclass(frozen=True)
class TaskPoint:
    """All numbers of one task point.

    Attributes:
        task: Registry name.
        label: Name in the suite.
        params: Resolved parameters, as JSON text.
        block: Family of related tasks.
        numbers: Its rows of the frame.
        standings: By label, what is known of a row beside its numbers.
    """

    task: str
    label: str
    params: str
    block: str
    numbers: tuple[Number, ...]
    standings: Mapping[str, Mapping[str, Any]]


def read(frame: pd.DataFrame, order: Sequence[str]) -> list[TaskPoint]:
    """The frame's task points in the given order.

    Raises:
        MembError: If a task point was run under several protocols, or a label stands for
            several settings: their numbers cannot be compared.
    """
    points = []
    problems: list[Problem] = []
    frame = frame.copy(deep=False)
    standings = frame.attrs.get("standings", {})
    frame.attrs = {}  # pandas would copy them deeply at every step below
    groups = dict(iter(frame.groupby("task_label", sort=False)))
    for label in order:
        group = groups[label]
        first = group.iloc[0]
        problems += _mixtures(label, group)
        points.append(
            TaskPoint(
                task=str(first["task"]),
                label=label,
                params=_text(first["task_params"]),
                block=_text(first["block"]),
                numbers=tuple(sorted(_numbers(group), key=_place)),
                standings=standings.get(label, {}),
            )
        )
    if problems:
        raise MembError(problems)
    return points


def in_order(present: Iterable[str], planned: Iterable[str]) -> list[str]:
    """The names that are present: first those of the plan in its order, then others sorted."""
    there = set(present)
    first = [name for name in dict.fromkeys(planned) if name in there]
    return first + sorted(there.difference(first))


def _mixtures(label: str, group: pd.DataFrame) -> list[Problem]:
    problems = []
    protocols = sorted({_text(p) for p in group["protocol_hash"]} - {""})
    if len(protocols) > 1:
        problems.append(
            Problem(
                f"task '{label}' was run under {len(protocols)} protocols: {', '.join(protocols)}",
                help="compare runs of one version of the task and its data",
            )
        )
    for memory, rows in group.groupby("label", sort=True):
        settings = rows[["memory", "memory_params"]].drop_duplicates()
        if len(settings) > 1:
            found = "; ".join(sorted(f"{m} {p}" for m, p in settings.itertuples(index=False)))
            problems.append(
                Problem(
                    f"label '{memory}' stands for {len(settings)} settings on '{label}': {found}",
                    help="give them different labels in their suites, or compare one run",
                )
            )
    return problems


def _place(number: Number) -> tuple[str, str, float, int, str, float, str, str]:
    """Sorting key: what is shown must not depend on the order in which records were written."""
    x = -math.inf if number.x is None else number.x
    seed = -1 if number.seed is None else number.seed
    value = number.value if math.isfinite(number.value) else math.inf
    names = (number.status, value, number.trial_key, number.run)
    return number.label, number.metric, x, seed, *names


def _numbers(group: pd.DataFrame) -> Iterable[Number]:
    columns = list(group.columns)
    for values in group.itertuples(index=False, name=None):
        yield _number(dict(zip(columns, values, strict=True)))


def _number(row: Mapping[str, Any]) -> Number:
    bounds = (_float(row["bounds_lo"], math.nan), _float(row["bounds_hi"], math.nan))
    n_eval = _optional(row["n_eval"])
    seed = row["seed"]
    return Number(
        label=str(row["label"]),
        memory=str(row["memory"]),
        memory_params=_text(row["memory_params"]),
        metric=_text(row["metric"]),
        x=_optional(row["x"]),
        unit=_text(row["unit"]),
        direction=_text(row["direction"]) or "lower",
        kind=_text(row["kind"]) or "quality",
        bounds=bounds,
        resolution=_float(row["resolution"], 0.0),
        primary=_true(row["primary"]),
        chance=_optional(row["chance"]),
        ceiling=_optional(row["ceiling"]),
        seed=None if pd.isna(seed) else int(seed),
        value=_float(row["value"], math.nan),
        n_eval=None if n_eval is None else int(n_eval),
        status=str(row["status"]),
        message=_text(row["message"]),
        deterministic=_true(row["deterministic"]),
        seeded=_true(row["seeded"]),
        varies=_text(row.get("varies")),
        trial_key=_text(row["trial_key"]),
        run=_text(row["run"]),
    )


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _true(value: Any) -> bool:
    return not pd.isna(value) and bool(value)


def _float(value: Any, default: float) -> float:
    return default if pd.isna(value) else float(value)


def _optional(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
