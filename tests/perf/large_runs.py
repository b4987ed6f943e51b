"""Run folders of any size, as `memb run` would leave them, without running anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.store import MANIFEST_SCHEMA, RECORD_SCHEMA

CALL = "20250101T000000+0000-000000"
BLOCKS = 5
"""Families that the task points of a run belong to."""


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        memories: Memories, every one on every task point.
        tasks: Task points.
        seeds: Trials of each memory on each task point.
        metrics: Quality metrics of each trial; the first is primary.
        points: Points of a curve in each trial, beside these.
    """

    memories: int
    tasks: int
    seeds: int
    metrics: int
    points: int = 0

    @property
    def trials(self) -> int:
        """Lines of records.jsonl that trials take."""
        return self.memories * self.tasks * self.seeds

    @property
    def numbers(self) -> int:
        """Values of metrics, curves and both measures of size in all trials."""
        return self.trials * (self.metrics + self.points + 2)


def write_run(folder: Path, size: Size) -> Path:
    """Write a finished run of a size: a manifest, a line per trial, the costs of each cell."""
    folder.mkdir(parents=True)
    cells = list(_cells(size))
    (folder / "manifest.json").write_text(json.dumps(_manifest(cells, size), indent=1))
    rng = np.random.default_rng(0)
    with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
        for number, cell in enumerate(cells):
            skill = 0.4 + 0.5 * (number % size.memories) / size.memories
            for record in (*_trials(cell, skill, size, rng), _costs(cell)):
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
    return folder


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _cells(size: Size) -> Iterator[dict[str, Any]]:
    for t in range(size.tasks):
        params = {"dim": 64, "items": t + 1, "noise": 0.0, "key_dist": "unit", "pool": 1024}
        for m in range(size.memories):
            yield {
                "label": f"memory-{m}",
                "listed": "delta",
                "memory": "delta",
                "memory_params": {"decay": 1 - m / 100, "key_norm": "unit", "phi": "identity"},
                "tune": {},
                "task": "pair-recall",
                "task_label": f"pair-recall[items={t + 1}]",
                "task_params": params,
                "block": f"block-{t % BLOCKS}",
                "protocol_hash": _key("protocol", t),
                "code": _key("code"),
                "seeded": True,
                "varies": "data and initialisation",
                "deterministic": False,
                "skipped": "",
                "meta": "none",
                "standing": {"ranked": True, "fill": None, "marks": []},
                "trials": [[seed, _key("trial", t, m, seed)] for seed in range(size.seeds)],
                "cell_key": _key("cell", t, m),
            }


def _metric(name: str, value: float, **about: Any) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": "",
        "direction": "higher",
        "kind": "quality",
        "bounds": [0.0, 1.0],
        "resolution": 0.0,
        "primary": False,
        "chance": 1 / 1024,
        "ceiling": 1.0,
        **about,
    }


def _record(cell: dict[str, Any], kind: str, seed: int | None, key: str) -> dict[str, Any]:
    shared = ("cell_key", "protocol_hash", "memory", "label", "memory_params")
    task = ("task", "task_label", "task_params", "block")
    return {
        "schema": RECORD_SCHEMA,
        "kind": kind,
        "trial_key": key,
        **{name: cell[name] for name in (*shared, *task)},
        "seed": seed,
        "status": "ok",
        "message": "",
        "traceback": "",
        "n_eval": 25,
        "metrics": [],
        "costs": {},
        "notes": {},
        "marks": [],
        "series": None,
        "wall_s": 0.013358,
        "call_id": CALL,
        "left": 0,
    }


def _trials(
    cell: dict[str, Any], skill: float, size: Size, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    values = rng.normal(skill, 0.05, (size.seeds, size.metrics + size.points)).clip(0, 1)
    for (seed, key), row in zip(cell["trials"], values.tolist(), strict=True):
        metrics = [
            _metric(f"metric_{k}", value, primary=k == 0)
            for k, value in enumerate(row[: size.metrics])
        ]
        metrics += [
            _metric("curve", value, x=float(x)) for x, value in enumerate(row[size.metrics :])
        ]
        sizes = {"state_floats": 4096, "param_floats": 0}
        yield _record(cell, "trial", seed, key) | {"metrics": metrics, "costs": sizes}


def _costs(cell: dict[str, Any]) -> dict[str, Any]:
    about = {"direction": "lower", "kind": "perf", "bounds": [0.0, None], "ceiling": None}
    metrics = [
        _metric(name, 12.5, unit=f"us/{per}", x=x, **about)
        for x in (1.0, 256.0)
        for name, per in (("write_us", "event"), ("read_us", "query"))
    ]
    return _record(cell, "costs", None, _key("costs", cell["cell_key"])) | {"metrics": metrics}


def _manifest(cells: list[dict[str, Any]], size: Size) -> dict[str, Any]:
    started = "2025-01-01T00:00:00+00:00"
    provenance = {"memb": "0", "torch": "2", "cpu": "", "device": "cpu", "git": {}}
    call = {
        "call_id": CALL,
        "started": started,
        "ended": started,
        "stopped": started,
        "suite": {
            "name": "large",
            "description": "",
            "seeds": list(range(size.seeds)),
            "memories": [],
            "tasks": [],
            "reference": ["memory-0"],
            "statistics": {"test": "auto", "correction": "holm", "alpha": 0.05},
        },
        "plan": cells,
        "provenance": provenance,
    }
    return {"schema": MANIFEST_SCHEMA, "calls": [call]}
