"""Which memories no other one beats in recall and cost at once.

Two trade-offs, each with its own front: quality against the floats of state, and quality against
the time of a read. A point is on a front unless another one is at least as good in both and better
in one. Times are those of the machine that ran, measured once per cell; no test stands behind
them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from bench.compare import records, selection
from bench.compare.records import FAILURES, Number, TaskPoint
from bench.errors import MembError
from bench.stats.pairing import Direction

STATE, PARAMS, BITS = "state_floats", "param_floats", "bits_per_float"
READ, WRITE = "read_us", "write_us"
PREDICT, OBSERVE = "predict_us", "observe_us"
"""What stands for reads and writes in a forecaster's costs."""
TOKENS, ABSORB = "tokens_us", "absorb_us"
"""What stands for them in a token memory's."""
ROUTE, LEARN = "route_us", "learn_us"
"""And in those of a router."""
Calls = Literal["queries", "forecasts", "passes"]
"""What the timed calls are of: queries and events, forecasts and revealed rows, encoder passes."""
BATCH = 256.0
"""Queries of the timed read, events of the timed write."""


@dataclass(frozen=True)
class Point:
    """One memory at one size.

    Attributes:
        label: The memory's label.
        task_label: The task point, which names the budget where there are several.
        quality: Mean of the metric over seeds.
        state_floats: Measured size of its state in 32-bit words.
        param_floats: Size of its slow weights and fixed random buffers, None if unknown; beside
            the state, never part of it.
        read_us: Microseconds per query, per forecast, or per read of all tokens; None if it was
            not measured.
        write_us: Microseconds per event, per revealed row, or per pass; None if it was not
            measured.
        bits_per_float: Information recalled per float of state, if the task reports it.
        on_state_front: Whether no other has better quality and a smaller state.
        on_read_front: Whether no other has better quality and faster reads.
    """

    label: str
    task_label: str
    quality: float
    state_floats: float
    param_floats: float | None
    read_us: float | None
    write_us: float | None
    bits_per_float: float | None
    on_state_front: bool = False
    on_read_front: bool = False


@dataclass(frozen=True)
class Front:
    """All memories of one task, whatever their budgets, on one metric.

    Attributes:
        tasks: Labels of the task points, which differ in the budget alone.
        metric: The measure of quality.
        direction: Which values of it are better.
        unit: Its unit.
        calls: What is read and written in the timed calls.
        points: Best quality first.
        left_out: Labels of memories without a complete result.
    """

    tasks: tuple[str, ...]
    metric: str
    direction: Direction
    unit: str
    calls: Calls
    points: tuple[Point, ...]
    left_out: tuple[str, ...]


def fronts(frame: pd.DataFrame, *, metrics: Sequence[str] | None = None) -> list[Front]:
    """The trade-offs of a run, one per task and primary metric, or per metric that is named.

    Task points of one protocol differ in the budget of their memories only: they stand in one
    front, and a memory sized to three budgets has three points.

    Raises:
        MembError: If the frame is empty or a metric is unknown.
    """
    plan = selection.plan_of(frame)
    wanted = selection.metrics(frame, metrics, False)
    groups: dict[str, list[TaskPoint]] = {}
    protocols = dict(zip(frame["task_label"], frame["protocol_hash"], strict=True))
    for point in records.read(frame, plan.tasks):
        groups.setdefault(protocols[point.label], []).append(point)
    found = [front for points in groups.values() for front in _fronts(points, wanted)]
    if not found:
        raise MembError(
            "no memory has both a result and a measured state",
            help="the view needs a finished run of a task with a state, such as capacity",
        )
    return found


def _fronts(points: Sequence[TaskPoint], wanted: Sequence[str] | None) -> list[Front]:
    shown = {
        number.metric: number
        for point in points
        for number in point.numbers
        if number.x is None
        and number.kind == "quality"
        and number.status == "ok"
        and (number.primary if wanted is None else number.metric in wanted)
    }
    built = [_front(points, metric, about) for metric, about in sorted(shown.items())]
    return [front for front in built if front.points]


