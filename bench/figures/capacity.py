"""Recall over the number of items stored, with the capacity read off it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.compare.model import Comparison
from bench.figures import curve, curve_data
from bench.figures.curve_data import Curves
from bench.figures.drawing import Drawing

KIND = curve_data.CAPACITY
THRESHOLD = "capacity_90"
OF_METRIC = "acc_code"
"""The curve that the capacity is read off."""


def drawings(comparison: Comparison, frame: pd.DataFrame) -> Iterator[Drawing]:
    """One figure per task point whose curves are over the items stored."""
    options = comparison.options
    found = curve_data.curves(frame, metrics=options.metrics, everything=options.all_metrics)
    for curves in found:
        if curves.axis.kind == curve_data.CAPACITY:
            reached = capacities(frame, curves) if curves.metric == OF_METRIC else {}
            yield curve.draw(comparison, curves, reached=reached)


def capacities(frame: pd.DataFrame, curves: Curves) -> dict[str, tuple[float, bool]]:
    """By memory the mean capacity over seeds, as tables print it, and whether it is a bound.

    It is one where some seed still recalls that well with the most items that were tried.
    """
    rows = frame[
        frame["task_label"].eq(curves.task_label)
        & frame["metric"].eq(THRESHOLD)
        & frame["status"].eq("ok")
    ]
    most = max((line.x[-1] for line in curves.lines), default=math.nan)
    found = {}
    for label, values in rows.groupby("label", sort=False)["value"]:
        known = np.sort(values.to_numpy(float))
        found[str(label)] = float(known.mean()), bool((known >= most).any())
    return found
