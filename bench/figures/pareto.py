"""Quality against the size of the state and against the time of a read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.compare.model import Comparison, Row
from bench.compare.pareto import Calls, Front, Point, fronts
from bench.errors import MembError
from bench.figures import scales
from bench.figures.drawing import Absent, Drawing, blank, finished, seeds
from bench.figures.label_places import annotate
from bench.figures.style import INK, SOFT, house, named, styles

KIND = "pareto"
Cost = Callable[[Point], float | None]
PALE = 0.35
"""Opacity of what is off the front."""
FEW = 12
"""Up to so many points all are named, beyond that those on the front and the reference."""
MARGIN = 0.3
"""Room beside the outermost points of a logarithmic axis, in decades."""
PER: Mapping[Calls, str] = {
    "queries": "per query, of 256 at once",
    "forecasts": "per forecast",
    "passes": "per read of all tokens",
}
"""What the time of a read is per."""


def drawings(comparison: Comparison, frame: pd.DataFrame) -> Iterator[Drawing | Absent]:
    """One figure per task and metric of which memories have both a result and a state."""
    try:
        found = fronts(frame, metrics=comparison.options.metrics)
    except MembError as err:
        yield Absent(KIND, err.problems[0].message)
        return
    for front in found:
        yield draw(comparison, front)


def draw(comparison: Comparison, front: Front) -> Drawing:
    """Both trade-offs of one front; that of reads is left out where none was timed."""
    panels: list[tuple[str, Cost, Callable[[Point], bool]]] = [
        ("floats of state ↓", lambda p: p.state_floats, lambda p: p.on_state_front)
    ]
    if any(point.read_us is not None for point in front.points):
        panels.append(
            (f"µs {PER[front.calls]} ↓", lambda p: p.read_us, lambda p: p.on_read_front),
        )
    about = front.tasks[0] if len(front.tasks) == 1 else front.tasks[0].split("[")[0]
    title = f"{about}: {front.metric} against cost"
    with house():
        width, inner = 3.9, 3.2
        total = width * len(panels)
        figure = blank(total, inner + 0.8)
        ends = {(p.label, p.task_label): _interval(comparison, front, p) for p in front.points}
        log = front.direction == "lower" and scales.spans_decades(
            [point.quality for point in front.points]
        )
        for place, (label, cost, best) in enumerate(panels):
            left = (0.55 + width * place) / total
            axes = figure.add_axes(
                (left, 0.45 / (inner + 0.8), (width - 0.65) / total, inner / (inner + 0.8))
            )
            _panel(axes, comparison, front, cost, best, ends, log=log)
            axes.set_xlabel(label)
            axes.set_ylabel(named(front.metric, front.direction, front.unit))
        figure.axes[0].set_title(title)
        return finished(
            figure, KIND, (about, front.metric), title, _caption(comparison, front),
            _data(front, ends), below=0.02,
        )  # fmt: skip


def _panel(
    axes: Axes,
    comparison: Comparison,
    front: Front,
    cost: Cost,
    best: Callable[[Point], bool],
    ends: dict[tuple[str, str], tuple[float, float] | None],
    *,
    log: bool,
) -> None:
    looks = styles(comparison.labels)
    shown = [(point, at) for point in front.points if (at := cost(point)) is not None]
    _intervals(axes, [(at, ends[p.label, p.task_label], best(p)) for p, at in shown])
    for point, at in shown:
        axes.plot(
            [at], [point.quality], alpha=1.0 if best(point) else PALE,
            zorder=4 if best(point) else 3, **looks[point.label].dot,
        )  # fmt: skip
    _scale(axes, [at for _, at in shown])
    if log:
        scales.logarithmic(axes, "y")
    steps = _edge(axes, sorted((at, point.quality) for point, at in shown if best(point)))
    named_points = [
        (at, point.quality, _name(point, front), best(point))
        for point, at in sorted(shown, key=lambda item: not best(item[0]))
        if best(point) or len(shown) <= FEW or point.label in comparison.options.references
    ]
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(_roomy(axes, log=log))
    bends = [bend for (x, y), (after, _) in pairwise(steps) for bend in ((x, y), (after, y))]
    annotate(axes, named_points, [(at, point.quality) for point, at in shown], bends)


def _edge(axes: Axes, front: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The front as a dashed line to the right end of the axes; the places where it steps."""
    if not front:
        return []
    steps = [*front, (axes.get_xlim()[1], front[-1][1])]
    axes.step(
        *zip(*steps, strict=True), where="post", color=INK, linewidth=0.9, dashes=(3, 2),
        zorder=1.8,
    )  # fmt: skip
    return steps


