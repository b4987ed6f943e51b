"""From the numbers of a task point to one row per memory and metric, with every hole named."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from bench.compare.model import Failure, Row, Section, State
from bench.compare.records import FAILURES, Number, TaskPoint, bare
from bench.errors import MembError
from bench.stats.pairing import Direction

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Wanted:
    """Which metrics are shown.

    Attributes:
        metrics: Names asked for, or None for all primary ones.
        everything: Whether untested scalars and costs are shown too. Points of a curve are shown
            only when their metric is asked for by name: there may be hundreds.
    """

    metrics: tuple[str, ...] | None
    everything: bool

    def takes(self, number: Number) -> bool:
        """Whether a number belongs to a metric that is shown."""
        if not number.metric:
            return False
        if self.metrics is not None:
            return number.metric in self.metrics
        if number.kind == "perf":
            return self.everything
        return number.x is None and (self.everything or number.primary)

    def among(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that sections are made from, without those that none takes.

        Of each trial one row stays at least, and all of one that failed: that it was planned,
        and what became of it, is told by them.
        """
        attrs, frame = frame.attrs, bare(frame)
        if self.metrics is not None:
            taken = frame["metric"].isin(self.metrics)
        else:
            scalar = frame["x"].isna() & (self.everything | frame["primary"].eq(True))
            taken = scalar.where(frame["kind"].ne("perf"), self.everything)
        first = ~frame.duplicated(["task_label", "label", "run", "seed", "trial_key"])
        kept = frame[taken | first | frame["status"].ne("ok")]
        kept.attrs = attrs
        return kept


def sections(point: TaskPoint, labels: Sequence[str], wanted: Wanted) -> list[Section]:
    """The point's sections, primary metrics first, then by name and sweep coordinate.

    A point of which no metric is known, because every trial failed before one was, gives one
    section without a metric, so that the failure is seen.
    """
    table = _Trials(point, labels)
    by_metric: dict[tuple[bool, str, float], list[Number]] = defaultdict(list)
    for number in point.numbers:
        if wanted.takes(number):
            coordinate = -math.inf if number.x is None else number.x
            by_metric[not number.primary, number.metric, coordinate].append(number)
    if by_metric:
        return [_section(point, table, by_metric[key]) for key in sorted(by_metric)]
    if any(number.metric for number in point.numbers):
        return []
    return [_section(point, table, [])]


class _Trials:
    """What became of each trial of a task point, whatever its metrics."""

    def __init__(self, point: TaskPoint, labels: Sequence[str]) -> None:
        self.of: dict[str, dict[int | None, Number]] = {}
        runs: dict[str, set[str]] = defaultdict(set)
        seeds: dict[str, set[int]] = defaultdict(set)
        for number in point.numbers:
            if number.kind == "perf":
                continue  # costs are measured once per cell: they say nothing about seeds
            runs[number.label].add(number.run)
            trials = self.of.setdefault(number.label, {})
            if number.seed not in trials or number.status in FAILURES:
                trials[number.seed] = number
            if number.seed is not None:
                seeds[number.run].add(number.seed)
        self.labels = [label for label in labels if label in self.of]
        # every memory of a run was planned with all the seeds of that run
        self.planned = {
            label: sorted(set().union(*(seeds[run] for run in runs[label])))
            for label in self.labels
        }

    def seedless(self, label: str) -> bool:
        """Whether a memory's trials carry no seed."""
        return set(self.of[label]) == {None}

    def failure(self, label: str, seed: int | None) -> Failure:
        """Why a trial has no value of a metric that it should have."""
        trial = self.of[label].get(seed)
        if trial is None:
            return Failure(seed, "missing", "no record", "")
        if trial.status in FAILURES:
            return Failure(seed, trial.status, trial.message, trial.trial_key)
        return Failure(seed, "missing", "the record lacks this metric", trial.trial_key)


def _section(point: TaskPoint, table: _Trials, numbers: list[Number]) -> Section:
    by_label: dict[str, list[Number]] = defaultdict(list)
    for number in numbers:
        by_label[number.label].append(number)
    shown = min(numbers, key=_identity) if numbers else min(point.numbers, key=_identity)
    tested = bool(numbers) and shown.primary and shown.x is None
    return Section(
        task=point.task,
        task_label=point.label,
        task_params=point.params,
        block=point.block,
        metric=shown.metric,
        x=shown.x,
        unit=shown.unit,
        direction=_direction(shown),
        kind=shown.kind,
        bounds=shown.bounds,
        seeded=shown.seeded,
        varies=shown.varies or ("data and initialisation" if shown.seeded else "initialisation"),
        tested=tested,
        chance=shown.chance,
        ceiling=shown.ceiling,
        rows=tuple(
            _with_standing(_row(label, table, by_label[label], tested), point.standings)
            for label in table.labels
        ),
    )


