"""The file that a check compares with: one cell per line, so that a change of it can be read."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.check.model import Cell, Policy, Repeats, Source
from bench.errors import MembError, nearest
from bench.running.cache import digest
from bench.tolerances import Tolerance

SCHEMA = "memb-baseline/1"
SEED = re.compile("0|[1-9][0-9]{0,18}")
"""A seed as it is written, so that no two keys are one seed."""


@dataclass(frozen=True)
class Baseline:
    """Numbers to hold against.

    Attributes:
        source: Where they come from; its path is the file.
        alpha: Significance level it was written for.
        tolerances: What was chosen by metric in place of the defaults.
        metrics: Metrics it was written for; None for primary ones, counts and timed costs.
        cells: By task, memory, metric and coordinate.
    """

    source: Source
    alpha: float
    tolerances: Mapping[str, Tolerance]
    metrics: tuple[str, ...] | None
    cells: tuple[Cell, ...]

    @property
    def suite_hash(self) -> str:
        """Identity of what was asked: hash over all task points and their protocols."""
        return digest(sorted({(cell.task_label, cell.protocol_hash) for cell in self.cells}))


def dumped(baseline: Baseline) -> str:
    """The text of a baseline file: equal baselines give equal bytes."""
    head = {
        "schema": SCHEMA,
        "created": baseline.source.created,
        "memb_version": baseline.source.memb_version,
        "suite": baseline.source.suite,
        "suite_hash": baseline.suite_hash,
        "git_commit": baseline.source.git_commit,
        "environment": dict(baseline.source.environment),
        "policy": {
            "alpha": baseline.alpha,
            "correction": Policy().correction,
            "metrics": None if baseline.metrics is None else list(baseline.metrics),
            "tolerances": {name: _plain(t) for name, t in sorted(baseline.tolerances.items())},
        },
    }
    lines = [f" {json.dumps(key)}: {_json(value)}," for key, value in head.items()]
    cells = ",\n".join(f"  {_json(_line(cell))}" for cell in baseline.cells)
    return "\n".join(["{", *lines, ' "cells": [', cells, " ]", "}", ""])


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _plain(tolerance: Tolerance) -> dict[str, float]:
    return {"rel": tolerance.rel, "abs": tolerance.abs}


def _line(cell: Cell) -> dict[str, Any]:
    repeats = cell.repeats
    return {
        "task_label": cell.task_label,
        "label": cell.label,
        "metric": cell.metric,
        "x": cell.x,
        "cell_id": cell.cell_id,
        "row_id": cell.row_id,
        "protocol_hash": cell.protocol_hash,
        "memory": cell.memory,
        "memory_params": dict(sorted(cell.memory_params.items())),
        "task": cell.task,
        "task_params": dict(sorted(cell.task_params.items())),
        "unit": cell.unit,
        "direction": cell.direction,
        "kind": cell.kind,
        "bounds": list(cell.bounds),
        "resolution": cell.resolution,
        "primary": cell.primary,
        "deterministic": cell.deterministic,
        "tolerance": {**_plain(cell.tolerance), "exact_rtol": cell.exact_rtol},
        "values": {_seed_text(seed): cell.values[seed] for seed in _ordered(cell.values)},
        "failures": {_seed_text(seed): cell.failures[seed] for seed in _ordered(cell.failures)},
        "repeats": None
        if repeats is None
        else {"raw": list(repeats.raw), "calibrated": list(repeats.calibrated)},
    }


def _ordered(by_seed: Mapping[int | None, Any]) -> list[int | None]:
    return sorted(by_seed, key=lambda seed: -1 if seed is None else seed)


def _seed_text(seed: int | None) -> str:
    return "null" if seed is None else str(seed)


def write(baseline: Baseline, file: Path) -> bool:
    """Write a baseline; whether the file changed in more than the time it was written.

    Raises:
        MembError: If it cannot be written.
    """
    text = dumped(baseline)
    try:
        if file.exists() and _undated(file.read_text(encoding="utf-8")) == _undated(text):
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except (OSError, UnicodeDecodeError) as err:
        raise MembError(
            f"cannot write the baseline: {err}", place=str(file), help="choose another file"
        ) from err
    return True


def _undated(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(' "created":')]


def load(file: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        MembError: If there is none, or it is not one, naming the cell and key that is wrong.
    """
    read = _read(file)
    environment = _object(read, "environment", str(file))
    policy = _object(read, "policy", str(file))
    where = f"{file}, policy"
    _one_of(Policy().correction)(policy, "correction", where)
    cells = tuple(_cells(read, file))
    return Baseline(
        source=Source(
            path=str(file),
            suite=_text(read, "suite", str(file)),
            created=_text(read, "created", str(file)),
            memb_version=_text(read, "memb_version", str(file)),
            git_commit=_or_none(_text)(read, "git_commit", str(file)),
            environment=environment,
        ),
        alpha=_number(policy, "alpha", where),
        tolerances={
            name: _tolerance(_object(policy, "tolerances", where), name, where)
            for name in _object(policy, "tolerances", where)
        },
        metrics=_metrics(policy, where),
        cells=cells,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        remedy = "write one with 'memb check RUN --baseline FILE --update-baseline'"
        beside = file.parent.glob("*.json") if file.parent.is_dir() else ()
        help = f"{nearest(file.name, (other.name for other in beside))} {remedy}".strip()
        raise MembError(f"no baseline {file}", help=help) from None
    except (OSError, UnicodeDecodeError) as err:
        raise MembError(
            f"cannot read the baseline: {err}", place=str(file), help="name a file that is one"
        ) from err
    try:
        read = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object_of)
    except (ValueError, RecursionError) as err:
        raise MembError(f"not a baseline: {err}", place=str(file), help=_REMEDY) from err
    found = read.get("schema") if isinstance(read, dict) else None
    if not isinstance(read, dict) or found != SCHEMA:
        raise MembError(
            f"schema {found!r}, this memb reads {SCHEMA!r}",
            place=str(file),
            help=f"use the version of memb that wrote it, or {_ANEW}",
        )
    return read


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that a merge left twice, neither value can be trusted."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return found


