"""Every memory on every task at a glance: error relative to the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.patches import Rectangle

from bench.compare.fields import apart
from bench.compare.model import Comparison, Row, Section
from bench.figures.drawing import Absent, Drawing, blank, finished, seeds
from bench.figures.sections import against, cost, headline
from bench.figures.style import ARROWS, INK, SOFT, house
from bench.stats.aggregate import relative_errors
from bench.tables.digits import decimals_of, number

KIND = "heat-map"
COLORS = LinearSegmentedColormap.from_list(
    "better-worse", ("#0072B2", "#7fb8d8", "#ffffff", "#eaae7f", "#D55E00"), N=257
)
CELL_WIDTH, CELL_HEIGHT = 0.56, 0.2
UNSURE = 0.6
"""Opacity of a number that is not told from the reference's: grey on every shade."""
_TOLD: Mapping[str, bool] = {"better": True, "worse": True, "n.s.": False, "equiv": False}
GIVEN_UP = ("failed", "missing")


@dataclass(frozen=True)
class Cell:
    """One memory on one task.

    Attributes:
        row: Its result.
        ratio: Its error over the reference's, clipped; None without one.
        separated: Whether a test told it from the reference; None where nothing was tested.
    """

    row: Row
    ratio: float | None
    separated: bool | None


def drawings(comparison: Comparison) -> Iterator[Drawing | Absent]:
    """One figure per field of memories that meet on at least two tasks or metrics."""
    found = apart(list(headline(comparison)))
    drawn = 0
    for place, field in enumerate(found, start=1):
        wide = len(field) > 1 and max(len(section.rows) for section in field) > 1
        if wide and references(comparison, field):
            drawn += 1
            yield draw(comparison, field, f"field-{place}" if len(found) > 1 else "")
    if not drawn:
        yield Absent(KIND, "it takes two tasks or metrics on which memories meet the reference")


def references(comparison: Comparison, sections: Sequence[Section]) -> list[str]:
    """The memories that errors are relative to, in the suite's order."""
    named = {
        comparison.options.reference_on([row.label for row in section.rows]) for section in sections
    }
    present = {row.label for section in sections for row in section.rows}
    return [label for label in comparison.labels if label in named & present]


def relative_error(value: float, reference: float, section: Section) -> float | None:
    """Error over the reference's, within [0.01, 100]; 0/0 is 1. None without a cost form."""
    own, base = cost(value, section), cost(reference, section)
    if own is None or base is None:
        return None
    return float(relative_errors([base, own], 0)[1])


def cells(comparison: Comparison, section: Section) -> dict[str, Cell]:
    """The section's column by memory."""
    reference = comparison.options.reference_on([row.label for row in section.rows])
    base = section.row(reference)
    mean = None if base is None else base.mean
    contrasts = against(section, reference)
    found = {}
    for row in section.rows:
        ratio = None
        if row.mean is not None and mean is not None:
            ratio = relative_error(row.mean, mean, section)
        contrast = contrasts[row.label][0] if row.label in contrasts else None
        found[row.label] = Cell(
            row, ratio, None if contrast is None else _TOLD.get(contrast.verdict)
        )
    return found


def draw(comparison: Comparison, sections: Sequence[Section], about: str = "") -> Drawing:
    """The heat map of sections whose memories meet."""
    present = {row.label for section in sections for row in section.rows}
    labels = [label for label in comparison.labels if label in present]
    columns = [cells(comparison, section) for section in sections]
    named = references(comparison, sections)
    width, height = CELL_WIDTH * len(columns), CELL_HEIGHT * len(labels)
    title = f"Error relative to {' and '.join(named)}"
    with house():
        figure = blank(width + 0.2, height + 0.2)
        axes = figure.add_axes((0.0, 0.0, width / (width + 0.2), height / (height + 0.2)))
        axes.set(xlim=(0, len(columns)), ylim=(len(labels), 0))
        for x, column in enumerate(columns):
            for y, label in enumerate(labels):
                if label in column:
                    _cell(axes, x, y, column[label], sections[x])
        _frame(axes, labels, sections, named)
        _key(axes, width, height)
        return finished(
            figure, KIND, (about,), title, _caption(sections, columns, named),
            _data(sections, columns, labels), below=0.62, wide=max(1.5, 5 - width),
        )  # fmt: skip


def _cell(axes: Axes, x: int, y: int, cell: Cell, section: Section) -> None:
    shade, ink, text, hatch = "#ffffff", INK, "", ""
    if cell.row.state in GIVEN_UP:
        hatch, text = "////", "fail" if cell.row.state == "failed" else "--"
    elif cell.row.state == "skipped":
        text, ink = "n/a", SOFT
    elif cell.row.mean is not None:
        text = _number(cell.row, section)
        if cell.ratio is not None:
            shade, dark = _shade(cell.ratio)
            ink = "#ffffff" if dark else "#000000"
    axes.add_patch(
        Rectangle(
            (x, y),
            1,
            1,
            facecolor=shade,
            edgecolor="#bdbdbd" if hatch else "#ffffff",
            linewidth=0.5,
            hatch=hatch,
        )
    )
    style = "italic" if cell.separated is False else "normal"
    alpha = UNSURE if cell.separated is False else 1.0
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if hatch else None
    axes.text(
        x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=6.8, color=ink, alpha=alpha,
        fontstyle=style, bbox=box,
    )  # fmt: skip