def _with_standing(row: Row, standings: Mapping[str, Mapping[str, Any]]) -> Row:
    known = standings.get(row.label, {})
    return replace(
        row,
        ranked=known.get("ranked", True),
        fill=known.get("fill"),
        marks=tuple(known.get("marks", ())),
    )


def _identity(number: Number) -> tuple[bool, str, int, str]:
    # ok records carry the metric's full description, so they speak for the section
    seed = -1 if number.seed is None else number.seed
    return number.status != "ok", number.label, seed, number.run


def _direction(number: Number) -> Direction:
    if number.direction not in ("lower", "higher"):
        raise MembError(
            f"metric '{number.metric}' has direction '{number.direction}'",
            help="a task declares 'lower' or 'higher' for each of its metrics",
        )
    return cast(Direction, number.direction)


def _row(label: str, table: _Trials, numbers: list[Number], tested: bool) -> Row:
    about = min(table.of[label].values(), key=_identity)
    seedless = all(n.seed is None for n in numbers) if numbers else table.seedless(label)
    planned = [] if seedless else table.planned[label]
    found = _values(numbers)
    places: list[int | None] = [None] if seedless else list(planned)
    holes = [seed for seed in places if seed not in found]
    if numbers or tested:
        failures = [_hole(label, seed, table, numbers) for seed in holes]
    else:
        failures = [_unreported(label, seed, table) for seed in holes]
    ok = [seed for seed in places if seed in found]
    speaker = min(numbers, key=_identity) if numbers else about
    return Row(
        label=label,
        memory=about.memory,
        params=about.memory_params,
        state=_state(len(ok), failures),
        deterministic=seedless and speaker.deterministic,
        seedless=seedless,
        planned=tuple(planned),
        seeds=() if seedless else tuple(seed for seed in ok if seed is not None),
        values=tuple(found[seed] for seed in ok),
        failures=tuple(failures),
        resolution=max((n.resolution for n in numbers), default=0.0),
        n_eval=speaker.n_eval,
    )


def _values(numbers: Iterable[Number]) -> dict[int | None, float]:
    """Finite values by seed.

    Raises:
        MembError: If one trial has two different values of a metric.
    """
    found: dict[int | None, list[Number]] = defaultdict(list)
    for number in numbers:
        if number.status == "ok" and math.isfinite(number.value):
            found[number.seed].append(number)
    values = {}
    for seed, repeats in found.items():
        first = repeats[0]
        if len(repeats) == 1:
            values[seed] = first.value
            continue
        distinct = {number.value for number in repeats}
        if len(distinct) > 1 and first.kind != "perf":
            raise MembError(
                f"'{first.label}' has {len(distinct)} values of {first.metric} for seed {seed}: "
                + ", ".join(str(value) for value in sorted(distinct)),
                help="the records mix two versions of a trial: compare one run, or rerun it fresh",
            )
        values[seed] = statistics.median(number.value for number in repeats)
    return values


def _hole(label: str, seed: int | None, table: _Trials, numbers: Sequence[Number]) -> Failure:
    """Why a seed has no finite value: as its own record says, or as its trial does."""
    for number in numbers:
        if number.seed == seed:
            status = number.status if number.status in FAILURES else "nonfinite"
            message = number.message or ("the value is not finite" if status == "nonfinite" else "")
            return Failure(seed, status, message, number.trial_key)
    return table.failure(label, seed)


def _unreported(label: str, seed: int | None, table: _Trials) -> Failure:
    """A hole in a metric that no trial of this memory reports: finished ones have no use for it."""
    found = table.failure(label, seed)
    trial = table.of[label].get(seed)
    if trial is not None and trial.status in FAILURES:
        return found
    return Failure(seed, "skipped", "not reported by this memory", found.trial_key)


def _state(n_ok: int, failures: Sequence[Failure]) -> State:
    statuses = {failure.status for failure in failures}
    if n_ok:
        return "partial" if failures else "complete"
    if statuses == {"skipped"}:
        return "skipped"
    # more seeds of what does not fit never had to run
    return "missing" if statuses <= {"missing", "skipped"} else "failed"