def _cells(read: Mapping[str, Any], file: Path) -> Iterator[Cell]:
    seen: set[str] = set()
    for index, raw in enumerate(_list(read, "cells", str(file))):
        where = f"{file}, cells[{index}]"
        if not isinstance(raw, dict):
            raise MembError("not an object", place=where, help=_REMEDY)
        cell = _cell(raw, where)
        if cell.cell_id in seen:
            raise MembError(f"cell {cell.cell_id} stands twice", place=where, help=_REMEDY)
        seen.add(cell.cell_id)
        yield cell


def _cell(raw: Mapping[str, Any], where: str) -> Cell:
    tolerance = _object(raw, "tolerance", where)
    cell = Cell(
        cell_id=_text(raw, "cell_id", where),
        row_id=_text(raw, "row_id", where),
        label=_text(raw, "label", where),
        memory=_text(raw, "memory", where),
        memory_params=_object(raw, "memory_params", where),
        task=_text(raw, "task", where),
        task_label=_text(raw, "task_label", where),
        task_params=_object(raw, "task_params", where),
        protocol_hash=_text(raw, "protocol_hash", where),
        metric=_text(raw, "metric", where),
        x=_or_none(_number)(raw, "x", where),
        unit=_text(raw, "unit", where),
        direction=_one_of("lower", "higher")(raw, "direction", where),
        kind=_one_of("quality", "static", "perf")(raw, "kind", where),
        bounds=_bounds(raw, where),
        resolution=_at_least_0(raw, "resolution", where),
        primary=_get(raw, "primary", bool, where),
        deterministic=_get(raw, "deterministic", bool, where),
        tolerance=_tolerance(raw, "tolerance", where),
        exact_rtol=_at_least_0(tolerance, "exact_rtol", f"{where}.tolerance"),
        values=_by_seed(raw, "values", _or_none(_number), where),
        failures=_by_seed(raw, "failures", _text, where),
        repeats=_repeats(raw, where),
    )
    _refuse_holes(cell, where)
    return cell


