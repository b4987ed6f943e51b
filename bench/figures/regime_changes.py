"""When the regime of a generated stream changes, on the axis of scored origins."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tasks.data import series
from tasks.data.catalog import find
from tasks.data.errors import DataProblem

Span = tuple[float, float]
"""First and last scored origin of a change, counted from 1; the same for an abrupt one."""


def spans(task_params: str) -> list[Span]:
    """The changes among the scored origins of a forecasting task, in order.

    Only generated streams have a known schedule, and it does not depend on the seed.

    Args:
        task_params: Resolved parameters of the task, as JSON text.
    """
    params: dict[str, Any] = json.loads(task_params)
    if not _generated(params):
        return []
    stream = series.load(
        params["dataset"],
        seed_rng=np.random.default_rng(0),
        protocol=params.get("split", "online"),
        **(params.get("options") or {}),
    )
    if stream.drift is None:
        return []
    schedule = stream.drift.schedule
    origins = stream.split.test_origins(params["horizon"])
    first_origin = origins.start - 1.0
    return [
        (first - first_origin, last - first_origin)
        for first, last in (_extent(row, schedule.mixed) for row in schedule.change_points.tolist())
        if origins.start < last and first < origins.stop
    ]


def _generated(params: dict[str, Any]) -> bool:
    """Whether a task streams a generated series; records may name one of another memb."""
    if not {"dataset", "horizon"} <= set(params):
        return False
    try:
        return find(str(params["dataset"])).kind == "synthetic"
    except DataProblem:
        return False


def _extent(row: int, mixed: np.ndarray) -> tuple[int, int]:
    """The rows around a change in which two regimes are mixed; the change itself if none are."""
    first = last = row
    while first > 0 and mixed[first - 1]:
        first -= 1
    while last + 1 < len(mixed) and mixed[last + 1]:
        last += 1
    return first, last
