"""Records as a tidy table: one row per number, holes included, in the plan's order.

The table's attributes carry what no row can: the order of labels and tasks, the reference, the
statistics settings, and where the records come from. Nothing here imports torch.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import MembError
from bench.store import Record, RunFolder, best_records

RESULTS = Path("results")
"""Where runs land unless another folder is named."""

COLUMNS = (
    "task", "task_label", "block", "task_params", "protocol_hash", "memory", "label",
    "memory_params", "metric", "unit", "direction", "kind", "bounds_lo", "bounds_hi", "resolution",
    "primary", "chance", "ceiling", "x", "seed", "value", "n_eval", "status", "message",
    "deterministic", "seeded", "varies", "trial_key", "call_id", "run",
)  # fmt: skip

STATIC = {"state_floats": "floats", "param_floats": "floats"}
"""Costs that a trial's record carries, with their unit; exact counts, no noise."""


def load(runs: Sequence[Path] = (), *, call: str | None = None) -> pd.DataFrame:
    """The numbers of one or several runs.

    Every trial that the latest call of a run planned is there: one that failed, was skipped or
    never ran has one row per primary metric of its task point, without a value.

    Args:
        runs: Run folders; the newest one under ``results/`` if empty.
        call: Take the plan of this call instead of the latest.

    Returns:
        Columns `COLUMNS`; attributes ``labels``, ``tasks``, ``reference``, ``statistics``,
        ``suite``, ``seeds_extended``, ``runs``, ``remarks``: what the trials warn of, and
        ``standings``: by task and memory, whether the row is ranked, how full its budget is, and
        the short labels that it carries.

    Raises:
        MembError: If a folder holds no run, or two records of one trial contradict each other.
    """
    folders = [RunFolder(path) for path in runs] or [RunFolder(newest())]
    parts = [_Run(folder, call) for folder in folders]
    if len(parts) > 1:
        _disambiguate(parts)
    rows = [row for part in parts for row in part.rows()]
    parts_of = ("trial_key", "task_label", "label", "metric", "x")
    unique = {tuple(row[part] for part in parts_of): row for row in rows}
    frame = pd.DataFrame(list(unique.values()), columns=list(COLUMNS))
    frame["seed"] = frame["seed"].astype("Int64")
    first = parts[0]
    frame.attrs = {
        "labels": list(dict.fromkeys(label for part in parts for label in part.labels)),
        "tasks": list(dict.fromkeys(task for part in parts for task in part.tasks)),
        "reference": [first.name(label) for label in first.suite["reference"]],
        "statistics": first.suite["statistics"],
        "suite": first.suite["name"],
        "seeds_extended": any(part.seeds_extended for part in parts),
        "runs": [part.facts() for part in parts],
        "remarks": [remark for part in parts for remark in part.remarks()],
        "standings": _standings(parts),
    }
    return frame


def newest(root: Path = RESULTS) -> Path:
    """The run folder under a root that was written to last.

    Raises:
        MembError: If there is none.
    """
    found = list(root.glob("*/manifest.json"))
    if not found:
        raise MembError(
            f"no run under {root}/", help="start one with 'memb run quickstart', or name a folder"
        )
    return max(found, key=lambda path: path.stat().st_mtime).parent


