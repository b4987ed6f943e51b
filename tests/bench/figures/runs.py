"""Synthetic runs that hold what figures are made of: curves, failures, costs, a grid of tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.compare import Comparison, compare
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

CURVE = Metric("acc_code", "higher", bounds=(0.0, 1.0), primary=False, chance=0.01)
RECALL = Metric("capacity_90", "higher", "items", bounds=(0.0, 64.0))
STATE = Metric("state_floats", "lower", "floats", kind="static", primary=False)
READ = Metric("read_us", "lower", "us", kind="perf", primary=False)
LOADS = (8.0, 16.0, 32.0, 64.0)


def falling(start: float, loss: float, seeds: int = 5) -> list[list[float]]:
    """Accuracies [seeds, loads] that fall by `loss` from load to load, a little by seed too."""
    steps = np.arange(len(LOADS)) * loss
    found = start - steps[None] - 0.01 * np.arange(seeds)[:, None]
    return np.clip(found, 0, 1).tolist()


def capacity(seeds: int = 5) -> FrameBuilder:
    """Three memories on one task with a curve, a capacity, a state and a read time."""
    builder = FrameBuilder()
    for label, loss, recall, state, read in (
        ("linear-assoc", 0.2, 12.0, 4096.0, 2.0),
        ("delta", 0.1, 24.0, 2048.0, 4.0),
        ("exact-knn", 0.0, 64.0, 65536.0, 9.0),
    ):
        add_curve(builder, label, falling(1.0, loss, seeds))
        recalls = [recall - (0.5 * seed if recall < 64 else 0.0) for seed in range(seeds)]
        builder.cell(label, recalls, task="capacity", metric=RECALL)
        builder.cell(label, [state] * seeds, task="capacity", metric=STATE)
        builder.cell(label, [read], task="capacity", metric=READ, seeds=[None], x=256.0)
    return builder


def add_curve(
    builder: FrameBuilder,
    label: str,
    values: Sequence[Sequence[float]],
    *,
    task: str = "capacity",
    metric: Metric = CURVE,
    xs: Sequence[float] = LOADS,
) -> None:
    """A memory's curve, one row of values per seed."""
    for place, x in enumerate(xs):
        builder.cell(label, [row[place] for row in values], task=task, metric=metric, x=x)


def compared(builder: FrameBuilder, **options: Any) -> tuple[Comparison, pd.DataFrame]:
    """The builder's frame, with the first memory for reference, and its comparison."""
    frame = builder.frame()
    return compare(frame, **options), frame


def with_params(frame: pd.DataFrame, params: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The frame with the resolved parameters of each task label filled in."""
    found = frame.copy()
    found["task_params"] = [json.dumps(params[label]) for label in frame["task_label"]]
    found.attrs = dict(frame.attrs)
    return found


def states() -> FrameBuilder:
    """Two tasks on which memories are complete, partial, failed, skipped and missing."""
    builder = FrameBuilder()
    for task, shift in (("recall", 0.0), ("order", 0.1)):
        base = [0.50, 0.52, 0.49, 0.51, 0.50]
        builder.cell("reference", [v + shift for v in base], task=task, metric=ACCURACY)
        more = [0.30, 0.31, 0.29, 0.30, 0.32]
        better = [v + d for v, d in zip(base, more, strict=True)]
        builder.cell("better", better, task=task, metric=ACCURACY)
        twin = [v + d for v, d in zip(base, (0.01, -0.01, 0.0, 0.01, -0.01), strict=True)]
        builder.cell("twin", [v + shift for v in twin], task=task, metric=ACCURACY)
        builder.cell("partial", [0.7, 0.7, "oom", 0.71, 0.69], task=task, metric=ACCURACY)
        builder.cell("broken", ["error"] * 5, task=task, metric=ACCURACY)
        builder.cell("other", ["skipped"] * 5, task=task, metric=ACCURACY)
    return builder
