"""Differences from the reference with their intervals and verdicts, one row per memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from bench.compare.model import Comparison, Section
from bench.figures.contrast_rows import (
    Entry,
    axis_label,
    entries,
    opponent,
    row_axes,
    spread_out,
    tested,
)
from bench.figures.drawing import Drawing, finished, seeds
from bench.figures.sections import headline
from bench.figures.style import INK, SOFT, house, styles

KIND = "forest"


def drawings(comparison: Comparison) -> Iterator[Drawing]:
    """One figure per task point and metric with something to compare."""
    for section in headline(comparison):
        rows = entries(comparison, section)
        if any(row.difference is not None for row in rows):
            yield draw(comparison, section, rows)


def draw(comparison: Comparison, section: Section, rows: list[Entry]) -> Drawing:
    """The forest plot of one section."""
    looks, other = styles(comparison.labels), opponent(comparison, section)
    title = f"{section.task_label}: {section.metric}, difference from {other}"
    with house():
        figure, axes = row_axes(rows, title, axis_label(section, other))
        for place, row in enumerate(rows):
            if row.difference is not None:
                look = looks[row.label].dot
                fill = look if row.separated else {**look, "markerfacecolor": "white"}
                edge = {**fill, "markeredgecolor": look["markerfacecolor"], "markeredgewidth": 1.1}
                axes.plot([row.difference], [place], zorder=3, **(fill if row.separated else edge))
            axes.text(
                1.02, place, row.said, transform=axes.get_yaxis_transform(), va="center",
                fontsize=7.5, color=INK if row.separated else SOFT,
            )  # fmt: skip
        known = [(place, row.interval) for place, row in enumerate(rows) if row.interval]
        lows, highs = [lo for _, (lo, _) in known], [hi for _, (_, hi) in known]
        axes.hlines([place for place, _ in known], lows, highs, INK, linewidth=1.0, zorder=2)
        ends = [*lows, *highs]
        ends += [row.difference for row in rows if row.difference is not None]
        broken = spread_out(axes, ends)
        return finished(
            figure, KIND, (section.task_label, section.metric), title,
            _caption(comparison, section, rows, other, broken), _data(section, rows, other),
            wide=1.6,
        )  # fmt: skip


def _caption(
    comparison: Comparison, section: Section, rows: list[Entry], other: str, broken: str
) -> list[str]:
    skipped = [row.label for row in section.rows if row.state == "skipped"]
    said = {sign for row in rows for sign in ("~", "!", "(<tol)") if sign in row.said}
    return [
        f"Mean difference from {other} with its 95% interval, "
        f"{seeds(row.contrast.n for row in rows if row.contrast.n)}, paired where seeds meet.",
        f"Filled: told from {other}; hollow: not, which is not to say equal.",
        tested(comparison, section),
        "~ hangs on one seed." if "~" in said else "",
        "! some seeds failed." if "!" in said else "",
        "(<tol) within the margin that does not matter." if "(<tol)" in said else "",
        broken,
        f"Not applicable: {', '.join(skipped)}." if skipped else "",
    ]


def _data(section: Section, rows: list[Entry], other: str) -> pd.DataFrame:
    nothing = (math.nan, math.nan)
    return pd.DataFrame(
        [
            {
                "task": section.task_label,
                "metric": section.metric,
                "memory": row.label,
                "against": other,
                "difference": math.nan if row.difference is None else row.difference,
                "ci_lo": (row.interval or nothing)[0],
                "ci_hi": (row.interval or nothing)[1],
                "n": row.contrast.n,
                "p_raw": row.contrast.p_raw,
                "p_adjusted": row.contrast.p_adjusted,
                "verdict": row.verdict,
                "marks": " ".join(row.contrast.marks),
            }
            for row in rows
        ]
    )
