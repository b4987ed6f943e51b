"""The tidy frame of a run, read into plain typed records grouped by task point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.errors import MembError, Problem
from bench.garbage import nothing_collected

FAILURES = ("nonfinite", "error", "timeout", "oom", "missing", "skipped")
"""Statuses of a trial without values."""


class Number(NamedTuple):
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
    standings = frame.attrs.get("standings", {})
    frame = bare(frame)
    problems = _mixtures(frame, order)
    if problems:
        raise MembError(problems)
    numbers: dict[str, list[Number]] = {}
    with nothing_collected():
        for label, number in zip(frame["task_label"].tolist(), _numbers(frame), strict=True):
            numbers.setdefault(label, []).append(number)
    first = frame.drop_duplicates("task_label").set_index("task_label")
    about = first[["task", "task_params", "block"]].to_dict("index")
    return [
        TaskPoint(
            task=str(about[label]["task"]),
            label=label,
            params=_text(about[label]["task_params"]),
            block=_text(about[label]["block"]),
            numbers=tuple(sorted(numbers[label], key=_place)),
            standings=standings.get(label, {}),
        )
        for label in order
    ]


def bare(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without its attributes, which pandas copies deeply whenever a column is taken."""
    return pd.DataFrame(frame, copy=False)


def in_order(present: Iterable[str], planned: Iterable[str]) -> list[str]:
    """The names that are present: first those of the plan in its order, then others sorted."""
    there = set(present)
    first = [name for name in dict.fromkeys(planned) if name in there]
    return first + sorted(there.difference(first))


def _mixtures(frame: pd.DataFrame, order: Sequence[str]) -> list[Problem]:
    """What is called alike and is not the same, in the order of tasks."""
    protocols: dict[str, set[str]] = {label: set() for label in order}
    for label, protocol in _distinct(frame, ["task_label", "protocol_hash"]):
        protocols[label].add(_text(protocol))
    settings: dict[str, dict[str, list[str]]] = {label: {} for label in order}
    columns = ["task_label", "label", "memory", "memory_params"]
    for label, memory, name, params in _distinct(frame, columns):
        settings[label].setdefault(memory, []).append(f"{name} {params}")
    problems = []
    for label in order:
        known = sorted(protocols[label] - {""})
        if len(known) > 1:
            problems.append(
                Problem(
                    f"task '{label}' was run under {len(known)} protocols: {', '.join(known)}",
                    help="compare runs of one version of the task and its data",
                )
            )
        for memory, found in sorted(settings[label].items()):
            if len(found) > 1:
                problems.append(
                    Problem(
                        f"label '{memory}' stands for {len(found)} settings on '{label}': "
                        + "; ".join(sorted(found)),
                        help="give them different labels in their suites, or compare one run",
                    )
                )
    return problems


def _distinct(frame: pd.DataFrame, columns: list[str]) -> Iterable[tuple[Any, ...]]:
    return frame[columns].drop_duplicates().itertuples(index=False, name=None)


def _place(number: Number) -> tuple[str, str, float, int, str, float, str, str]:
    """Sorting key: what is shown must not depend on the order in which records were written."""
    x = -math.inf if number.x is None else number.x
    seed = -1 if number.seed is None else number.seed
    value = number.value if math.isfinite(number.value) else math.inf
    names = (number.status, value, number.trial_key, number.run)
    return number.label, number.metric, x, seed, *names


def _numbers(frame: pd.DataFrame) -> Iterable[Number]:
    """The rows as numbers; converted by column, which takes a tenth of the time."""
    varies = _texts(frame["varies"]) if "varies" in frame else [""] * len(frame)
    columns: dict[str, Iterable[Any]] = {
        **{name: map(str, frame[name].tolist()) for name in ("label", "memory", "status")},
        **{name: _texts(frame[name]) for name in _TEXTS},
        **{name: _optional(_floats(frame[name])) for name in ("x", "chance", "ceiling")},
        "direction": [text or "lower" for text in _texts(frame["direction"])],
        "kind": [text or "quality" for text in _texts(frame["kind"])],
        "bounds": zip(_floats(frame["bounds_lo"]), _floats(frame["bounds_hi"]), strict=True),
        "resolution": _floats(frame["resolution"], 0.0),
        "seed": _integers(frame["seed"]),
        "value": _floats(frame["value"]),
        "n_eval": _integers(frame["n_eval"]),
        **{name: _truths(frame[name]) for name in ("primary", "deterministic", "seeded")},
        "varies": varies,
    }
    return map(Number._make, zip(*(columns[name] for name in Number._fields), strict=True))


_TEXTS = ("memory_params", "metric", "unit", "message", "trial_key", "run")


def _texts(column: pd.Series[Any]) -> list[str]:
    values: list[Any] = column.tolist()
    plain = pd.api.types.is_string_dtype(column) and not column.hasnans
    return values if plain else [_text(value) for value in values]


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _floats(column: pd.Series[Any], default: float = math.nan) -> list[float]:
    found: list[float] = column.to_numpy(dtype=np.float64, na_value=default).tolist()
    return found


def _optional(values: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def _integers(column: pd.Series[Any]) -> list[int | None]:
    return [None if math.isnan(value) else int(value) for value in _floats(column)]


def _truths(column: pd.Series[Any]) -> list[bool]:
    values: list[Any] = column.tolist()
    plain = pd.api.types.is_bool_dtype(column) and not column.hasnans
    return values if plain else [not pd.isna(value) and bool(value) for value in values]
