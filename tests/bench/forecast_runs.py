"""Run folders of forecasters with their losses at each origin, written without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.store import RECORD_SCHEMA, RunFolder

HORIZON = 4
ORIGINS = 400


@dataclass
class ForecastRun:
    """Collects forecasters on task points; `write` gives the folder that `memb run` would leave.

    Attributes:
        path: The folder.
        seeds: Seeds of forecasters that have some.
    """

    path: Path
    seeds: Sequence[int] = range(5)
    cells: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def forecaster(
        self,
        label: str,
        losses: np.ndarray | Sequence[np.ndarray],
        *,
        task: str = "etth1",
        metric: str = "mse",
        series: str | None = "squared_error",
        seeded: bool = False,
        seeds: Sequence[int] | None = None,
        failed: Mapping[int, str] | None = None,
        values: Sequence[float] | None = None,
        direction: str = "lower",
        params: Mapping[str, Any] | None = None,
        **cell: Any,
    ) -> ForecastRun:
        """One forecaster with losses [n, T], a row per seed, or [T] if it is deterministic.

        Args:
            label: Its name.
            losses: Per origin; the metric is their mean unless `values` says otherwise.
            task: The task point.
            metric: Name of the primary metric.
            series: Name under which the losses are stored; None to store none.
            seeded: Whether the data differ between seeds.
            seeds: Its seeds; those of the run if None.
            failed: Statuses of seeds that failed.
            values: The metric's values.
            direction: Which values are better.
            params: Parameters of the task beside the horizon.
            cell: Further entries of the plan's cell.
        """
        rows = np.asarray(losses, dtype=np.float64)
        alone = rows.ndim == 1
        chosen: list[int | None] = [None] if alone else list(self.seeds if seeds is None else seeds)
        planned = {
            "label": label, "memory": label, "memory_params": {}, "task": "forecast",
            "task_label": task, "block": task, "protocol_hash": f"p-{task}",
            "task_params": {"dataset": task, "horizon": HORIZON, **(params or {})},
            "seeded": seeded, "varies": "data" if seeded else "initialisation",
            "deterministic": alone and not seeded, "cell_key": f"{task}-{label}",
            "listed": label, "code": "c",
            "tune": {}, "meta": "none", "skipped": "",
            "trials": [[seed, f"{task}-{label}-{seed}"] for seed in chosen],
            "standing": {"ranked": True, "fill": None, "marks": []}, **cell,
        }  # fmt: skip
        self.cells.append(planned)
        for i, (seed, key) in enumerate(planned["trials"]):
            status = (failed or {}).get(seed, "ok")
            record = _record(planned, seed, key, status)
            if status == "ok":
                row = np.atleast_2d(rows)[i].astype(np.float32)
                value = float(row.mean(dtype=np.float64)) if values is None else values[i]
                record["metrics"] = [_metric(metric, value, direction)]
                record["n_eval"] = row.size
                if series is not None:
                    record["series"] = RunFolder(self.path).write_series(key, {series: row})
            self.records.append(record)
        return self

    def write(self, **suite: Any) -> Path:
        """Write what was collected, and more if called again."""
        folder = RunFolder(self.path)
        call = {
            "call_id": "call-1", "started": "2026-01-01T00:00:00+00:00",
            "ended": "2026-01-01T00:01:00+00:00", "command": [], "plan": self.cells,
            "suite": {
                "name": "forecasts", "reference": [], "seeds": list(self.seeds),
                "memories": [], "tasks": [],
                "statistics": {"test": "auto", "correction": "holm", "alpha": 0.05}, **suite,
            },
            "provenance": {
                "memb": "0.1.0", "git": {"commit": "", "dirty": False}, "torch": "2.0",
                "device": "cpu", "cpu": "any", "python": "3.11", "numpy": "2.0", "threads": 1,
            },
        }  # fmt: skip
        folder.write_call(call)
        folder.records_file.unlink(missing_ok=True)
        folder.append(self.records)
        return self.path


def _record(cell: Mapping[str, Any], seed: int | None, key: str, status: str) -> dict[str, Any]:
    shared = (
        "cell_key", "protocol_hash", "memory", "label", "memory_params", "task", "task_label",
        "task_params", "block",
    )  # fmt: skip
    return {
        "schema": RECORD_SCHEMA, "kind": "trial", "trial_key": key,
        **{name: cell[name] for name in shared}, "seed": seed, "status": status,
        "message": "" if status == "ok" else "no luck", "traceback": "", "n_eval": 0,
        "metrics": [], "costs": {}, "notes": {}, "marks": [], "series": None, "wall_s": 0.1,
        "call_id": "call-1",
    }  # fmt: skip


def _metric(name: str, value: float, direction: str) -> dict[str, Any]:
    return {
        "name": name, "value": value, "unit": "", "direction": direction, "kind": "quality",
        "bounds": [0.0, None], "resolution": 0.0, "primary": True, "chance": None, "ceiling": None,
    }  # fmt: skip


FROZEN = np.random.default_rng(100).gamma(4.0, 0.18, size=ORIGINS) + np.zeros((5, 1))
"""A path of losses, the same for five seeds."""


def beside(
    path: np.ndarray,
    gain: float,
    *,
    over_seeds: float = 1e-3,
    over_time: float = 0.02,
    draw: int = 7,
) -> np.ndarray:
    """Losses [5, T] lower by `gain` on the mean, scattered over seeds and over time as asked.

    The scatter over seeds has mean zero, that over time is the same for all seeds, without a
    correlation in time.
    """
    rng = np.random.default_rng(draw)
    levels = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * over_seeds
    noise = rng.normal(0, over_time, size=path.shape[-1])
    return path - gain + levels[:, None] + noise - noise.mean()


def turning(path: np.ndarray, gain: float) -> np.ndarray:
    """Losses lower by `gain` on the mean, for every seed: far ahead in the first half of the path,
    nearly as far behind in the second.
    """
    half = path.shape[-1] // 2
    change = np.concatenate([np.full(half, 20 * gain), np.full(path.shape[-1] - half, -18 * gain)])
    return beside(path - change, 0.0)


REFERENCE = beside(FROZEN, 0.0, over_seeds=0.002, draw=1)
"""Losses of the forecaster that the others are compared with."""
