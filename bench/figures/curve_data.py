"""The curves that a run holds: what their coordinate means, and one line per memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from bench.compare.records import in_order
from bench.figures.lines import Line, line

FORGETTING = "forgetting-curve"
CAPACITY = "capacity-curve"
OTHER = "curve"


@dataclass(frozen=True)
class Axis:
    """What the coordinate of a curve counts.

    Attributes:
        kind: The figure that shows it.
        label: In words.
        log2: Whether it is drawn in powers of two.
        headline: Whether it is drawn unless something else is asked for.
    """

    kind: str
    label: str
    log2: bool = False
    headline: bool = True


_STORED = Axis(CAPACITY, "items stored", log2=True)
_STORED_TOO = Axis(CAPACITY, "items stored", log2=True, headline=False)

_AXES: tuple[tuple[str, str, Axis | None], ...] = (
    ("capacity*", "acc_code", _STORED),
    ("capacity*", "acc_stored", _STORED_TOO),
    ("capacity*", "cosine", _STORED_TOO),
    ("serial-position", "acc_code", Axis(FORGETTING, "position in the list")),
    ("*", "*_by_lag", Axis(FORGETTING, "items written since, at least", log2=True)),
    ("*", "*_by_gap", Axis(FORGETTING, "events between writing and asking, at least", log2=True)),
    ("*", "contiguity", Axis(OTHER, "places from the item that was asked for")),
    ("*", "*_by_cue_size", Axis(OTHER, "features in the cue")),
    ("*", "f1_lenient_by_matches", Axis(OTHER, "stored events that match", headline=False)),
    ("*", "*_by_matches", Axis(OTHER, "stored events that match")),
    ("*", "*_by_lead", Axis(OTHER, "steps ahead")),
    # the coordinate names a channel, a regime or a change: no curve runs through them
    ("*", "*_by_channel", None),
    ("*", "*_by_regime", None),
    ("*", "*_by_change", None),
    ("*", "mse_visit_*", None),
    # drawn by the adaptation curve from the whole series
    ("*", "mse_cumulative", None),
    ("*", "loss_difference_cumulative", None),
    ("*", "*_windowed", Axis(OTHER, "origins scored", headline=False)),
)


def axis_of(task: str, metric: str) -> Axis | None:
    """What the coordinate of a task's metric is; None where no curve can be drawn through it.

    A metric that nothing is known of, such as a plug-in's, is a curve over x.
    """
    for of_task, of_metric, axis in _AXES:
        if fnmatchcase(task, of_task) and fnmatchcase(metric, of_metric):
            return axis
    return Axis(OTHER, "x")


@dataclass(frozen=True, eq=False)
class Curves:
    """All memories' curves of one metric on one task point.

    Attributes:
        task_label: The task point.
        metric: The metric.
        direction: Which values are better.
        unit: Its unit.
        chance: What a memory that knows nothing reaches; None if unknown.
        axis: What the coordinate is.
        lines: One per memory with a curve, in the suite's order.
        without: Memories of the task that have none.
    """

    task_label: str
    metric: str
    direction: str
    unit: str
    chance: float | None
    axis: Axis
    lines: tuple[Line, ...]
    without: tuple[str, ...]


def curves(
    frame: pd.DataFrame, *, metrics: Sequence[str] | None = None, everything: bool = False
) -> Iterator[Curves]:
    """The curves of a run over two coordinates or more, in the order of its tasks.

    Args:
        frame: As `bench.frame.load` returns it.
        metrics: Names asked for; default those that a task is about.
        everything: Whether the others are given too.
    """
    frame = frame.copy(deep=False)
    tasks, labels = frame.attrs.get("tasks", ()), frame.attrs.get("labels", ())
    frame.attrs = {}  # pandas would copy them deeply at every step below
    quality = frame[frame["kind"].ne("perf")]
    by_task = dict(iter(quality.groupby("task_label", sort=False)))
    for task_label in in_order((str(t) for t in by_task), tasks):
        points = by_task[task_label]
        order = in_order(points["label"].astype(str), labels)
        rows = points[points["x"].notna() & points["status"].eq("ok")]
        for metric, of_metric in rows.groupby("metric", sort=True):
            axis = axis_of(str(points["task"].iloc[0]), str(metric))
            if axis is None or not _wanted(str(metric), axis, metrics, everything):
                continue
            found = _curves(task_label, str(metric), axis, of_metric, points, order)
            if len({x for each in found.lines for x in each.x.tolist()}) > 1:
                yield found


def _wanted(metric: str, axis: Axis, metrics: Sequence[str] | None, everything: bool) -> bool:
    if metrics is not None and metric in metrics:
        return True
    return everything or (axis.headline and metrics is None)


def _curves(
    task_label: str,
    metric: str,
    axis: Axis,
    rows: pd.DataFrame,
    points: pd.DataFrame,
    order: Sequence[str],
) -> Curves:
    first = rows.iloc[0]
    bounds = (float(first["bounds_lo"]), float(first["bounds_hi"]))
    planned = points.groupby("label")["trial_key"].nunique()
    found = {}
    for label, own in rows.groupby("label", sort=False):
        table = own.pivot_table(
            index=own["seed"].astype("Float64").fillna(-1.0), columns="x", values="value"
        )
        table = table.dropna(axis="index")  # a seed that stopped half-way has no curve
        if len(table):
            found[str(label)] = line(
                str(label), table.columns.to_numpy(float), table.to_numpy(float),
                bounds=bounds, planned=int(planned.get(label, 0)),
            )  # fmt: skip
    chance = float(first["chance"])
    return Curves(
        task_label=task_label,
        metric=metric,
        direction=str(first["direction"]),
        unit=str(first["unit"]),
        chance=None if math.isnan(chance) else chance,
        axis=axis,
        lines=tuple(found[label] for label in order if label in found),
        without=tuple(label for label in order if label not in found),
    )


def table(lines: Sequence[Line], **fixed: object) -> pd.DataFrame:
    """Lines as rows: label, x, mean, ends of the band, n, and what is the same for all."""
    parts = [
        pd.DataFrame(
            {
                **fixed,
                "memory": each.label,
                "x": each.x,
                "mean": each.mean,
                "ci_lo": each.lo,
                "ci_hi": each.hi,
                "n": each.n,
                "n_planned": each.planned,
            },
            index=np.arange(len(each.x)),
        )
        for each in lines
    ]
    return pd.concat(parts, ignore_index=True)
