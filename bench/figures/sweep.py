"""A result over a parameter of the task that a suite varies, such as similarity or list length."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.compare.model import Comparison, Section
from bench.figures import legends, lines, scales
from bench.figures.curve import BAND
from bench.figures.drawing import Drawing, blank, finished, seeds
from bench.figures.sections import headline
from bench.figures.style import SOFT, house, named, styles

KIND = "sweep"
LEAST_POINTS = 3
MOST_PANELS = 4
CROWDED = 0.05
"""Share of the axis below which neighbouring values are drawn evenly spaced."""


@dataclass(frozen=True)
class Sweep:
    """One metric over one parameter.

    Attributes:
        name: What the task points' labels have in common.
        metric: The metric.
        parameter: What varies along the axis.
        panels: By what else varies, in words: the parameter's values with their sections.
    """

    name: str
    metric: str
    parameter: str
    panels: Mapping[str, Sequence[tuple[float, Section]]]


def drawings(comparison: Comparison) -> Iterator[Drawing]:
    """One figure per grid of task points over at least three values of a numeric parameter."""
    for sweep in sweeps(list(headline(comparison))):
        found = {other: panel_lines(comparison, points) for other, points in sweep.panels.items()}
        if set.intersection(*(set(own) for own in found.values())):
            yield draw(comparison, sweep, found)


def sweeps(sections: Sequence[Section]) -> list[Sweep]:
    """The grids among sections: same name before the bracket, parameters that differ."""
    groups: dict[tuple[str, str], list[Section]] = defaultdict(list)
    for section in sections:
        if "[" in section.task_label:
            groups[section.task_label.split("[")[0], section.metric].append(section)
    found = [_sweep(name, metric, own) for (name, metric), own in groups.items()]
    return [sweep for sweep in found if sweep is not None]


def _sweep(name: str, metric: str, sections: Sequence[Section]) -> Sweep | None:
    params = [json.loads(section.task_params) for section in sections]
    varying = [key for key in params[0] if len({json.dumps(p.get(key)) for p in params}) > 1]
    numeric = [key for key in varying if all(_is_number(p.get(key)) for p in params)]
    if not numeric:
        return None
    axis = max(numeric, key=lambda key: len({p[key] for p in params}))
    panels: dict[str, list[tuple[float, Section]]] = defaultdict(list)
    for own, section in zip(params, sections, strict=True):
        other = ", ".join(f"{key.replace('_', '-')} = {own[key]}" for key in varying if key != axis)
        panels[other].append((float(own[axis]), section))
    kept = {
        other: sorted(points, key=lambda item: item[0])
        for other, points in panels.items()
        if len({x for x, _ in points}) == len(points) >= LEAST_POINTS
    }
    if not kept or len(kept) > MOST_PANELS:
        return None
    return Sweep(name, metric, axis.replace("_", "-"), kept)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def draw(
    comparison: Comparison, sweep: Sweep, found: Mapping[str, Mapping[str, lines.Line]]
) -> Drawing:
    """The panels of one sweep, side by side on one axis of values.

    Args:
        comparison: Gives labels and references.
        sweep: What is drawn.
        found: Its `panel_lines`; some memory has one in every panel.
    """
    first = next(iter(sweep.panels.values()))[0][1]
    picked = _picked(comparison, found, first.direction)
    looks = styles(comparison.labels)
    width = 4.6 if len(found) == 1 else 2.6
    total, title = width * len(found) + 0.5, f"{sweep.name}: {sweep.metric} over {sweep.parameter}"
    means = [line.mean for own in found.values() for line in own.values()]
    log = first.direction == "lower" and scales.spans_decades(np.concatenate(means))
    with house():
        figure = blank(total, 3.3)
        panels: list[Axes] = []
        for place, (other, own) in enumerate(found.items()):
            axes = figure.add_axes(
                ((0.55 + width * place) / total, 0.14, (width - 0.2) / total, 0.76),
                sharey=panels[0] if panels else None,
            )
            panels.append(axes)
            lines.plot(axes, _here(picked, own), looks)
            _axes(axes, sweep, other)
            axes.tick_params(labelleft=place == 0)
        panels[0].set_ylabel(named(sweep.metric, first.direction, first.unit))
        if log:
            scales.logarithmic(panels[0], "y")
        figure.text(0.55 / total, 0.985, title, fontsize=10, va="bottom")
        legends.outside(panels[-1], picked, looks, references=comparison.options.references)
        return finished(
            figure, KIND, (sweep.name, sweep.metric, sweep.parameter), title,
            _caption(comparison, sweep, found, picked), _data(sweep, found), below=0.08, wide=2.4,
        )  # fmt: skip


def _axes(axes: Axes, sweep: Sweep, other: str) -> None:
    _ticks(axes, [x for x, _ in sweep.panels[other]])
    chance = sweep.panels[other][0][1].chance
    if chance is not None:
        axes.axhline(chance, color=SOFT, linewidth=0.8, dashes=(2, 2), zorder=1.5)
    axes.set_xlabel(sweep.parameter)
    axes.set_title(other, fontsize=8.5)


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    """Ticks at the values, crowded ones evenly spaced."""
    if scales.spans_decades(values):
        scales.logarithmic(axes, "x")
    elif _crowded(values):
        step = (values[-1] - values[0]) / (len(values) - 1)
        known = np.array([values[0] - step, *values, values[-1] + step])
        evenly = np.arange(len(known), dtype=np.float64)
        axes.set_xscale(
            "function",
            functions=(
                lambda x: np.interp(x, known, evenly),
                lambda place: np.interp(place, evenly, known),
            ),
        )
        axes.set_xlim(np.interp([0.75, len(values) + 0.25], evenly, known))
    axes.set_xticks(values, [scales.plain_number(value) for value in values])
    axes.set_xticks([], minor=True)


def _crowded(values: Sequence[float]) -> bool:
    """Whether some neighbours lie too close for their ticks."""
    gaps = np.diff(values)
    return bool(gaps.min() < CROWDED * gaps.sum())


def _spread(points: Sequence[tuple[float, Section]]) -> bool:
    values = [x for x, _ in points]
    return not scales.spans_decades(values) and _crowded(values)


def panel_lines(
    comparison: Comparison, points: Sequence[tuple[float, Section]]
) -> dict[str, lines.Line]:
    """A line for each memory that has a mean at every point, in the suite's order."""
    found = {}
    xs = np.array([x for x, _ in points])
    for label in comparison.labels:
        rows = [section.row(label) for _, section in points]
        known = [row for row in rows if row is not None and row.mean is not None]
        if len(known) < len(points):
            continue
        ends = [row.interval for row in known]
        mean = np.array([row.mean for row in known], dtype=np.float64)
        found[label] = lines.Line(
            label=label, x=xs, values=mean[None].repeat(min(row.n for row in known), axis=0),
            mean=mean,
            lo=np.array([np.nan if end is None else end.lo for end in ends]),
            hi=np.array([np.nan if end is None else end.hi for end in ends]),
            planned=max(row.n_planned for row in known),
        )  # fmt: skip
    return found


