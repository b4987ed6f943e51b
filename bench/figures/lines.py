"""Curves over seeds: means, pointwise bands, and which of many curves a reader can follow."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from bench.figures.style import FAINT, Style
from bench.stats.arrays import FloatArray
from bench.stats.student import critical_t

LEVEL = 0.95
LEAST_FOR_BAND = 3
FEW_SEEDS = 5
"""Below so many seeds each is drawn too."""
MOST_LINES = 12
"""More lines than that nobody can follow: the best are drawn, the others shown in grey."""
HIGHLIGHTED = 9
MOST_BANDS = 3
"""Over one another more bands than that hide what they are to show."""
ALIKE = 0.01
"""Curves that never differ by more than this share of the axis are one line with several names."""


@dataclass(frozen=True, eq=False)
class Line:
    """One memory's curve.

    Attributes:
        label: The memory.
        x: Coordinates, ascending [X].
        values: Per seed [S, X]; NaN where a seed has no value.
        mean: Over seeds [X].
        lo: Lower end of the pointwise interval [X]; NaN where there is none.
        hi: Upper end [X].
        planned: Seeds that were planned.
    """

    label: str
    x: FloatArray
    values: FloatArray
    mean: FloatArray
    lo: FloatArray
    hi: FloatArray
    planned: int

    @property
    def n(self) -> int:
        """Seeds with a value somewhere."""
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Strand:
    """A line that is drawn, and the memories whose curves coincide with it.

    Attributes:
        lines: The memories' curves, in the suite's order.
    """

    lines: tuple[Line, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Its memories."""
        return tuple(line.label for line in self.lines)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is drawn in full, best first, and what in grey."""

    strands: tuple[Strand, ...]
    faint: tuple[Line, ...]

    @property
    def told(self) -> str:
        """The sentences that a caption owes to the choice."""
        parts = []
        if any(len(strand.lines) > 1 for strand in self.strands):
            parts.append("Memories whose curves coincide to the eye share a line.")
        if self.faint:
            parts.append(
                f"Of {sum(len(s.lines) for s in self.strands) + len(self.faint)} memories the best "
                f"and the reference are coloured, {len(self.faint)} are grey; all are in the data."
            )
        return " ".join(parts)


def line(
    label: str,
    x: Sequence[float] | FloatArray,
    values: FloatArray,
    *,
    bounds: tuple[float, float] = (math.nan, math.nan),
    planned: int = 0,
) -> Line:
    """A curve with its mean and t interval at each x, clipped to what the metric can reach.

    Args:
        label: The memory.
        x: Coordinates [X].
        values: Per seed [S, X].
        bounds: Attainable range of a value; NaN where unbounded.
        planned: Seeds that were planned; as many as there are if fewer.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    mean = values.mean(axis=0)
    lo, hi = band(values)
    lo = lo if math.isnan(bounds[0]) else np.maximum(lo, bounds[0])
    hi = hi if math.isnan(bounds[1]) else np.minimum(hi, bounds[1])
    where = np.asarray(x, dtype=np.float64)
    return Line(label, where, values, mean, lo, hi, max(planned, len(values)))