def _front(points: Sequence[TaskPoint], metric: str, about: Number) -> Front:
    direction: Direction = "lower" if about.direction == "lower" else "higher"
    found: dict[tuple[str, float], Point] = {}
    left_out: list[str] = []
    for task in points:
        for label, numbers in _by_label(task).items():
            point = _point(task.label, label, numbers, metric)
            if point is None:
                left_out.append(label)
            else:  # a memory without a size is the same point at every budget
                found.setdefault((label, point.state_floats), point)
    sign = 1.0 if direction == "lower" else -1.0
    marked = _marked(list(found.values()), sign)
    return Front(
        tasks=tuple(task.label for task in points),
        metric=metric,
        direction=direction,
        unit=about.unit,
        calls=_calls({n.metric for task in points for n in task.numbers}),
        points=tuple(sorted(marked, key=lambda p: (sign * p.quality, p.state_floats, p.label))),
        left_out=tuple(_nowhere(left_out, found)),
    )


def _calls(metrics: Collection[str]) -> Calls:
    """What was timed, by the names of the costs."""
    if PREDICT in metrics:
        return "forecasts"
    return "passes" if TOKENS in metrics else "queries"


def _nowhere(left_out: Sequence[str], found: Iterable[tuple[str, float]]) -> list[str]:
    """Labels that have no point at any budget, each once."""
    there = {label for label, _ in found}
    return [label for label in dict.fromkeys(left_out) if label not in there]


def _by_label(task: TaskPoint) -> Mapping[str, list[Number]]:
    found: dict[str, list[Number]] = {}
    for number in task.numbers:
        found.setdefault(number.label, []).append(number)
    return found


def _point(task: str, label: str, numbers: Sequence[Number], metric: str) -> Point | None:
    """The memory's point, or None if a seed failed or a number is missing."""
    values = [n for n in numbers if n.metric == metric and n.x is None]
    state = _mean(numbers, STATE)
    failed = any(n.status in FAILURES for n in numbers if n.kind != "perf")
    if failed or not values or state is None:
        return None
    if any(not math.isfinite(n.value) for n in values):
        return None
    return Point(
        label=label,
        task_label=task,
        quality=statistics.fmean(n.value for n in values),
        state_floats=state,
        param_floats=_mean(numbers, PARAMS),
        read_us=_first(
            _mean(numbers, READ, BATCH),
            _mean(numbers, ROUTE, BATCH),
            _mean(numbers, PREDICT),
            _mean(numbers, TOKENS),
        ),
        write_us=_first(
            _mean(numbers, WRITE, BATCH),
            _mean(numbers, LEARN, BATCH),
            _mean(numbers, OBSERVE),
            _mean(numbers, ABSORB),
        ),
        bits_per_float=_mean(numbers, BITS),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _mean(numbers: Sequence[Number], metric: str, x: float | None = None) -> float | None:
    found = [
        n.value
        for n in numbers
        if n.metric == metric and n.x == x and n.status == "ok" and math.isfinite(n.value)
    ]
    return statistics.fmean(found) if found else None


def _marked(points: Sequence[Point], sign: float) -> list[Point]:
    by_state = undominated([(sign * p.quality, p.state_floats) for p in points])
    by_read = undominated([(sign * p.quality, p.read_us) for p in points])
    return [
        replace(point, on_state_front=state, on_read_front=read)
        for point, state, read in zip(points, by_state, by_read, strict=True)
    ]


def undominated(costs: Sequence[tuple[float, float | None]]) -> list[bool]:
    """Which pairs of costs no other pair is at most equal to in both and below in one.

    A pair with a missing cost is on no front and dominates nothing.
    """
    known = [(a, b) for a, b in costs if b is not None]

    def beaten(a: float, b: float) -> bool:
        return any(x <= a and y <= b and (x < a or y < b) for x, y in known)

    return [b is not None and not beaten(a, b) for a, b in costs]
