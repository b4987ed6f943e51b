"""The paired difference of each seed: what outliers stand behind a mean and its test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.compare.model import Comparison, Section
from bench.figures.contrast_rows import (
    Entry,
    axis_label,
    entries,
    opponent,
    row_axes,
    spread_out,
)
from bench.figures.drawing import Drawing, finished, seeds
from bench.figures.sections import headline
from bench.figures.style import INK, SOFT, house, styles

KIND = "seed-strip"


def drawings(comparison: Comparison) -> Iterator[Drawing]:
    """One figure per task point and metric with pairs of seeds."""
    for section in headline(comparison):
        rows = [row for row in entries(comparison, section) if row.by_seed]
        if any(len(row.by_seed) > 1 for row in rows):
            yield draw(comparison, section, rows)


def draw(comparison: Comparison, section: Section, rows: list[Entry]) -> Drawing:
    """The strip plot of one section."""
    looks, other = styles(comparison.labels), opponent(comparison, section)
    margin = next((row.contrast.margin for row in rows if row.contrast.margin), None)
    title = f"{section.task_label}: {section.metric}, difference from {other} by seed"
    with house():
        figure, axes = row_axes(rows, title, axis_label(section, other))
        if margin is not None:
            axes.axvspan(-margin, margin, color=SOFT, alpha=0.15, linewidth=0, zorder=0.5)
        for place, row in enumerate(rows):
            found = np.array([d for _, d in row.by_seed])
            axes.plot(
                found, np.full(len(found), place), linestyle="none", alpha=0.75, zorder=2,
                **looks[row.label].dot,
            )  # fmt: skip
        means = [np.mean([d for _, d in row.by_seed]) for row in rows]
        places = np.arange(len(rows))
        axes.vlines(means, places - 0.38, places + 0.38, INK, zorder=3)
        broken = spread_out(axes, [d for row in rows for _, d in row.by_seed])
        return finished(
            figure, KIND, (section.task_label, section.metric), title,
            [
                f"One mark per seed, {seeds(len(row.by_seed) for row in rows)}; a bar at the mean.",
                f"Grey band: the margin of {margin:g} that does not matter." if margin else "",
                f"Seeds vary {section.varies}.",
                broken,
            ],
            _data(section, rows, other), wide=1.2,
        )  # fmt: skip


def _data(section: Section, rows: list[Entry], other: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "task": section.task_label,
                "metric": section.metric,
                "memory": row.label,
                "against": other,
                "seed": seed,
                "difference": difference,
            }
            for row in rows
            for seed, difference in row.by_seed
        ]
    )
