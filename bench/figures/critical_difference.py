"""Mean ranks on a line, with bars over memories that no test tells apart (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.compare.model import Comparison
from bench.compare.overall_model import Entrant, Overall
from bench.figures.drawing import Absent, Drawing, blank, finished
from bench.figures.style import INK, SOFT, Style, house, styles
from bench.tables.digits import p_value

KIND = "critical-difference"
BAR, NAME = 0.1, 0.18
"""Inches from bar to bar, and from name to name."""
WIDTH = 5.0
METHODS = {
    "wilcoxon": "pairwise Wilcoxon tests over rows, Holm",
    "nemenyi": "Nemenyi's test",
    "reference": "tests of mean ranks, Holm",
}


def drawings(comparison: Comparison) -> Iterator[Drawing | Absent]:
    """One figure per field and scope of memories that are ranked over tasks."""
    if not comparison.overall:
        yield Absent(
            KIND,
            "it takes two ranked memories that meet on two blocks of tasks, or on two tasks "
            "with --rows task",
        )
    for overall, about in zip(comparison.overall, scopes(comparison), strict=True):
        yield draw(comparison, overall, about)


def scopes(comparison: Comparison) -> list[str]:
    """What tells each field and scope from the others in a file's name."""
    names: list[str] = []
    for overall in comparison.overall:
        name = "" if overall.scope == "all" else overall.scope
        same = sum(known.split("-")[0] == (name or "field") or known == name for known in names)
        names.append(f"{name or 'field'}-{same + 1}" if same else name)
    return names