def _shade(ratio: float) -> tuple[str, bool]:
    """Colour of a relative error, and whether it is dark."""
    color = COLORS((max(-1.0, min(1.0, math.log10(ratio))) + 1) / 2)
    linear = np.power((np.asarray(color[:3]) + 0.055) / 1.055, 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    # where white has more contrast than black (WCAG 2: (lighter + 0.05) / (darker + 0.05))
    return to_hex(color), 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05


def _number(row: Row, section: Section) -> str:
    """The mean in at most five characters or so, with a sign where seeds are missing."""
    mean = row.mean or 0.0
    if math.isfinite(section.bounds[1]) and section.bounds[1] <= 1:
        text = number(mean, 3)
    elif abs(mean) >= 1000:
        text = f"{mean:.0f}"
    else:
        text = number(mean, min(3, max(0, decimals_of(None, mean) - 1)))
    return f"{text}!" if row.state == "partial" else text


def _frame(
    axes: Axes, labels: Sequence[str], sections: Sequence[Section], named: Sequence[str]
) -> None:
    one_metric = len({section.metric for section in sections}) == 1
    names = [
        f"{section.task_label} {ARROWS[section.direction]}" if one_metric
        else f"{section.task_label}  {section.metric} {ARROWS[section.direction]}"
        for section in sections
    ]  # fmt: skip
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(
        axis="x", top=True, bottom=False, labeltop=True, labelbottom=False, length=0,
        labelrotation=50,
    )  # fmt: skip
    for text in axes.get_xticklabels():
        text.set(ha="left", rotation_mode="anchor", va="center")
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.tick_params(axis="y", length=0)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set_fontweight("bold" if label in named else "normal")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _key(axes: Axes, width: float, height: float) -> None:
    """The colour scale below the map, in times the reference's error."""
    long, thin = min(2.4, max(1.4, width)) / width, 0.1 / height
    inset = axes.inset_axes((0.0, -(0.22 + 0.1) / height, long, thin))
    inset.imshow(
        np.linspace(0, 1, 101)[None], cmap=COLORS, aspect="auto", extent=(-1.0, 1.0, 0.0, 1.0)
    )
    inset.set_yticks([])
    ticks = {-1.0: "≤ 0.1", -0.5: "0.3", 0.0: "1", 0.5: "3", 1.0: "≥ 10"}
    inset.set_xticks(list(ticks), list(ticks.values()))
    inset.tick_params(labelsize=7, length=2)
    inset.grid(visible=False)
    inset.text(1.04, 0.5, "× error", transform=inset.transAxes, va="center", fontsize=7)
    inset.spines[:].set_visible(False)


def _caption(
    sections: Sequence[Section], columns: Sequence[dict[str, Cell]], named: Sequence[str]
) -> list[str]:
    shown = [cell for column in columns for cell in column.values()]
    metrics = ", ".join(dict.fromkeys(section.metric for section in sections))
    no_cost = [s.task_label for s in sections if cost(0.0, s) is None]
    return [
        f"Numbers: means over seeds of {metrics}, {seeds(c.row.n for c in shown if c.row.n)}.",
        f"Colours: error over that of {' and '.join(named)} (bold), blue is better; the error "
        "of a metric of which more is better is its distance from the best value.",
        "Grey italics: not told from the reference." if any(c.separated is False for c in shown)
        else "",
        "Hatched: failed or missing." if any(c.row.state in GIVEN_UP for c in shown) else "",
        "! some seeds failed." if any(c.row.state == "partial" for c in shown) else "",
        "n/a: not applicable." if any(c.row.state == "skipped" for c in shown) else "",
        f"White for want of a best value: {', '.join(no_cost)}." if no_cost else "",
    ]  # fmt: skip


def _data(
    sections: Sequence[Section], columns: Sequence[dict[str, Cell]], labels: Sequence[str]
) -> pd.DataFrame:
    rows = []
    for section, column in zip(sections, columns, strict=True):
        for label in (label for label in labels if label in column):
            cell = column[label]
            ratio = math.nan if cell.ratio is None else cell.ratio
            rows.append(
                {
                    "task": section.task_label,
                    "metric": section.metric,
                    "memory": label,
                    "mean": math.nan if cell.row.mean is None else cell.row.mean,
                    "n": cell.row.n,
                    "state": cell.row.state,
                    "relative_error": ratio,
                    "log10_relative_error": math.log10(ratio) if ratio == ratio else math.nan,
                    "separated": cell.separated,
                }
            )
    return pd.DataFrame(rows)
