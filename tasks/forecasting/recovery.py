"""How a forecaster fares around changes of regime whose rows are known, and when a regime returns.

The rows between two changes in which one regime holds alone are a **stay**. An origin t belongs
to a stay if row t and the whole target, rows t+1 to t+H, lie in it: at an origin shortly before a
change nobody can know the rows after it, so that such origins count neither before nor after.
A gradual change begins with its first mixed row and ends with its last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tasks.base import Metric
from tasks.data.schedules import Schedule
from tasks.forecasting.curves import Errors, windowed
from tasks.forecasting.metrics import amount, loss

SPAN = 100
"""Scored origins needed on both sides of a change, and averaged over."""
TOLERANCE = 1.1
"""A forecaster has recovered when its error is at most so many times that before the change."""
CENSORED = "not recovered from every change before the next: recovery_steps is a lower bound"


@dataclass(frozen=True)
class Stay:
    """Consecutive rows of one regime.

    Attributes:
        regime: Which.
        visit: How many times it has held so far, this one included; counted from row 0.
        start: First row.
        stop: One past the last row.
    """

    regime: int
    visit: int
    start: int
    stop: int


@dataclass(frozen=True)
class Recovery:
    """What one change did.

    Attributes:
        row: First row of the new stay.
        ratio: Mean error of the first 100 origins after it over that of the last 100 before it.
        steps: Origins from the change to the first whose mean over the newest 100, all after the
            change, is within 10 % of the mean before it; 100 at least.
        censored: Whether that never happened before the next change; `steps` is then a bound.
    """

    row: int
    ratio: float
    steps: int
    censored: bool


@dataclass
class Regimes:
    """Numbers of one trial around the changes of its stream, and what to tell of them."""

    metrics: list[Metric] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def around_changes(errors: Errors, origins: range, horizon: int, schedule: Schedule) -> Regimes:
    """Recovery, error by regime and error by visit.

    Args:
        errors: Mean squared error of each origin [N].
        origins: The origins, consecutive.
        horizon: H.
        schedule: The regimes of the stream.
    """
    within = [(stay, _of(stay, origins, horizon)) for stay in stays(schedule)]
    parts = [(stay, errors[inside].astype(np.float64), whole) for stay, (inside, whole) in within]
    found = Regimes()
    found.metrics += _by_regime(parts)
    _tell_recovery(found, list(_recoveries(parts)), len(schedule.change_points))
    found.metrics += _by_visit(parts)
    return found


def stays(schedule: Schedule) -> list[Stay]:
    """The stays of a schedule in order; a regime that is never alone has none."""
    alone = np.where(schedule.mixed, -1, schedule.regime)
    borders = [0, *(np.flatnonzero(np.diff(alone)) + 1).tolist(), len(alone)]
    visits: dict[int, int] = defaultdict(int)
    found = []
    for start, stop in pairwise(borders):
        regime = int(alone[start])
        if regime >= 0:
            visits[regime] += 1
            found.append(Stay(regime, visits[regime], start, stop))
    return found


def drift_in_validation(schedule: Schedule, a: int, b: int) -> str:
    """A sentence if regimes are mixed within the validation rows [a, b), otherwise nothing."""
    mixed = np.flatnonzero(schedule.mixed[a:b])
    if not len(mixed):
        return ""
    return (
        f"regimes are mixed from row {a + int(mixed[0])} on, inside the validation rows "
        f"{a} to {b - 1}: settings are chosen on a stream that changes already"
    )


_Part = tuple[Stay, Errors, bool]
"""A stay, the errors of its scored origins, and whether its first origin is among them."""


def _of(stay: Stay, origins: range, horizon: int) -> tuple[slice, bool]:
    """Which of the origins belong to a stay, and whether its first origin does."""
    first, end = max(stay.start, origins.start), min(stay.stop - horizon, origins.stop)
    count = max(0, end - first)
    start = first - origins.start
    return slice(start, start + count) if count else slice(0, 0), first == stay.start


def _by_regime(parts: Sequence[_Part]) -> list[Metric]:
    """``mse_by_regime``: the mean over all origins of a regime, x its index."""
    of_regime: dict[int, list[Errors]] = defaultdict(list)
    for stay, errors, _ in parts:
        of_regime[stay.regime].append(errors)
    means = {k: np.concatenate(found) for k, found in sorted(of_regime.items())}
    return [loss("mse_by_regime", found.mean(), x=k) for k, found in means.items() if len(found)]


def _recoveries(parts: Sequence[_Part]) -> Iterator[Recovery]:
    """One per change with 100 origins on both sides and an error before it."""
    for (_, before, _), (stay, after, whole) in pairwise(parts):
        if len(before) < SPAN or len(after) < SPAN or not whole:
            continue
        level = before[-SPAN:].mean()
        if level > 0:
            back = np.flatnonzero(windowed(after, SPAN) <= TOLERANCE * level)
            steps = SPAN + int(back[0]) if len(back) else len(after)
            ratio = float(after[:SPAN].mean() / level)
            yield Recovery(stay.start, ratio, steps, not len(back))


def _tell_recovery(found: Regimes, changes: Sequence[Recovery], planned: int) -> None:
    if not planned:
        return
    found.notes["recovery"] = {
        "changes": planned,
        "counted": [change.row for change in changes],
        "censored": [change.row for change in changes if change.censored],
    }
    if not changes:
        return
    censored = float(np.mean([change.censored for change in changes]))
    steps = float(np.mean([change.steps for change in changes]))
    found.metrics += [
        amount("recovery_ratio", float(np.mean([change.ratio for change in changes]))),
        amount("recovery_steps", steps, "origins"),
        amount("recovery_censored", censored),
    ]
    for change in changes:
        found.metrics += [
            amount("recovery_ratio_by_change", change.ratio, x=change.row),
            amount("recovery_steps_by_change", change.steps, "origins", x=change.row),
        ]
    if censored:
        found.warnings.append(CENSORED)


def _by_visit(parts: Sequence[_Part]) -> list[Metric]:
    """``mse_visit_N``: the first 100 origins of a regime's N-th visit, x its index.

    ``revisit_ratio``: the mean ratio of a visit to the visit before it of the same regime, over
    all that were scored. Below 1 the forecaster makes use of what it saw the last time. Both are
    given where a regime returns.
    """
    if all(stay.visit == 1 for stay, _, _ in parts):
        return []
    early = {
        (stay.regime, stay.visit): float(errors[:SPAN].mean())
        for stay, errors, whole in parts
        if whole and len(errors) >= SPAN
    }
    metrics = [
        loss(f"mse_visit_{visit}", error, x=regime)
        for (regime, visit), error in sorted(early.items(), key=lambda item: item[0][::-1])
    ]
    if ratios := _ratios(early):
        metrics.append(amount("revisit_ratio", float(np.mean(ratios))))
    return metrics


def _ratios(early: Mapping[tuple[int, int], float]) -> list[float]:
    """Each visit's early error over that of the visit before it, where both are known."""
    return [
        error / before
        for (regime, visit), error in early.items()
        if (before := early.get((regime, visit - 1), 0.0)) > 0
    ]
