"""A metric over a coordinate: recall over load, over what was written since, over steps ahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.markers import TICKUP

from bench.compare.model import Comparison
from bench.figures import curve_data, legends, lines, scales
from bench.figures.curve_data import Curves
from bench.figures.drawing import Drawing, blank, finished, seeds
from bench.figures.style import SOFT, Style, house, named, styles

KIND = curve_data.FORGETTING
WIDTH, HEIGHT = 5.2, 3.3
BAND = "Bands: pointwise 95% t intervals of the mean over seeds, within what the metric can reach."
FEW = "Thin lines: single seeds."
MOST_MARKERS = 30
"""Coordinates up to which each has its marker."""


def drawings(comparison: Comparison, frame: pd.DataFrame) -> Iterator[Drawing]:
    """One figure per task point and metric with a curve that is none of capacity."""
    options = comparison.options
    found = curve_data.curves(frame, metrics=options.metrics, everything=options.all_metrics)
    for curves in found:
        if curves.axis.kind != curve_data.CAPACITY:
            yield draw(comparison, curves)


def coordinates(curves: Curves) -> list[float]:
    """All coordinates at which some memory has a value."""
    return sorted({float(x) for line in curves.lines for x in line.x})


def draw(
    comparison: Comparison,
    curves: Curves,
    *,
    reached: Mapping[str, tuple[float, bool]] | None = None,
) -> Drawing:
    """The curves of one metric on one task point.

    Args:
        comparison: Gives labels and references.
        curves: What is drawn.
        reached: By memory its capacity and whether it is only a lower bound.
    """
    looks = styles(comparison.labels)
    references = comparison.options.references
    log = curves.direction == "lower" and scales.spans_decades(
        np.concatenate([line.mean for line in curves.lines])
    )
    picked = lines.chosen(curves.lines, references, curves.direction, log=log)
    title = f"{curves.task_label}: {curves.metric}"
    with house():
        figure = blank(WIDTH, HEIGHT)
        axes = figure.add_axes((0.12, 0.14, 0.86, 0.78))
        lines.plot(axes, picked, looks, markers=len(coordinates(curves)) <= MOST_MARKERS)
        axes.set_title(title)
        _axes(axes, curves, log=log)
        after = _capacities(axes, picked, reached or {}, looks)
        heading = "memory: capacity at 0.9" if after else ""
        legends.outside(axes, picked, looks, after=after, references=references, title=heading)
        return finished(
            figure, curves.axis.kind, (curves.task_label, curves.metric), title,
            _caption(curves, picked, bool(after)), _data(curves, reached or {}),
            below=0.08, wide=2.4,
        )  # fmt: skip


def _axes(axes: Axes, curves: Curves, *, log: bool) -> None:
    points = coordinates(curves)
    axes.set_xlabel(curves.axis.label)
    axes.set_ylabel(named(curves.metric, curves.direction, curves.unit))
    if curves.axis.log2 and min(points) >= 0:
        scales.powers_of_two(axes, points)
    else:
        scales.whole_numbers(axes, points)
    if log:
        scales.logarithmic(axes, "y")
    if curves.chance is not None:
        axes.axhline(curves.chance, color=SOFT, linewidth=0.8, dashes=(2, 2), zorder=1.5)


def _capacities(
    axes: Axes,
    picked: lines.Chosen,
    reached: Mapping[str, tuple[float, bool]],
    looks: Mapping[str, Style],
) -> dict[str, str]:
    """Mark capacities on the x axis; returns them in words by the first memory of a line."""
    said = {}
    for strand in picked.strands:
        label = strand.labels[0]
        if label not in reached:
            continue
        value, bound = reached[label]
        said[label] = f"≥\u00a0{value:.3g}" if bound else f"{value:.3g}"
        if value > 0 and not bound:
            axes.plot(
                [value], [0], transform=axes.get_xaxis_transform(), color=looks[label].color,
                marker=TICKUP, markersize=9, markeredgewidth=2, clip_on=False, zorder=6,
            )  # fmt: skip
    return said


def _data(curves: Curves, reached: Mapping[str, tuple[float, bool]]) -> pd.DataFrame:
    found = curve_data.table(curves.lines, task=curves.task_label, metric=curves.metric)
    if reached:
        values = {label: value for label, (value, _) in reached.items()}
        found["capacity"] = found["memory"].map(values)
        bounds = {label: bound for label, (_, bound) in reached.items()}
        found["capacity_is_lower_bound"] = found["memory"].map(bounds)
    return found


def _caption(curves: Curves, picked: lines.Chosen, capacity: bool) -> list[str]:
    drawn = [line for strand in picked.strands for line in strand.lines]
    few = any(1 < strand.lines[0].n < lines.FEW_SEEDS for strand in picked.strands)
    return [
        f"Mean over seeds, {seeds(line.n for line in curves.lines)}.",
        BAND if any(line.n >= lines.LEAST_FOR_BAND for line in drawn) else "",
        FEW if few else "",
        "Dashed: what guessing reaches." if curves.chance is not None else "",
        "Ticks on the axis: where the accuracy, made non-increasing, falls below 0.9, mean over "
        "seeds; ≥ where a seed never does." if capacity else "",
        picked.told,
        "Some have no value at some coordinates."
        if len({len(line.x) for line in curves.lines}) > 1 else "",
        f"Without a curve: {', '.join(curves.without)}." if curves.without else "",
    ]  # fmt: skip
