"""The cells of a run as a check sees them: trials by seed, and the numbers they gave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from bench import tolerances
from bench.check import environment
from bench.check.model import Cell, Environment, Repeats, Source
from bench.frame import STATIC
from bench.records import union
from bench.running.cache import digest
from bench.store import Record, RunFolder
from bench.tolerances import Tolerance

Key: TypeAlias = tuple[str, float | None]
"""Name of a metric and its coordinate."""

EXACT_RTOL = {"float32": 1e-5, "float64": 1e-9}
"""Relative differences that another number of lanes or threads makes: the order of sums changes."""


@dataclass(frozen=True)
class Trial:
    """What became of one seed.

    Attributes:
        status: ``ok``, ``skipped``, ``missing`` or the kind of failure.
        message: The reason, as recorded.
        metrics: What it measured, by name and coordinate, counts included.
        wall_s: Seconds it took.
    """

    status: str
    message: str = ""
    metrics: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def reason(self) -> str:
        """Why there is no value, in one line."""
        first = self.message.strip().partition("\n")[0]
        return f"{self.status}: {first}" if first else self.status


@dataclass(frozen=True)
class Row:
    """One memory on one task point: its trials by seed, and what it cost."""

    row_id: str
    about: Mapping[str, Any]
    trials: Mapping[int | None, Trial]
    costs: Mapping[Key, Mapping[str, Any]]

    @property
    def skipped(self) -> bool:
        """Whether the pair is declared not to meet."""
        return all(trial.status == "skipped" for trial in self.trials.values())

    @property
    def wall_s(self) -> float:
        """Seconds its trials took together."""
        return sum(trial.wall_s for trial in self.trials.values())

    def metric(self, key: Key) -> Mapping[str, Any] | None:
        """A metric as the first trial that measured it describes it; None if none did."""
        of_trials = (trial.metrics[key] for trial in self.trials.values() if key in trial.metrics)
        return next(of_trials, self.costs.get(key))

    def values(self, key: Key) -> tuple[dict[int | None, float | None], dict[int | None, str]]:
        """Value of a metric by seed, None where there is none, and why there is none.

        A reason that begins with ``missing`` is no failure: the trial never ran, or does not
        report this metric.
        """
        values: dict[int | None, float | None] = {}
        reasons: dict[int | None, str] = {}
        for seed, trial in self.trials.items():
            value = trial.metrics[key]["value"] if key in trial.metrics else None
            if value is not None:
                values[seed] = float(value)
                continue
            values[seed] = None
            if trial.status != "ok":
                reasons[seed] = trial.reason
            elif key in trial.metrics:
                reasons[seed] = "nonfinite: the value is not finite"
            else:
                reasons[seed] = "missing: the record lacks this metric"
        return values, reasons


class Run:
    """One run folder, through the plan of one of its calls.

    Args:
        path: The run's folder.
        call: The call whose plan is taken; the latest if None.

    Attributes:
        rows: Its rows by identity, in the plan's order.
        environments: The distinct environments that its records were made in.
        statistics: The suite's statistics block.
        finished: Whether the call came to its end.
        seeds_extended: Whether seeds were added after results were seen.
        source: Where it comes from.

    Raises:
        MembError: If the folder holds no run, or no such call.
    """

    def __init__(self, path: Path, call: str | None = None) -> None:
        read = union.read(RunFolder(path), call)
        costs = _costs(read.best.values())
        self.rows: dict[str, Row] = {}
        for cell in read.plan:
            row = _row(cell, read.best, costs.get(cell["cell_key"], {}))
            self.rows.setdefault(row.row_id, row)
        self.statistics: Mapping[str, Any] = read.call["suite"]["statistics"]
        self.environments = _environments(read)
        self.finished = read.call["ended"] is not None
        self.seeds_extended = read.seeds_extended
        self.source = _source(path, read.call, self.environments[-1])

    @cached_property
    def described(self) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        """The metrics that any finished trial of a task point measured, by protocol."""
        found: dict[str, dict[Key, Mapping[str, Any]]] = {}
        for row in self.rows.values():
            known = found.setdefault(row.about["protocol_hash"], {})
            for trial in row.trials.values():
                for key, metric in trial.metrics.items():
                    known.setdefault(key, metric)
        return found

    def metrics(self) -> set[str]:
        """Names of all metrics that are recorded."""
        of_costs = {name for row in self.rows.values() for name, _ in row.costs}
        return of_costs | {name for measured in self.described.values() for name, _ in measured}

    def cells(
        self, metrics: Sequence[str] | None, overrides: Mapping[str, Tolerance]
    ) -> list[Cell]:
        """The run's cells by task, memory, metric and coordinate; skipped pairs are none.

        Args:
            metrics: Metrics to take, curves included; None for primary scalars, counts and timed
                costs.
            overrides: Tolerances in place of the defaults, by metric.
        """
        found = [
            self.cell(row, key, metric, overrides)
            for row in self.rows.values()
            if not row.skipped
            for key, metric in self._wanted(row, metrics)
        ]
        return sorted(found, key=place)

    def _wanted(
        self, row: Row, metrics: Sequence[str] | None
    ) -> Iterator[tuple[Key, Mapping[str, Any]]]:
        own: dict[Key, Mapping[str, Any]] = {}
        for trial in row.trials.values():
            own |= {key: metric for key, metric in trial.metrics.items() if key not in own}
        if any(trial.status != "ok" for trial in row.trials.values()):
            # what a failed trial would have measured, as others of its task point did
            everyone = self.described[row.about["protocol_hash"]]
            named = metrics is not None
            own |= {k: m for k, m in everyone.items() if k not in own and (m["primary"] or named)}
        if not own:
            yield ("", None), _metric("", math.nan, primary=True)
        for key, metric in (own | dict(row.costs)).items():
            if key[0] in metrics if metrics is not None else _by_default(metric):
                yield key, metric

    @property
    def _exact_rtol(self) -> float:
        return EXACT_RTOL.get(str(self.environments[-1].get("dtype")), 0.0)

    def cell(
        self,
        row: Row,
        key: Key,
        metric: Mapping[str, Any],
        overrides: Mapping[str, Tolerance] | None = None,
    ) -> Cell:
        """One cell of a row: the values of a metric over the row's seeds."""
        name, x = key
        low, high = metric["bounds"]
        perf = metric["kind"] == "perf"
        values, failures = ({}, {}) if perf else row.values(key)
        about = row.about
        return Cell(
            cell_id=digest([*_identity(about), name, x]),
            row_id=row.row_id,
            label=about["label"],
            memory=about["memory"],
            memory_params=about["memory_params"],
            task=about["task"],
            task_label=about["task_label"],
            task_params=about["task_params"],
            protocol_hash=about["protocol_hash"],
            metric=name,
            x=x,
            unit=metric["unit"],
            direction=metric["direction"],
            kind=metric["kind"],
            bounds=(low, high),
            resolution=float(metric["resolution"]),
            primary=bool(metric["primary"]),
            deterministic=bool(about["deterministic"]),
            tolerance=(overrides or {}).get(name, _usual(metric)),
            exact_rtol=self._exact_rtol if metric["kind"] == "quality" else 0.0,
            values=values,
            failures=failures,
            repeats=_repeats(metric) if perf else None,
            wall_s=row.wall_s,
        )