def _refuse_holes(cell: Cell, where: str) -> None:
    """Refuse a cell that would pass unseen: a seed of it has no value, for no reason.

    Raises:
        MembError: Naming the seed.
    """
    if cell.kind == "perf":
        return
    if not cell.values:
        raise MembError("key 'values': no seed", place=where, help=_REMEDY)
    if len(cell.values) > 1 and None in cell.values:
        raise MembError("key 'values': 'null' among seeds", place=where, help=_REMEDY)
    for seed in _ordered({**cell.values, **cell.failures}):
        if seed not in cell.values or (cell.values[seed] is None) != (seed in cell.failures):
            text = f"seed {_seed_text(seed)} needs a value, or null beside the failure"
            raise MembError(text, place=where, help=_REMEDY)


_ANEW = "delete it and write it anew with --update-baseline"
_REMEDY = f"restore the file, or {_ANEW}"


def _get(raw: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    value = raw.get(key)
    if key not in raw or not isinstance(value, kind):
        found = "missing" if key not in raw else f"{json.dumps(value)[:60]} is not of its type"
        raise MembError(f"key '{key}': {found}", place=where, help=_REMEDY)
    return value


def _text(raw: Mapping[str, Any], key: str, where: str) -> str:
    return str(_get(raw, key, str, where))


def _number(raw: Mapping[str, Any], key: str, where: str) -> float:
    value = _get(raw, key, (int, float), where)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        found = str(value)[:60]
        raise MembError(f"key '{key}': {found} is not a number", place=where, help=_REMEDY)
    return number


def _at_least_0(raw: Mapping[str, Any], key: str, where: str) -> float:
    found = _number(raw, key, where)
    if found < 0:
        raise MembError(f"key '{key}': {found:g} is not at least 0", place=where, help=_REMEDY)
    return found


def _object(raw: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found: dict[str, Any] = _get(raw, key, dict, where)
    return found


def _list(raw: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found: list[Any] = _get(raw, key, list, where)
    return found


def _or_none(read: Callable[[Mapping[str, Any], str, str], Any]) -> Callable[..., Any]:
    def reader(raw: Mapping[str, Any], key: str, where: str) -> Any:
        return None if key in raw and raw[key] is None else read(raw, key, where)

    return reader


def _one_of(*allowed: str) -> Callable[[Mapping[str, Any], str, str], Any]:
    def reader(raw: Mapping[str, Any], key: str, where: str) -> str:
        value = _text(raw, key, where)
        if value not in allowed:
            raise MembError(
                f"key '{key}': '{value}' is none of {', '.join(allowed)}", place=where, help=_REMEDY
            )
        return value

    return reader


def _tolerance(raw: Mapping[str, Any], key: str, where: str) -> Tolerance:
    given, at = _object(raw, key, where), f"{where}.{key}"
    return Tolerance(_at_least_0(given, "rel", at), _at_least_0(given, "abs", at))


def _metrics(policy: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    given = _or_none(_list)(policy, "metrics", where)
    return None if given is None else tuple(_text({"metrics": n}, "metrics", where) for n in given)


def _bounds(raw: Mapping[str, Any], where: str) -> tuple[float | None, float | None]:
    given = _list(raw, "bounds", where)
    if len(given) != 2:
        raise MembError("key 'bounds': two numbers or null", place=where, help=_REMEDY)
    low, high = (_or_none(_number)({"bounds": end}, "bounds", where) for end in given)
    return low, high


def _by_seed(
    raw: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any], str, str], Any], where: str
) -> dict[int | None, Any]:
    given = _object(raw, key, where)
    found = {}
    for text in given:
        if text != "null" and not SEED.fullmatch(text):
            raise MembError(f"key '{key}': '{text}' is no seed", place=where, help=_REMEDY)
        found[None if text == "null" else int(text)] = read(given, text, f"{where}.{key}")
    return found


def _repeats(raw: Mapping[str, Any], where: str) -> Repeats | None:
    given = _or_none(_object)(raw, "repeats", where)
    if given is None:
        return None
    at = f"{where}.repeats"
    raw_times, calibrated = (
        tuple(_number({name: item}, name, at) for item in _list(given, name, at))
        for name in ("raw", "calibrated")
    )
    if not raw_times or len(raw_times) != len(calibrated) or min(raw_times + calibrated) <= 0:
        text = "key 'repeats': as many raw times as calibrated ones, above 0"
        raise MembError(text, place=where, help=_REMEDY)
    return Repeats(raw_times, calibrated)