def _picked(
    comparison: Comparison, found: Mapping[str, Mapping[str, lines.Line]], direction: str
) -> lines.Chosen:
    """The choice of lines for all panels together, from each memory's panels put side by side."""
    whole = []
    for label in comparison.labels:
        own = [panel[label] for panel in found.values() if label in panel]
        if len(own) == len(found):
            joined = np.concatenate([line.mean for line in own])
            values = joined[None].repeat(min(line.n for line in own), axis=0)
            x = np.arange(len(joined), dtype=np.float64)
            whole.append(lines.Line(label, x, values, joined, joined, joined, own[0].planned))
    return lines.chosen(whole, comparison.options.references, direction)


def _here(picked: lines.Chosen, own: Mapping[str, lines.Line]) -> lines.Chosen:
    strands = (
        lines.Strand(tuple(own[each.label] for each in strand.lines)) for strand in picked.strands
    )
    return lines.Chosen(tuple(strands), tuple(own[each.label] for each in picked.faint))


def _caption(
    comparison: Comparison,
    sweep: Sweep,
    found: Mapping[str, Mapping[str, lines.Line]],
    picked: lines.Chosen,
) -> list[str]:
    whole = {label for strand in picked.strands for label in strand.labels}
    whole |= {line.label for line in picked.faint}
    present = [row.label for points in sweep.panels.values() for _, s in points for row in s.rows]
    without = [label for label in comparison.labels if label in present and label not in whole]
    first = next(iter(sweep.panels.values()))[0][1]
    return [
        f"Mean over seeds, {seeds(line.n for own in found.values() for line in own.values())}.",
        BAND,
        "Dashed: what guessing reaches." if first.chance is not None else "",
        "Values are evenly spaced, whatever their distance."
        if any(_spread(points) for points in sweep.panels.values())
        else "",
        picked.told,
        f"Without a result at every point: {', '.join(without)}." if without else "",
    ]


def _data(sweep: Sweep, found: Mapping[str, Mapping[str, lines.Line]]) -> pd.DataFrame:
    rows = []
    for other, own in found.items():
        for (x, section), place in zip(sweep.panels[other], range(len(sweep.panels[other])),
                                       strict=True):  # fmt: skip
            for line in own.values():
                rows.append(
                    {
                        "task": section.task_label,
                        "metric": sweep.metric,
                        "memory": line.label,
                        sweep.parameter: x,
                        "panel": other,
                        "mean": line.mean[place],
                        "ci_lo": line.lo[place],
                        "ci_hi": line.hi[place],
                        "n": line.n,
                    }
                )
    return pd.DataFrame(rows)
