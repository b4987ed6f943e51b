"""How forecasters fare over time: their mean error so far, and what they gained on a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from bench.compare.loss_series import MEANS_OF, LossSeries
from bench.compare.model import Comparison, Section
from bench.errors import MembError
from bench.figures import curve_data, legends, regime_changes, scales
from bench.figures.curve import BAND, FEW
from bench.figures.drawing import Absent, Drawing, blank, finished, seeds
from bench.figures.lines import (
    FEW_SEEDS,
    LEAST_FOR_BAND,
    Chosen,
    Line,
    Strand,
    banded,
    chosen,
    line,
    plot,
)
from bench.figures.regime_changes import Span
from bench.figures.sections import headline
from bench.figures.style import SOFT, house, named, styles
from bench.stats.arrays import FloatArray

Losses = dict[str, dict[int | None, FloatArray]]
"""By memory and seed the loss of each origin [T], in time order."""

KIND = "adaptation-curve"
POINTS = 400
"""Origins at which curves are drawn; sums run over all of them."""
SETTLED = 0.02
"""Share of the origins after which a mean so far is worth the axis."""
EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The curves of one task point and loss.

    Attributes:
        section: Where they come from.
        reference: The memory that gains are over.
        so_far: Mean loss over all origins up to x, by memory.
        gained: Sum of the reference's losses minus the memory's, up to x.
        changes: When the regime changes.
        unstored: Memories with results and without a stored series.
    """

    section: Section
    reference: str
    so_far: tuple[Line, ...]
    gained: tuple[Line, ...]
    changes: tuple[Span, ...]
    unstored: tuple[str, ...]


def drawings(comparison: Comparison, frame: pd.DataFrame) -> Iterator[Drawing | Absent]:
    """One figure per task point whose trials stored the loss of each origin."""
    series = LossSeries(frame)
    for section in headline(comparison):
        name = MEANS_OF.get(section.metric, section.metric)
        try:
            losses = stored(series, replace(section, losses=name))
        except MembError as err:
            yield Absent(KIND, f"{section.task_label}: {err.problems[0].message}")
            continue
        if losses:
            yield draw(comparison, adaptation(comparison, section, losses))


def stored(series: LossSeries, section: Section) -> Losses:
    """The losses behind a section, of memories of which every finished trial stored them.

    Raises:
        MembError: If a file is missing or damaged.
    """
    found: Losses = {}
    for row in section.rows:
        known = series.losses(section, row)
        seeds_of: tuple[int | None, ...] = (None,) * row.n if row.seedless else row.seeds
        of_seed = {seed: own for seed, own in zip(seeds_of, known, strict=True) if own is not None}
        if of_seed and len(of_seed) == len(known):
            found[row.label] = of_seed
    return found


def adaptation(comparison: Comparison, section: Section, losses: Losses) -> Adaptation:
    """Curves from losses.

    Args:
        comparison: Gives the reference.
        section: The task point and the metric that is the losses' mean.
        losses: By memory and seed.
    """
    rows = [row for row in section.rows if row.label in losses]
    reference = comparison.options.reference_on([row.label for row in section.rows])
    length = min(len(series) for own in losses.values() for series in own.values())
    at = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(int))
    so_far, gained = [], []
    for row in rows:
        own = losses[row.label]
        sums = {seed: np.cumsum(series[:length])[at] for seed, series in own.items()}
        means = np.array([total / (at + 1) for total in sums.values()])
        so_far.append(
            line(row.label, at + 1.0, means, bounds=section.bounds, planned=row.n_planned)
        )
        pairs = _paired(losses.get(reference, {}), own, seeded=section.seeded)
        if pairs and row.label != reference:
            gains = np.array([np.cumsum(b[:length] - a[:length])[at] for b, a in pairs])
            gained.append(line(row.label, at + 1.0, gains, planned=row.n_planned))
    unstored = tuple(row.label for row in section.rows if row.values and row.label not in losses)
    changes = tuple(regime_changes.spans(section.task_params))
    return Adaptation(section, reference, tuple(so_far), tuple(gained), changes, unstored)


def _paired(
    of_reference: Mapping[int | None, FloatArray],
    own: Mapping[int | None, FloatArray],
    *,
    seeded: bool,
) -> list[tuple[FloatArray, FloatArray]]:
    """Series on the same data: of common seeds; without a seed one stands for all of them.

    Only where the data are the same for every seed: on seeded data it has no partner.
    """
    common = [seed for seed in own if seed in of_reference]
    if common:
        return [(of_reference[seed], own[seed]) for seed in common]
    if seeded:
        return []
    if None in of_reference:
        return [(of_reference[None], series) for series in own.values()]
    return [(series, own[None]) for series in of_reference.values()] if None in own else []


