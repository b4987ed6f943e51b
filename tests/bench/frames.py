"""Synthetic result frames, as `bench.frame.load` returns them, from a few lines of values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Metric:
    """A metric as a task declares it."""

    name: str = "mse"
    direction: str = "lower"
    unit: str = ""
    kind: str = "quality"
    bounds: tuple[float, float] = (0.0, math.nan)
    resolution: float = 0.0
    primary: bool = True
    chance: float = math.nan
    ceiling: float = math.nan


MSE = Metric()
ACCURACY = Metric("accuracy", "higher", bounds=(0.0, 1.0))


@dataclass
class FrameBuilder:
    """Collects rows; `frame()` gives them the columns and attributes of a loaded run."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def cell(
        self,
        label: str,
        values: Sequence[float | str],
        *,
        task: str = "recall",
        metric: Metric = MSE,
        seeds: Iterable[int | None] | None = None,
        x: float | None = None,
        seeded: bool = True,
        deterministic: bool = False,
        message: str = "",
        run: str = "run-1",
        protocol: str = "p1",
        params: Mapping[str, Any] | None = None,
        memory: str | None = None,
        block: str | None = None,
    ) -> FrameBuilder:
        """One memory's values of one metric on one task; a status in place of a value fails."""
        chosen = list(range(len(values))) if seeds is None else list(seeds)
        for seed, value in zip(chosen, values, strict=True):
            failed = isinstance(value, str)
            self.rows.append(
                {
                    "task": task.split("[")[0],
                    "task_label": task,
                    "block": block or task.split("[")[0],
                    "task_params": "{}",
                    "protocol_hash": protocol,
                    "memory": memory or label,
                    "label": label,
                    "memory_params": json.dumps(dict(params or {})),
                    "metric": metric.name,
                    "unit": metric.unit,
                    "direction": metric.direction,
                    "kind": metric.kind,
                    "bounds_lo": metric.bounds[0],
                    "bounds_hi": metric.bounds[1],
                    "resolution": metric.resolution,
                    "primary": metric.primary,
                    "chance": metric.chance,
                    "ceiling": metric.ceiling,
                    "x": math.nan if x is None else x,
                    "seed": seed,
                    "value": math.nan if failed else value,
                    "n_eval": 100,
                    "status": value if failed else "ok",
                    "message": message if failed else "",
                    "deterministic": deterministic,
                    "seeded": seeded,
                    "trial_key": f"{task}/{label}/{seed}",
                    "call_id": "call-1",
                    "run": run,
                }
            )
        return self

    def frame(self, **attrs: Any) -> pd.DataFrame:
        """The rows as a frame whose attributes name labels and tasks in order of appearance."""
        table = pd.DataFrame(self.rows)
        table["seed"] = pd.array([row["seed"] for row in self.rows], dtype="Int64")
        table.attrs.update(
            {
                "suite": "synthetic",
                "labels": list(dict.fromkeys(row["label"] for row in self.rows)),
                "tasks": list(dict.fromkeys(row["task_label"] for row in self.rows)),
                "reference": "",
                "statistics": {"test": "auto", "correction": "holm", "alpha": 0.05},
                "seeds_extended": False,
                "runs": [],
                **attrs,
            }
        )
        return table