def place(cell: Cell) -> tuple[str, str, str, float, str]:
    """Sorting key: task, memory, metric, coordinate."""
    x = -math.inf if cell.x is None else cell.x
    return cell.task_label, cell.label, cell.metric, x, cell.cell_id


def _identity(about: Mapping[str, Any]) -> list[Any]:
    """What makes two rows the same: what a trial depends on beside seed, code and machine."""
    more: list[Any] = [about["tune"]] if about["tune"] else []
    more += [] if about["meta"] == "none" else [about["meta"]]
    return [about["protocol_hash"], about["memory"], about["memory_params"], *more]


def _row(
    cell: Mapping[str, Any], best: Mapping[str, Record], costs: Mapping[Key, Mapping[str, Any]]
) -> Row:
    trials = {seed: _trial(best.get(key)) for seed, key in cell["trials"]}
    about = {"tune": {}, "meta": "none", **cell}
    return Row(digest(_identity(about)), about, trials, costs)


def _trial(record: Record | None) -> Trial:
    if record is None:
        return Trial("missing", "never ran")
    if record["status"] != "ok":
        return Trial(record["status"], record["message"], wall_s=record["wall_s"])
    metrics = {_key(metric): metric for metric in record["metrics"]}
    for name, unit in STATIC.items():
        if name in record["costs"]:
            metrics[name, None] = _metric(
                name, record["costs"][name], unit=unit, direction="lower", kind="static"
            )
    return Trial("ok", "", metrics, record["wall_s"])


def _metric(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "value": value, "unit": "", "direction": "lower", "kind": "quality",
        "bounds": (0.0, None), "resolution": 0.0, "primary": False, **more,
    }  # fmt: skip


def _usual(metric: Mapping[str, Any]) -> Tolerance:
    """The tolerance of a metric by its class."""
    low, high = (math.nan if end is None else float(end) for end in metric["bounds"])
    return tolerances.default(metric["kind"], metric["unit"], (low, high))


def _key(metric: Mapping[str, Any]) -> Key:
    x = metric.get("x")
    return metric["name"], None if x is None else float(x)


def _by_default(metric: Mapping[str, Any]) -> bool:
    """Whether a check takes a metric that nobody asked for."""
    if metric["kind"] == "perf":
        return _repeats(metric) is not None
    return metric.get("x") is None and (metric["primary"] or metric["kind"] == "static")


def _repeats(metric: Mapping[str, Any]) -> Repeats | None:
    raw, calibrated = metric.get("repeats"), metric.get("calibrated")
    if not raw or not calibrated:
        return None
    return Repeats(tuple(map(float, raw)), tuple(map(float, calibrated)))


def _costs(records: Iterable[Record]) -> dict[str, dict[Key, Mapping[str, Any]]]:
    """Cost metrics by the key of their cell; the first record of a cell speaks."""
    found: dict[str, dict[Key, Mapping[str, Any]]] = {}
    for record in records:
        if record["kind"] == "costs":
            metrics = {_key(metric): metric for metric in record["metrics"]}
            found.setdefault(record["cell_key"], metrics)
    return found


def _environments(run: union.Source) -> tuple[Environment, ...]:
    """The distinct environments of the calls that made the records of a plan."""
    keys = [key for cell in run.plan for _, key in cell["trials"]]
    used = {run.best[key]["call_id"] for key in keys if key in run.best}
    made = [call["provenance"] for call in run.calls if call["call_id"] in used]
    found = [environment.of(facts) for facts in made or [run.call["provenance"]]]
    return tuple({digest(one): one for one in found}.values())


def _source(path: Path, call: Mapping[str, Any], env: Environment) -> Source:
    provenance = call["provenance"]
    git = provenance.get("git") or {}
    return Source(
        path=str(path),
        suite=call["suite"]["name"],
        created=call["started"],
        memb_version=provenance["memb"],
        git_commit=git.get("commit"),
        environment=env,
    )
