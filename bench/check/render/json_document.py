"""A check as one JSON object, schema ``memb-check/1``: every number that a verdict rests on."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.check.model import VERDICTS, CellVerdict, CheckReport, Repeats, Source, exit_code
from bench.stats.intervals import Interval

SCHEMA = "memb-check/1"

_IDENTITY = (
    "cell_id", "task_label", "label", "metric", "x", "task", "task_params", "memory",
    "memory_params", "protocol_hash", "unit", "direction", "kind", "bounds", "resolution",
    "primary", "deterministic",
)  # fmt: skip
_NUMBERS = (
    "n", "seeds", "baseline_mean", "current_mean", "sd", "worsening", "delta", "change",
    "p_worse", "p_worse_holm", "p_ni", "p_improved", "p_improved_holm", "seeds_to_clear",
    "seeds_to_confirm", "wall_s",
)  # fmt: skip


def render(reports: Sequence[CheckReport]) -> str:
    """The reports as JSON text; strict, with null for what does not exist."""
    return json.dumps(document(reports), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def document(reports: Sequence[CheckReport]) -> dict[str, Any]:
    """The reports as nested plain values.

    ``cells`` holds the cells of all baselines, by severity within each; ``baseline`` of a cell is
    the place of its baseline in ``baselines``.
    """
    counted = Counter(found.verdict for report in reports for found in report.cells)
    plain = {
        "schema": SCHEMA,
        "exit_code": exit_code(reports),
        "suite": reports[0].suite,
        "summary": {verdict: counted[verdict] for verdict in VERDICTS},
        "current": _source(reports[0].current),
        "baselines": [_baseline(report) for report in reports],
        "cells": [
            {"baseline": index, **_cell(found)}
            for index, report in enumerate(reports)
            for found in report.cells
        ],
    }
    return {key: _strict(value) for key, value in plain.items()}


def _baseline(report: CheckReport) -> dict[str, Any]:
    """What is said of one baseline as a whole."""
    return {
        **_source(report.baseline),
        "exit_code": report.exit_code,
        "summary": report.counts,
        "details": report.details,
        "policy": {**asdict(report.policy), "level": report.policy.level},
        "m": report.m,
        "environment_differences": [asdict(one) for one in report.environment],
        "warnings": list(report.warnings),
    }


def _source(source: Source) -> dict[str, Any]:
    return asdict(source)


def _cell(found: CellVerdict) -> dict[str, Any]:
    cell = found.cell
    return {
        **{name: getattr(cell, name) for name in _IDENTITY},
        "tolerance": {**asdict(cell.tolerance), "exact_rtol": cell.exact_rtol},
        "verdict": found.verdict,
        "detail": found.detail,
        "message": found.message,
        "gates": found.gates,
        **{name: getattr(found, name) for name in _NUMBERS},
        "ci": _interval(found.change_interval),
        "values": {"null" if seed is None else str(seed): v for seed, v in cell.values.items()},
        "failures": {
            "null" if seed is None else str(seed): why for seed, why in cell.failures.items()
        },
        "repeats": _repeats(cell.repeats),
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else asdict(interval)


def _repeats(repeats: Repeats | None) -> dict[str, Any] | None:
    return None if repeats is None else asdict(repeats)


def _strict(value: Any) -> Any:
    """The value with mappings and sequences made plain and non-finite numbers made null."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bool | int | str) or value is None:
        return value
    return str(value)