def draw(comparison: Comparison, overall: Overall, about: str = "") -> Drawing:
    """The diagram of one field."""
    looks = styles(comparison.labels)
    bars = groups(overall, comparison.options.alpha)
    k = len(overall.entrants)
    deep = BAR * len(bars) + 0.14
    height = deep + NAME * (-(-k // 2)) + 0.45
    title = "Mean ranks over " + ("blocks of tasks" if overall.by == "block" else "tasks")
    with house():
        figure = blank(WIDTH, height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-0.25, WIDTH + 0.25), ylim=(0, height))
        axes.axis("off")
        line = height - 0.42
        _ruler(axes, k, line)
        if overall.critical_difference is not None:
            _reach(axes, overall.critical_difference, k, height - 0.08)
        place = {entrant.label: _x(entrant.mean_rank, k) for entrant in overall.entrants}
        for level, group in enumerate(bars):
            y = line - 0.12 - BAR * level
            ends = [place[label] for label in group]
            axes.plot([min(ends), max(ends)], [y, y], color=INK, linewidth=2.6, zorder=3)
            axes.plot(ends, [y] * len(ends), ".", color=INK, markersize=5, zorder=3)
        _names(axes, overall.entrants, place, line, line - deep, looks)
        return finished(
            figure, KIND, (about,), title, _caption(comparison, overall, bars),
            _data(overall, bars), below=0.05,
        )  # fmt: skip


def groups(overall: Overall, alpha: float) -> list[tuple[str, ...]]:
    """The bars: groups not told apart; one over all where the test of all together is silent."""
    everyone = tuple(entrant.label for entrant in overall.entrants)
    if overall.omnibus is None or overall.omnibus.p >= alpha:
        return [everyone]
    return [tuple(group) for group in overall.groups if len(group) > 1]


def _x(rank: float, k: int) -> float:
    return WIDTH * (rank - 1) / (k - 1)


def _ruler(axes: Axes, k: int, y: float) -> None:
    axes.plot([0, WIDTH], [y, y], color=INK, linewidth=0.9)
    step = max(1, round((k - 1) / 10))
    for rank in range(1, k + 1):
        long = (rank - 1) % step == 0
        x = _x(rank, k)
        axes.plot([x, x], [y, y + (0.07 if long else 0.04)], color=INK, linewidth=0.8)
        if long:
            axes.text(x, y + 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    axes.text(-0.12, y + 0.1, "better ←", ha="right", va="bottom", fontsize=8, color=SOFT)


def _reach(axes: Axes, distance: float, k: int, y: float) -> None:
    """Nemenyi's critical difference as a length."""
    end = _x(1 + distance, k)
    axes.plot([0, end], [y, y], color=INK, linewidth=1.2, marker="|", markersize=6)
    axes.text(end + 0.06, y, f"critical difference {distance:.3g}", va="center", fontsize=7.5)


def _names(
    axes: Axes,
    entrants: Sequence[Entrant],
    place: dict[str, float],
    top: float,
    first: float,
    looks: dict[str, Style],
) -> None:
    """Names on both sides, the best half on the left, joined to their ranks."""
    half = -(-len(entrants) // 2)
    left, right = entrants[:half], entrants[half:][::-1]
    for side, names in ((0, left), (1, right)):
        edge, reach, align = (-0.12, -0.05, "right") if side == 0 else (
            WIDTH + 0.12, WIDTH + 0.05, "left"
        )  # fmt: skip
        for level, entrant in enumerate(names):
            y, x = first - 0.06 - NAME * level, place[entrant.label]
            axes.plot([x, x, reach], [top, y, y], color=SOFT, linewidth=0.6, zorder=1)
            axes.plot([x], [top], zorder=4, **looks[entrant.label].dot)
            incomplete = "!" if entrant.incomplete else ""
            parts = (f"{entrant.label}{incomplete}", f"{entrant.mean_rank:.2f}")
            text = "  ".join(parts if side == 0 else parts[::-1])
            axes.text(edge, y, text, ha=align, va="center", fontsize=8)


def _caption(
    comparison: Comparison, overall: Overall, bars: Sequence[tuple[str, ...]]
) -> list[str]:
    found = overall.omnibus
    what = "blocks of tasks" if overall.by == "block" else "tasks"
    incomplete = any(entrant.incomplete for entrant in overall.entrants)
    return [
        f"Mean ranks of k = {len(overall.entrants)} memories over N = {len(overall.rows)} {what}, "
        "1 is best.",
        "No test of all together."
        if found is None
        else f"That all rank alike: p = {p_value(found.p)} ({found.method}).",
        *_told_apart(overall, bars, comparison.options.alpha),
        "! some results are missing: they rank last." if incomplete else "",
    ]


def _told_apart(overall: Overall, bars: Sequence[tuple[str, ...]], alpha: float) -> list[str]:
    """What the bars say, and whether there could be fewer."""
    method = f"{METHODS[overall.posthoc]}, level {alpha:g}."
    if overall.omnibus is None or overall.omnibus.p >= alpha:
        return ["One bar over all, since that is not refuted."]
    if overall.posthoc == "reference":
        return [f"Bar and its dots: memories not told from {overall.reference} by {method}"]
    said = [
        f"Bars and their dots: memories not told apart by {method}"
        if bars
        else f"All are told apart by {method}"
    ]
    if overall.posthoc == "wilcoxon" and len(overall.rows) < overall.least_rows:
        said.append(f"With fewer than {overall.least_rows} rows no pair could be told apart.")
    return said


def _data(overall: Overall, bars: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    ranks = np.asarray(overall.ranks, dtype=np.float64).reshape(-1, len(overall.entrants))
    rows = []
    for column, entrant in enumerate(overall.entrants):
        by_row = dict(zip(overall.rows, ranks[:, column].tolist(), strict=True))
        member = [str(place) for place, bar in enumerate(bars, start=1) if entrant.label in bar]
        rows.append(
            {
                "memory": entrant.label,
                "mean_rank": entrant.mean_rank,
                "groups": " ".join(member),
                "incomplete": entrant.incomplete,
                **{f"rank on {name}": rank for name, rank in by_row.items()},
            }
        )
    return pd.DataFrame(rows)