def band(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the 95% t interval of the mean over the first axis; NaN below 3 values."""
    n = len(values)
    mean = values.mean(axis=0)
    if n < LEAST_FOR_BAND:
        nothing = np.full_like(mean, np.nan)
        return nothing, nothing
    half = critical_t(LEVEL, n - 1) * values.std(axis=0, ddof=1) / math.sqrt(n)
    return mean - half, mean + half


def chosen(
    lines: Sequence[Line],
    references: Iterable[str],
    direction: str,
    *,
    log: bool = False,
    alike: float = ALIKE,
    by_end: bool = False,
) -> Chosen:
    """Which lines a figure draws in full: up to 12 all, else the best and the references.

    Lines that coincide are one.

    Args:
        lines: In the suite's order.
        references: Labels that are always drawn in full.
        direction: Which values are better.
        log: Whether the axis of values is logarithmic.
        alike: Share of the axis within which curves are one.
        by_end: Whether a curve is as good as its last value, or else as its mean.
    """
    kept = set(references)
    strands = _bundled(lines, kept, log, alike)
    sign = 1.0 if direction == "lower" else -1.0

    def cost(strand: Strand) -> float:
        heights = _height(strand.lines[0], log)
        return sign * float(heights[-1] if by_end else heights.mean())

    ranked = sorted(strands, key=cost)
    if len(ranked) <= MOST_LINES:
        return Chosen(tuple(ranked), ())
    must = [strand for strand in ranked if kept & set(strand.labels)]
    free = [strand for strand in ranked if strand not in must][: HIGHLIGHTED - len(must)]
    full = [strand for strand in ranked if strand in must or strand in free]
    rest = [each for strand in ranked if strand not in full for each in strand.lines]
    return Chosen(tuple(full), tuple(rest))


def _height(each: Line, log: bool) -> FloatArray:
    if not log:
        return each.mean
    logged: FloatArray = np.log10(np.maximum(each.mean, np.finfo(np.float64).tiny))
    return logged


def _bundled(lines: Sequence[Line], kept: set[str], log: bool, alike: float) -> list[Strand]:
    """Lines that coincide, each bundle led by a reference where it holds one."""
    heights = [_height(each, log) for each in lines]
    low, high = min(h.min() for h in heights), max(h.max() for h in heights)
    near = alike * (high - low)
    order = sorted(range(len(lines)), key=lambda place: lines[place].label not in kept)
    leaders: list[int] = []
    members: dict[int, list[int]] = {}
    for place in order:
        for leader in leaders:
            same = np.array_equal(lines[place].x, lines[leader].x)
            if same and np.max(np.abs(heights[place] - heights[leader])) <= near:
                members[leader].append(place)
                break
        else:
            leaders.append(place)
            members[place] = [place]
    found = [(lead, [lines[m] for m in sorted(members[lead])]) for lead in sorted(leaders)]
    return [
        Strand((lines[lead], *(each for each in group if each is not lines[lead])))
        for lead, group in found
    ]


def plot(
    axes: Axes,
    picked: Chosen,
    styles: Mapping[str, Style],
    *,
    markers: bool = True,
    banded: Container[str] | None = None,
) -> None:
    """Draw lines: in full with bands and few seeds, the others in grey below them.

    Args:
        axes: Where.
        picked: What.
        styles: By label.
        markers: Whether each point has its marker; else a few along the line.
        banded: Leading memories of the lines that have a band; default all.
    """
    for faint in picked.faint:
        axes.plot(faint.x, faint.mean, color=FAINT, linewidth=0.7, zorder=1)
    total = len(picked.strands)
    for place, strand in enumerate(reversed(picked.strands)):
        lead = strand.lines[0]
        style = styles[lead.label]
        if np.isfinite(lead.lo).any() and (banded is None or lead.label in banded):
            axes.fill_between(
                lead.x, lead.lo, lead.hi, color=style.color, alpha=0.15, linewidth=0, zorder=2
            )
        if 1 < lead.n < FEW_SEEDS:
            for values in lead.values:
                axes.plot(lead.x, values, color=style.color, alpha=0.4, linewidth=0.5, zorder=2.5)
        axes.plot(
            lead.x, lead.mean, zorder=3 + place / total,
            markevery=1 if markers else _sparse(len(lead.x), place, total), **style.line,
        )  # fmt: skip


def banded(picked: Chosen, references: Iterable[str]) -> set[str]:
    """Leading memories of the lines with a band where bands lie over one another.

    All of a few; else the best three and the references.
    """
    leads = [strand.labels[0] for strand in picked.strands]
    if len(leads) <= MOST_BANDS + 1:
        return set(leads)
    return {*leads[:MOST_BANDS], *(lead for lead in leads if lead in set(references))}


def _sparse(points: int, place: int, total: int) -> tuple[int, int]:
    """First marker and step of a long line, shifted so that lines do not mark the same x."""
    step = max(1, points // 8)
    return (place * step) // max(1, total), step