def _name(point: Point, front: Front) -> str:
    """The label, with the budget where the front has several."""
    if len(front.tasks) == 1 or "[" not in point.task_label:
        return point.label
    setting = point.task_label.split("[", 1)[1].rstrip("]")
    return f"{point.label}, {setting.rsplit('=', 1)[-1]}"


def _intervals(axes: Axes, found: Sequence[tuple[float, tuple[float, float] | None, bool]]) -> None:
    """The interval of each point that has one, by its cost, pale off the front."""
    known = [(at, *ends, 1.0 if on_front else PALE) for at, ends, on_front in found if ends]
    if known:
        at, low, high, alpha = zip(*known, strict=True)
        axes.vlines(at, low, high, SOFT, linewidth=0.8, alpha=alpha, zorder=2)


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """A logarithmic axis of costs; a memory without any state stands left of one float."""
    low, high = min(costs), max(costs)
    if low > 0:
        axes.set_xscale("log")
        axes.set_xlim(low / 10**MARGIN, high * 10**MARGIN)
        scales.logarithmic(axes, "x")
        return
    least = min((cost for cost in costs if cost > 0), default=1.0)
    threshold = 10.0 ** np.floor(np.log10(least))
    axes.set_xscale("symlog", linthresh=threshold, linscale=0.5)
    axes.set_xlim(-0.4 * threshold, max(high, threshold) * 10**MARGIN)
    decades = np.arange(round(np.log10(threshold)), np.floor(np.log10(max(high, 1))) + 1)
    ticks = [0.0, *(10.0**decades).tolist()]
    axes.set_xticks(ticks, [scales.plain_number(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _roomy(axes: Axes, *, log: bool) -> tuple[float, float]:
    """Limits with room for names above and below the points."""
    low, high = axes.get_ylim()
    if log:
        return low / 1.15, high * 1.15
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _interval(comparison: Comparison, front: Front, point: Point) -> tuple[float, float] | None:
    row = _row(comparison, front, point)
    return None if row is None or row.interval is None else (row.interval.lo, row.interval.hi)


def _row(comparison: Comparison, front: Front, point: Point) -> Row | None:
    for section in comparison.sections:
        if (section.task_label, section.metric, section.x) == (
            point.task_label, front.metric, None,
        ):  # fmt: skip
            return section.row(point.label)
    return None


def _caption(comparison: Comparison, front: Front) -> list[str]:
    rows = [_row(comparison, front, point) for point in front.points]
    counts = [row.n for row in rows if row is not None]
    named_all = len(front.points) <= FEW
    return [
        f"Mean {front.metric} over seeds, {seeds(counts)}, with its 95% interval. Sizes of states "
        "are exact; times are of the machine that ran, measured once: no test stands behind them.",
        "Dashed: the front, which no other beats in both; the others are pale.",
        "" if named_all else "Named: the front and the reference; all are in the data.",
        f"Without a complete result: {', '.join(front.left_out)}." if front.left_out else "",
    ]


def _data(front: Front, ends: dict[tuple[str, str], tuple[float, float] | None]) -> pd.DataFrame:
    rows = []
    for point in front.points:
        lo, hi = ends[point.label, point.task_label] or (np.nan, np.nan)
        rows.append(
            {
                "task": point.task_label,
                "metric": front.metric,
                "memory": point.label,
                "mean": point.quality,
                "ci_lo": lo,
                "ci_hi": hi,
                "state_floats": point.state_floats,
                "read_us": point.read_us,
                "write_us": point.write_us,
                "param_floats": point.param_floats,
                "on_state_front": point.on_state_front,
                "on_read_front": point.on_read_front,
            }
        )
    return pd.DataFrame(rows)
