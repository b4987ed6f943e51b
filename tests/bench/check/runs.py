"""Run folders and baselines from a few lines of values, without running anything."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.check import Policy, check, update
from bench.check.model import CellVerdict, CheckReport
from bench.plan import DTYPE
from bench.store import MANIFEST_SCHEMA, RECORD_SCHEMA
from tests.bench.stats.worked import B

PROVENANCE: dict[str, Any] = {
    "memb": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6",
    "git": {"commit": "c0ffee", "dirty": False}, "cpu": "Abacus 1", "cores": 4, "device": "cpu",
    "threads": 1, "dtype": DTYPE, "command": ["memb"],
}  # fmt: skip


Values = Sequence[float | str | None]
"""Of each seed a value, the status that it failed with, or None where it never ran."""
FIVE = [float(value) for value in B]
"""Losses of five seeds."""


@dataclass(frozen=True)
class Kind:
    """A metric as a record describes it."""

    name: str = "mse"
    direction: str = "lower"
    unit: str = ""
    bounds: tuple[float | None, float | None] = (0.0, None)
    resolution: float = 0.0
    primary: bool = True
    kind: str = "quality"
    x: float | None = None

    def at(self, value: float) -> dict[str, Any]:
        described = {
            "name": self.name, "value": None if math.isnan(value) else value,
            "unit": self.unit, "direction": self.direction,
            "kind": self.kind, "bounds": list(self.bounds), "resolution": self.resolution,
            "primary": self.primary, "chance": None, "ceiling": None,
        }  # fmt: skip
        return described if self.x is None else described | {"x": self.x}


MSE = Kind()
ACCURACY = Kind("accuracy", "higher", bounds=(0.0, 1.0))
CAPACITY = Kind("capacity_90", "higher", "items", bounds=(0.0, 512.0))
CURVE = Kind("acc_by_load", "higher", bounds=(0.0, 1.0), primary=False, x=64.0)


def short(*parts: object) -> str:
    """A stable identifier."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass
class RunBuilder:
    """Collects rows of trials and writes them as a finished run."""

    suite: str = "gate"
    statistics: Mapping[str, Any] = field(default_factory=lambda: {"alpha": 0.05})
    provenance: Mapping[str, Any] = field(default_factory=lambda: dict(PROVENANCE))
    plan: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def row(
        self,
        label: str,
        values: Sequence[float | str | None],
        *,
        metric: Kind | Sequence[Kind] = MSE,
        task: str = "recall",
        seeds: Sequence[int | None] | None = None,
        params: Mapping[str, Any] | None = None,
        task_params: Mapping[str, Any] | None = None,
        protocol: str = "p1",
        deterministic: bool = False,
        state_floats: int | None = None,
        meta: str = "none",
        costs: Sequence[Mapping[str, Any]] = (),
    ) -> RunBuilder:
        """A memory's trials on a task: values, a status that failed, or None for no record.

        Several metrics have the same values.
        """
        kinds = [metric] if isinstance(metric, Kind) else list(metric)
        chosen = list(range(len(values))) if seeds is None else list(seeds)
        about: dict[str, Any] = {
            "label": label, "listed": label, "memory": label.partition("@")[0],
            "memory_params": dict(params or {}), "tune": {}, "task": "pair-recall",
            "task_label": task, "task_params": dict(task_params or {"items": 5}), "block": task,
            "protocol_hash": short(protocol, task), "code": "code", "seeded": True,
            "varies": "data", "deterministic": deterministic, "skipped": "", "meta": meta,
            "standing": {}, "cell_key": short(label, task, protocol, params, meta),
        }  # fmt: skip
        about["trials"] = [[seed, short(about["cell_key"], seed)] for seed in chosen]
        self.plan.append(about)
        for (_, key), seed, value in zip(about["trials"], chosen, values, strict=True):
            if value is not None:
                counts = {} if state_floats is None else {"state_floats": state_floats}
                self.records.append(_record(about, key, seed, value, kinds, counts))
        if costs:
            self.records.append(_costs(about, costs))
        return self

    def write(self, folder: Path) -> Path:
        """The run on disk."""
        folder.mkdir(parents=True, exist_ok=True)
        call = {
            "call_id": "call-1", "started": "2026-01-01T00:00:00+00:00",
            "ended": "2026-01-01T00:01:00+00:00", "plan": self.plan,
            "suite": {"name": self.suite, "statistics": dict(self.statistics), "reference": []},
            "provenance": dict(self.provenance),
        }  # fmt: skip
        manifest = {"schema": MANIFEST_SCHEMA, "calls": [call]}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        lines = "".join(f"{json.dumps(record)}\n" for record in self.records)
        (folder / "records.jsonl").write_text(lines, encoding="utf-8")
        return folder

    def baseline(self, folder: Path, **policy: Any) -> Path:
        """A baseline written from the run."""
        update(self.write(folder / "first"), folder / "baseline.json", Policy(**policy))
        return folder / "baseline.json"

    def copy(self) -> RunBuilder:
        """A run to change."""
        return copy.deepcopy(self)


def _record(
    about: Mapping[str, Any],
    key: str,
    seed: int | None,
    value: float | str,
    kinds: Sequence[Kind],
    costs: Mapping[str, float],
) -> dict[str, Any]:
    failed = isinstance(value, str)
    known = ("memory", "label", "memory_params", "task", "task_label", "task_params", "block")
    return {
        "schema": RECORD_SCHEMA, "kind": "trial", "trial_key": key, "seed": seed,
        "cell_key": about["cell_key"], "protocol_hash": about["protocol_hash"],
        **{name: about[name] for name in known},
        "status": value if failed else "ok", "message": "it broke\nhere" if failed else "",
        "traceback": "", "n_eval": 10,
        "metrics": [] if failed else [kind.at(float(value)) for kind in kinds],
        "costs": {} if failed else dict(costs), "notes": {}, "marks": [], "series": None,
        "wall_s": 0.5, "call_id": "call-1",
    }  # fmt: skip


def _costs(about: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    empty = _record(about, short(about["cell_key"], "costs"), None, 0.0, (), {})
    return empty | {"kind": "costs", "metrics": list(metrics), "wall_s": 0.0}


def verdict_of(report: CheckReport, label: str, metric: str = "mse") -> CellVerdict:
    """The verdict on the one cell of a memory and metric."""
    (found,) = [c for c in report.cells if (c.cell.label, c.cell.metric) == (label, metric)]
    return found


def held(
    folder: Path,
    before: dict[str, Values],
    now: dict[str, Values],
    *,
    metric: Kind | Sequence[Kind] = MSE,
    baseline: dict[str, Any] | None = None,
    row: dict[str, Any] | None = None,
    **policy: Any,
) -> CheckReport:
    """The report of a run of these values by label against a baseline of others."""
    first, second = RunBuilder(), RunBuilder()
    for builder, rows in ((first, before), (second, now)):
        for label, values in rows.items():
            builder.row(label, values, metric=metric, **(row or {}))
    file = first.baseline(folder, **(baseline or {}))
    (report,) = check(second.write(folder / "now"), [file], Policy(**policy))
    return report