def draw(comparison: Comparison, found: Adaptation) -> Drawing:
    """Both panels: the mean loss so far, and below it the gain over the reference."""
    section, looks = found.section, styles(comparison.labels)
    picked = chosen(found.so_far, (found.reference,), section.direction, alike=EXACT, by_end=True)
    below_picked = _of_gains(picked, {each.label: each for each in found.gained})
    with_band = banded(picked, (found.reference,))
    title = f"{section.task_label}: {section.metric} over time"
    with house():
        figure = blank(5.6, 4.9)
        above = figure.add_axes((0.13, 0.545, 0.85, 0.40))
        below = figure.add_axes((0.13, 0.10, 0.85, 0.40), sharex=above)
        plot(above, picked, looks, markers=False, banded=with_band)
        plot(below, below_picked, looks, markers=False, banded=with_band)
        below.axhline(0, color=SOFT, linewidth=0.8, zorder=1.5)
        for axes in (above, below):
            _mark(axes, found.changes)
        above.set_xlim(0, found.so_far[0].x[-1] * 1.01)
        _fit_above(above, picked, with_band)
        _fit_below(below, below_picked, with_band)
        above.set_title(title)
        above.tick_params(labelbottom=False)
        above.set_ylabel(named(f"mean {section.metric} so far", section.direction, section.unit))
        reference = found.reference
        below.set_ylabel(f"summed {section.metric}, {reference}\nminus memory ↑")
        below.set_xlabel("forecast origins scored")
        legends.outside(above, picked, looks, references=(found.reference,))
        return finished(
            figure, KIND, (section.task_label, section.metric), title,
            _caption(found, picked, with_band), _data(found), below=0.02, wide=2.4,
        )  # fmt: skip


def _of_gains(picked: Chosen, gains: Mapping[str, Line]) -> Chosen:
    """The same memories in full and in grey as above, by their gains."""
    strands = [
        Strand(tuple(gains[each.label] for each in strand.lines if each.label in gains))
        for strand in picked.strands
    ]
    return Chosen(
        tuple(strand for strand in strands if strand.lines),
        tuple(gains[each.label] for each in picked.faint if each.label in gains),
    )


def _fit_above(axes: Axes, picked: Chosen, with_band: set[str]) -> None:
    """Limit the axis to what the lines in full do once the first forecasts are averaged out."""
    means = _heights(picked, SETTLED)
    log = scales.spans_decades(means)
    if log:
        axes.set_ylim(means.min() / 1.5, means.max() * 1.5)
        scales.logarithmic(axes, "y")
    else:
        _limit(axes, np.concatenate([means, _ends(picked, with_band, SETTLED)]))


def _fit_below(axes: Axes, picked: Chosen, with_band: set[str]) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scales.plain_number(value)))
    if picked.strands:
        ends = _ends(picked, with_band, 0.0)
        _limit(axes, np.concatenate([np.zeros(1), _heights(picked, 0.0), ends]))


def _heights(picked: Chosen, after: float) -> FloatArray:
    leads = [strand.lines[0] for strand in picked.strands]
    return np.concatenate([lead.mean[lead.x > after * lead.x[-1]] for lead in leads])


def _ends(picked: Chosen, with_band: set[str], after: float) -> FloatArray:
    """Ends of the bands that are drawn."""
    leads = [strand.lines[0] for strand in picked.strands if strand.labels[0] in with_band]
    ends = [side[lead.x > after * lead.x[-1]] for lead in leads for side in (lead.lo, lead.hi)]
    found: FloatArray = np.concatenate([*ends, np.empty(0)])
    return found[np.isfinite(found)]


def _limit(axes: Axes, values: FloatArray) -> None:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)


def _mark(axes: Axes, changes: Sequence[Span]) -> None:
    for first, last in changes:
        if last > first:
            axes.axvspan(first, last, color=SOFT, alpha=0.12, linewidth=0, zorder=0.5)
        else:
            axes.axvline(first, color=SOFT, linewidth=0.9, dashes=(4, 2), zorder=1.5)


def _data(found: Adaptation) -> pd.DataFrame:
    section = found.section
    fixed = {"task": section.task_label, "metric": section.metric}
    parts = [curve_data.table(found.so_far, **fixed, panel="mean so far")]
    if found.gained:
        panel = f"sum of {found.reference} minus memory"
        parts.append(curve_data.table(found.gained, **fixed, panel=panel))
    return pd.concat(parts, ignore_index=True)


def _caption(found: Adaptation, picked: Chosen, with_band: set[str]) -> list[str]:
    section = found.section
    full = [each for strand in picked.strands for each in strand.lines]
    few = any(1 < each.n < FEW_SEEDS for each in full)
    kinds = {last > first for first, last in found.changes}
    return [
        f"Mean over seeds, {seeds(each.n for each in found.so_far)}; seeds vary {section.varies}.",
        BAND if any(each.n >= LEAST_FOR_BAND for each in full) else "",
        "They are drawn for the best and the reference."
        if len(with_band) < len(picked.strands) else "",
        FEW if few else "",
        f"Below: a line that rises gains on {found.reference}; pairs share their seed."
        if found.gained else f"No pairs with {found.reference}.",
        "Dashed verticals: changes of regime." if False in kinds else "",
        "Shaded: rows in which one regime gives way to another." if True in kinds else "",
        picked.told,
        "Axes are those of the coloured lines." if picked.faint else "",
        f"Without a stored series: {', '.join(found.unstored)}." if found.unstored else "",
    ]  # fmt: skip
