"""One row per memory, by its difference from the memory it is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.compare.model import Comparison, Contrast, Section
from bench.figures.drawing import blank
from bench.figures.scales import plain_number
from bench.figures.sections import against
from bench.figures.style import ARROWS, SOFT
from bench.tables.leaderboard import CORRECTION_NAMES

STEP = 0.185
"""Inches from row to row."""
OUTLYING = 20.0
"""How many times the median the largest difference may be on a linear axis."""


@dataclass(frozen=True)
class Entry:
    """One memory beside its opponent.

    Attributes:
        label: The memory.
        contrast: What was computed.
        sign: -1 if the contrast has them the other way round.
    """

    label: str
    contrast: Contrast
    sign: int

    @property
    def difference(self) -> float | None:
        """Mean of the memory minus that of its opponent."""
        return None if self.contrast.difference is None else self.sign * self.contrast.difference

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the difference."""
        if self.contrast.interval is None:
            return None
        found = self.contrast.interval.scaled(self.sign)
        return found.lo, found.hi

    @property
    def by_seed(self) -> list[tuple[int, float]]:
        """Seed and difference in the metric's units; empty after an unpaired test."""
        if self.contrast.unpaired is not None:
            return []
        pairs = self.contrast.pairs
        found = self.sign * (pairs.a - pairs.b)
        return [(int(seed), float(d)) for seed, d in zip(pairs.seeds, found, strict=True)]

    @property
    def verdict(self) -> str:
        """The word for it, from the memory's side."""
        word = self.contrast.verdict
        if self.sign < 0 and word in ("better", "worse"):
            return "worse" if word == "better" else "better"
        return word

    @property
    def said(self) -> str:
        """The verdict with what must be said beside it."""
        marks = self.contrast.marks
        signs = [("fragile", "~"), ("partial", "!"), ("within-margin", "(<tol)")]
        return " ".join([self.verdict, *(sign for mark, sign in signs if mark in marks)])

    @property
    def separated(self) -> bool:
        """Whether the test told it from its opponent."""
        return self.contrast.verdict in ("better", "worse")


def opponent(comparison: Comparison, section: Section) -> str:
    """The memory that others are compared with: the reference, or the best of the section."""
    if comparison.options.mode == "vs-best":
        return section.best or ""
    return comparison.options.reference_on([row.label for row in section.rows])


def entries(comparison: Comparison, section: Section) -> list[Entry]:
    """The section's memories beside its opponent, best first, those without a difference last."""
    found = against(section, opponent(comparison, section))
    rows = [Entry(label, contrast, sign) for label, (contrast, sign) in found.items()]
    turn = 1.0 if section.direction == "lower" else -1.0

    def cost(entry: Entry) -> tuple[bool, float]:
        known = entry.difference
        return known is None, 0.0 if known is None else turn * known

    return sorted(rows, key=cost)


def row_axes(rows: Sequence[Entry], title: str, xlabel: str) -> tuple[Figure, Axes]:
    """Axes with one row for each memory, the first on top, and a line at zero."""
    inner = STEP * len(rows) + 0.1
    height = inner + 0.9
    figure = blank(4.6, height)
    axes = figure.add_axes((0.02, 0.5 / height, 0.96, inner / height))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=SOFT, linewidth=0.9, zorder=1.5)
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    return figure, axes


def axis_label(section: Section, other: str) -> str:
    """What the axis of differences says; its arrow points to the better side."""
    unit = f" ({section.unit})" if section.unit else ""
    side = "← better" if section.direction == "lower" else "better →"
    return f"{section.metric} {ARROWS[section.direction]}{unit}, memory minus {other}   {side}"


def spread_out(axes: Axes, values: Sequence[float]) -> str:
    """Make the axis of differences logarithmic beyond the bulk if some lie far outside of it.

    Returns:
        The sentence that the caption owes to it, or nothing.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(sizes) or sizes.max() <= OUTLYING * np.median(sizes):
        return ""
    threshold = 10.0 ** math.ceil(math.log10(float(np.median(sizes))))
    axes.set_xscale("symlog", linthresh=threshold, linscale=1.5)
    least, most = axes.get_xlim()
    ticks = [0.0, *(sign * k for sign in (-1, 1) for k in _ticks(threshold, float(sizes.max())))]
    shown = sorted(tick for tick in ticks if least <= tick <= most)
    axes.set_xticks(shown, [plain_number(tick) for tick in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlim(least, most)
    return f"The axis is linear within {plain_number(threshold)} of zero and logarithmic beyond."


def _ticks(threshold: float, most: float) -> list[float]:
    top = math.ceil(math.log10(most))
    first = round(math.log10(threshold))
    return [10.0**k for k in range(first, top + 1)]


def tested(comparison: Comparison, section: Section) -> str:
    """How the verdicts came about, for a caption."""
    options = comparison.options
    over_time = any(c.time is not None and c.time.in_family for c in section.contrasts)
    if not over_time and not any(contrast.in_family for contrast in section.contrasts):
        return "Nothing was tested here: differences and intervals stand alone."
    name = CORRECTION_NAMES.get(options.correction, "no correction")
    sizes = [
        family.m
        for family in comparison.families
        if family.metric == section.metric and family.task_label in ("", section.task_label)
    ]
    over = f" over m = {sizes[0]} tests" if sizes and options.correction != "none" else ""
    rests = {"both": "over seeds and over time", "seed": "over seeds", "time": "over time"}
    what = f" Verdicts rest on tests {rests[options.claim]}." if over_time else ""
    return f"Level {options.alpha:g}, {name}{over}.{what}"