class _Run:
    """One run folder, seen through the plan of one of its calls."""

    def __init__(self, folder: RunFolder, call: str | None) -> None:
        if not folder.exists:
            raise MembError(
                f"no run in {folder.path}: it has no manifest.json",
                help="name a folder that 'memb run' wrote, such as results/quickstart",
            )
        self.folder = folder
        calls = folder.manifest()["calls"]
        matching = [entry for entry in calls if call is None or entry["call_id"] == call]
        if not matching:
            known = ", ".join(entry["call_id"] for entry in calls) or "none"
            raise MembError(f"no call '{call}' in {folder.path}", help=f"its calls: {known}")
        self.call = matching[-1]
        self.suite: dict[str, Any] = self.call["suite"]
        self.cells: list[dict[str, Any]] = self.call["plan"]
        self.best = best_records(folder.records())
        self.rename: dict[str, str] = {}
        self.seeds_extended = _extended(calls, self.call)

    @property
    def labels(self) -> list[str]:
        """Labels in the suite's order."""
        return list(dict.fromkeys(self.name(cell["label"]) for cell in self.cells))

    @property
    def tasks(self) -> list[str]:
        """Task labels in the suite's order."""
        return list(dict.fromkeys(cell["task_label"] for cell in self.cells))

    def name(self, label: str) -> str:
        """The label as it is shown."""
        return self.rename.get(label, label)

    def facts(self) -> dict[str, Any]:
        """Where the numbers come from."""
        provenance = self.call["provenance"]
        return {
            "path": str(self.folder.path),
            "call_id": self.call["call_id"],
            "memb": provenance["memb"],
            "git": provenance["git"],
            "torch": provenance["torch"],
            "device": provenance["device"],
            "cpu": provenance["cpu"],
            "started": self.call["started"],
        }

    def remarks(self) -> list[str]:
        """What finished trials warn of: once, with the memories that say it and on which tasks."""
        said: dict[tuple[str, str], Counter[str]] = {}
        planned: dict[str, Counter[str]] = {}
        for cell in self.cells:
            task, label = cell["task_label"], self.name(cell["label"])
            planned.setdefault(task, Counter())[label] += len(cell["trials"])
            for _, key in cell["trials"]:
                for warning in self.best.get(key, {"notes": {}})["notes"].get("warnings", ()):
                    said.setdefault((task, warning), Counter())[label] += 1
        alike: dict[tuple[str, str], list[str]] = {}
        for (task, warning), labels in said.items():
            alike.setdefault((_who(labels, planned[task]), warning), []).append(task)
        return [f"{who} on {', '.join(on)}: {warning}" for (who, warning), on in alike.items()]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per number or hole."""
        for cell in self.cells:
            primary = self._primary_metrics(cell["protocol_hash"])
            for seed, key in cell["trials"]:
                yield from self._trial(cell, seed, key, primary)
            yield from self._costs(cell)

    def _primary_metrics(self, protocol_hash: str) -> list[dict[str, Any]]:
        """What the task point's finished trials measured as primary, wherever one finished."""
        if not hasattr(self, "_by_protocol"):
            self._by_protocol: dict[str, list[dict[str, Any]]] = {}
            for record in self.best.values():
                if record["kind"] == "trial" and record["status"] == "ok":
                    found = [m for m in record["metrics"] if m["primary"]]
                    self._by_protocol.setdefault(record["protocol_hash"], found)
        return self._by_protocol.get(protocol_hash, [])

    def _trial(
        self, cell: Mapping[str, Any], seed: int | None, key: str, primary: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        record = self.best.get(key)
        base = self._base(cell, seed, key, record)
        if record is not None and record["status"] == "ok":
            for metric in record["metrics"]:
                yield base | _number(metric)
            for name, unit in STATIC.items():
                if name in record["costs"]:
                    yield base | _static(name, unit, record["costs"][name])
            return
        for metric in primary or [{}]:
            yield base | _number(metric) | {"value": math.nan}

    def _costs(self, cell: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for record in self._cost_records.get(cell["cell_key"], []):
            base = self._base(cell, None, record["trial_key"], record)
            for metric in record["metrics"]:
                yield base | _number(metric)

    @property
    def _cost_records(self) -> dict[str, list[Record]]:
        if not hasattr(self, "_by_cell"):
            self._by_cell: dict[str, list[Record]] = {}
            for record in self.best.values():
                if record["kind"] == "costs":
                    self._by_cell.setdefault(record["cell_key"], []).append(record)
        return self._by_cell

    def _base(
        self, cell: Mapping[str, Any], seed: int | None, key: str, record: Record | None
    ) -> dict[str, Any]:
        return {
            "task": cell["task"],
            "task_label": cell["task_label"],
            "block": cell["block"],
            "task_params": json.dumps(cell["task_params"], sort_keys=True),
            "protocol_hash": cell["protocol_hash"],
            "memory": cell["memory"],
            "label": self.name(cell["label"]),
            "memory_params": json.dumps(cell["memory_params"], sort_keys=True),
            "seed": seed,
            "n_eval": record["n_eval"] if record else 0,
            "status": record["status"] if record else "missing",
            "message": record["message"] if record else "never ran",
            "deterministic": cell["deterministic"],
            "seeded": cell["seeded"],
            "varies": cell["varies"],
            "trial_key": key,
            "call_id": record["call_id"] if record else "",
            "run": self.folder.path.name,
        }

    def standings(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Task, memory, and what the plan and the finished trials say about the row."""
        for cell in self.cells:
            label = self.name(cell["label"])
            said = Counter(
                mark
                for _, key in cell["trials"]
                for mark in self.best.get(key, {}).get("marks", ())
            )
            n = len(cell["trials"])
            of_trials = [m if k == n else f"{m} ({k} of {n} seeds)" for m, k in said.items()]
            known = cell.get("standing") or {}
            yield (
                cell["task_label"],
                label,
                {
                    "ranked": known.get("ranked", True),
                    "fill": known.get("fill"),
                    "marks": [*known.get("marks", ()), *of_trials],
                },
            )


def _standings(parts: Sequence[_Run]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for part in parts:
        for task, label, standing in part.standings():
            found.setdefault(task, {})[label] = standing
    return found


def _who(saying: Counter[str], planned: Counter[str]) -> str:
    """Which memories say something, with the seeds that do where not all of them do."""
    if saying == planned and len(planned) > 1:
        return "All memories"
    return ", ".join(
        label if n == planned[label] else f"{label} ({n} of {planned[label]} seeds)"
        for label, n in saying.items()
    )


def _number(metric: Mapping[str, Any]) -> dict[str, Any]:
    low, high = metric.get("bounds", (None, None))
    return {
        "metric": metric.get("name", ""),
        "unit": metric.get("unit", ""),
        "direction": metric.get("direction", "higher"),
        "kind": metric.get("kind", "quality"),
        "bounds_lo": _float(low),
        "bounds_hi": _float(high),
        "resolution": metric.get("resolution", 0.0),
        "primary": metric.get("primary", True),
        "chance": _float(metric.get("chance")),
        "ceiling": _float(metric.get("ceiling")),
        "x": _float(metric.get("x")),
        "value": _float(metric.get("value")),
    }


def _static(name: str, unit: str, value: float) -> dict[str, Any]:
    return _number(
        {
            "name": name,
            "value": value,
            "unit": unit,
            "direction": "lower",
            "kind": "static",
            "bounds": (0.0, None),
            "primary": False,
        }
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _extended(calls: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> bool:
    """Whether an earlier call of the same cells had fewer seeds: results were seen in between."""
    now = {cell["cell_key"]: {seed for seed, _ in cell["trials"]} for cell in last["plan"]}
    for call in calls:
        if call["call_id"] == last["call_id"] or not call["ended"]:
            continue
        for cell in call["plan"]:
            before = {seed for seed, _ in cell["trials"]}
            if before < now.get(cell["cell_key"], before):
                return True
    return False


def _disambiguate(parts: Sequence[_Run]) -> None:
    """Give a label that means different trials in different runs the name of its run."""
    meanings: dict[tuple[str, str], set[str]] = {}
    for part in parts:
        for cell in part.cells:
            meanings.setdefault((cell["label"], cell["task_label"]), set()).add(cell["cell_key"])
    clashing = {label for (label, _), known in meanings.items() if len(known) > 1}
    names = [part.folder.path.name for part in parts]
    for part, name in zip(parts, names, strict=True):
        run = name if names.count(name) == 1 else part.folder.path.as_posix()
        part.rename = {label: f"{label}@{run}" for label in clashing}
