"""Records as a tidy table: one row per number, holes included, in the plan's order.

The table's attributes carry what no row can: the order of labels and tasks, the reference, the
statistics settings, and where the records come from. Nothing here imports torch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from bench import remarks
from bench.errors import MembError
from bench.garbage import nothing_collected
from bench.records import union
from bench.records.condensed import Measured
from bench.records.long_table import OF_CELL, About, LongTable
from bench.store import Record, RunFolder

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

_SIZE = {"direction": "lower", "kind": "static", "bounds": (0.0, None), "primary": False}
_SIZES: Mapping[tuple[str, ...], list[About]] = {
    names: [{"name": name, "unit": STATIC[name], **_SIZE} for name in names]
    for n in range(len(STATIC) + 1)
    for names in combinations(STATIC, n)
}
_UNKNOWN: tuple[About] = ({},)
"""In place of the metrics of a task point of which no trial finished."""


def load(
    runs: Sequence[Path] = (), *, call: str | None = None, headline: bool = False
) -> pd.DataFrame:
    """The numbers of one or several runs.

    Every trial that the latest call of a run planned is there: one that failed, was skipped or
    never ran has one row per primary metric of its task point, without a value.

    Args:
        runs: Run folders; the newest one under ``results/`` if empty.
        call: Take the plan of this call instead of the latest.
        headline: Only what a leaderboard shows unasked: of each finished trial its primary
            scalars, no other metric, no curve, no cost; everything of one that has none.

    Returns:
        Columns `COLUMNS`; attributes ``labels``, ``tasks``, ``reference``, ``statistics``,
        ``suite``, ``seeds_extended``, ``runs``, ``remarks``: what the trials warn of, and
        ``standings``: by task and memory, whether the row is ranked, how full its budget is, and
        the short labels that it carries, and ``series``: by trial key, path and sha256 of the
        file with its per-step series.

    Raises:
        MembError: If a folder holds no run, or two records of one trial contradict each other.
    """
    folders = [RunFolder(path) for path in runs or [newest()]]
    with nothing_collected():
        sources = [union.read(folder, call, brief=True) for folder in folders]
        run = _Run(sources[0] if len(sources) == 1 else union.unite(sources).whole)
        frame = run.numbers(headline=headline).frame(COLUMNS)
    frame.attrs = {
        "labels": run.labels,
        "tasks": run.tasks,
        "reference": run.suite["reference"],
        "statistics": run.suite["statistics"],
        "suite": run.suite["name"],
        "seeds_extended": run.seeds_extended,
        "runs": list(run.facts()),
        "remarks": [*run.remarks(), *run.call.get("remarks", ())],
        "standings": run.standings(),
        "series": {key: stored for source in sources for key, stored in _Run(source).series()},
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


_SILENT: Record = {"notes": {}, "marks": (), "series": None}
"""In place of a trial that never ran, or that there is nothing to say about."""


class _Headline:
    """The primary scalars among metrics; trials that say the same of them are picked alike."""

    def __init__(self) -> None:
        self.places: dict[int, tuple[list[About], list[About], list[int]]] = {}

    def of(self, measured: Measured) -> tuple[list[About], list[float | None]] | None:
        """What is said of them and their values; None if there are none."""
        known = self.places.get(id(measured.abouts))
        if known is None:
            places = [
                place
                for place, about in enumerate(measured.abouts)
                if about["primary"] and about.get("x") is None
            ]
            said = [measured.abouts[place] for place in places]
            # the list itself is kept, or its id could become another's
            known = self.places[id(measured.abouts)] = (measured.abouts, said, places)
        _, said, places = known
        return (said, [measured.values[place] for place in places]) if places else None


class _Run:
    """One run, or several united, seen through the plan of one call."""

    def __init__(self, source: union.Source) -> None:
        self.folder = source.folder
        self.call = source.call
        self.suite: dict[str, Any] = self.call["suite"]
        self.cells = source.plan
        self.best = source.best
        self.remarkable = {
            key: record
            for key, record in source.best.items()
            if record["notes"] or record["marks"] or record["series"]
        }
        self.seeds_extended = source.seeds_extended
        # a merged run knows which run each of its trials is from
        self.run_of = {
            key: run
            for cell in self.cells
            for (_, key), run in zip(cell["trials"], cell.get("runs", ()), strict=False)
        }

    @property
    def labels(self) -> list[str]:
        """Labels in the suite's order."""
        return list(dict.fromkeys(cell["label"] for cell in self.cells))

    @property
    def tasks(self) -> list[str]:
        """Task labels in the suite's order."""
        return list(dict.fromkeys(cell["task_label"] for cell in self.cells))

    def facts(self) -> Iterator[dict[str, Any]]:
        """Where the numbers come from, by run."""
        own = [{"path": str(self.folder.path), "calls": [self.call]}]
        for source in self.call.get("sources", own):
            call = source["calls"][-1]
            known = ("memb", "git", "torch", "device", "cpu")
            yield {
                "path": source["path"],
                "call_id": call["call_id"],
                **{key: call["provenance"][key] for key in known},
                "started": call["started"],
            }

    def remarks(self) -> list[str]:
        """What finished trials warn of: once, with the memories that say it and on which tasks."""
        said: dict[tuple[str, str], Counter[str]] = {}
        planned: dict[str, Counter[str]] = {}
        for cell in self.cells:
            task, label = cell["task_label"], cell["label"]
            planned.setdefault(task, Counter())[label] += len(cell["trials"])
            for _, key in cell["trials"]:
                for warning in self.remarkable.get(key, _SILENT)["notes"].get("warnings", ()):
                    said.setdefault((task, warning), Counter())[label] += 1
        return remarks.sentences(said, planned)

    def numbers(self, *, headline: bool) -> LongTable:
        """One row per number or hole."""
        table = LongTable()
        primary = self._primary_metrics()
        costs = {} if headline else self._cost_records()
        pick = _Headline() if headline else None
        for cell in self.cells:
            table.cell(
                **{
                    **{name: cell[name] for name in OF_CELL},
                    "task_params": json.dumps(cell["task_params"], sort_keys=True),
                    "memory_params": json.dumps(cell["memory_params"], sort_keys=True),
                }
            )
            holes = primary.get(cell["protocol_hash"]) or _UNKNOWN
            for seed, key in cell["trials"]:
                self._trial(table, seed, key, holes, pick)
            for record in costs.get(cell["cell_key"], ()):
                self._begin(table, None, record["trial_key"], record)
                table.add(record["metrics"].abouts, record["metrics"].values)
        return table

    def _trial(
        self,
        table: LongTable,
        seed: int | None,
        key: str,
        holes: Sequence[About],
        pick: _Headline | None,
    ) -> None:
        record = self.best.get(key)
        self._begin(table, seed, key, record)
        if record is None or record["status"] != "ok":
            table.add(holes, [None] * len(holes))
            return
        measured = record["metrics"]
        chosen = pick.of(measured) if pick else None
        if chosen:
            table.add(*chosen)
            return
        table.add(measured.abouts, measured.values)
        names = tuple([name for name in STATIC if name in record["costs"]])
        table.add(_SIZES[names], [record["costs"][name] for name in names])

    def _begin(self, table: LongTable, seed: int | None, key: str, record: Record | None) -> None:
        table.trial(
            seed=seed,
            n_eval=record["n_eval"] if record else 0,
            status=record["status"] if record else "missing",
            message=record["message"] if record else "never ran",
            trial_key=key,
            call_id=record["call_id"] if record else "",
            run=self.run_of.get(key, self.folder.path.name),
        )

    def _primary_metrics(self) -> dict[str, list[About]]:
        """What the finished trials of a task point measured as primary, wherever one finished."""
        found: dict[str, list[About]] = {}
        for record in self.best.values():
            finished = record["kind"] == "trial" and record["status"] == "ok"
            if finished and record["protocol_hash"] not in found:
                primary = [about for about in record["metrics"].abouts if about["primary"]]
                found[record["protocol_hash"]] = primary
        return found

    def _cost_records(self) -> dict[str, list[Record]]:
        """Records of costs by the key of their cell."""
        found: dict[str, list[Record]] = {}
        for record in self.best.values():
            if record["kind"] == "costs":
                found.setdefault(record["cell_key"], []).append(record)
        return found

    def series(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Of each planned trial that stored series: its key, their file and that file's sha256."""
        for cell in self.cells:
            for _, key in cell["trials"]:
                stored = self.remarkable.get(key, _SILENT)["series"]
                if stored:
                    yield key, (str(self.folder.path / stored["path"]), stored["sha256"])

    def standings(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By task and memory, what the plan and the finished trials say about the row."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for cell in self.cells:
            said = Counter(
                mark
                for _, key in cell["trials"]
                for mark in self.remarkable.get(key, _SILENT)["marks"]
            )
            n = len(cell["trials"])
            of_trials = [m if k == n else f"{m} ({k} of {n} seeds)" for m, k in said.items()]
            known = cell.get("standing") or {}
            found.setdefault(cell["task_label"], {})[cell["label"]] = {
                "ranked": known.get("ranked", True),
                "fill": known.get("fill"),
                "marks": [*known.get("marks", ()), *of_trials],
            }
        return found
