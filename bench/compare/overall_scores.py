"""Scores of memories over the rows of a field, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.measured import Measured, MeasuredRow
from bench.compare.model import Options
from bench.compare.overall_model import Estimate, Resample
from bench.stats.aggregate import (
    iqm,
    probability_of_improvement,
    relative_errors,
    shortfall,
    skill,
    win_rate,
)
from bench.stats.arrays import FloatArray
from bench.stats.intervals import LEAST_FOR_BOOTSTRAP, Interval
from bench.stats.ranks import block_ranks, rank_matrix
from bench.stats.resampling import (
    Counts,
    Stratum,
    draw,
    mean_over_tasks,
    percentile_interval,
    pooled_counts,
    seed_means,
)

ROWS_INSTEAD_OF_SEEDS = 10
"""From this many rows on rows are resampled where seeds are too few."""

Statistic = Callable[[MeasuredRow, Counts | None], FloatArray]
"""From a row and how often its seeds are drawn [samples, n] to values [samples, k]."""


@dataclass(frozen=True)
class Scores:
    """Estimates by memory, in the order of the field; None where a score does not exist.

    Attributes:
        win_rate: Share of duels won.
        skill: Skill over the reference.
        iqm: Interquartile mean of normalised scores.
        optimality_gap: Mean shortfall of them.
        improvement: Probability of improvement over the reference; None for itself.
    """

    win_rate: list[Estimate]
    skill: list[Estimate] | None
    iqm: list[Estimate] | None
    optimality_gap: list[Estimate] | None
    improvement: list[Estimate | None]


def what_to_resample(rows: Sequence[MeasuredRow], asked: Resample) -> tuple[Resample | None, str]:
    """What the intervals resample, or None with the reason why there are none.

    Fewer than 5 seeds make intervals too narrow; rows are resampled instead if there are 10.
    """
    few_rows = len(rows) < LEAST_FOR_BOOTSTRAP
    if asked != "seeds" and few_rows:
        return None, f"{len(rows)} rows are too few to be resampled"
    lacking = _lacking_seeds(rows)
    if asked == "tasks" or not lacking:
        return asked, ""
    if len(rows) >= ROWS_INSTEAD_OF_SEEDS:
        return "tasks", ""
    return None, f"{lacking}, and {len(rows)} rows are too few to be resampled instead"


def _lacking_seeds(rows: Sequence[MeasuredRow]) -> str:
    """Why seeds cannot be resampled; empty if they can."""
    apart = [row.name for row in rows if row.apart]
    if apart:
        return f"no seed is common to all memories on {', '.join(apart)}"
    sizes = [row.n for row in rows if row.seeded]
    if not sizes:
        return "nothing varies with the seed"
    if min(sizes) < LEAST_FOR_BOOTSTRAP:
        return f"{min(sizes)} seeds are too few to be resampled"
    return ""


def scores(
    rows: Sequence[MeasuredRow],
    reference: int | None,
    resample: Resample | None,
    options: Options,
) -> Scores:
    """Every score of every memory of a field.

    Args:
        rows: The field's rows, measured.
        reference: Place of the reference among its memories; None without one.
        resample: What the intervals resample; None for no intervals.
        options: Whose generator the replicates come from.
    """
    bootstrap = _Bootstrap(resample, options)
    wins = bootstrap.over(rows, _win_rate)
    anchored = [row for row in rows if _anchored(row, reference)]
    short = bootstrap.over(anchored, lambda row, c: _shortfall(row, c, reference))
    return Scores(
        win_rate=[Estimate(*found) for found in wins or ()],
        skill=_skill(rows, reference, bootstrap),
        iqm=_iqm(anchored, reference, bootstrap),
        optimality_gap=[Estimate(*found) for found in short] if short else None,
        improvement=_improvement(rows, reference, bootstrap),
    )


class _Bootstrap:
    """Values of statistics over rows with their intervals."""

    def __init__(self, resample: Resample | None, options: Options) -> None:
        self.resample = resample
        self.options = options
        self.drawn: dict[tuple[str, ...], list[Stratum]] = {}

    def strata(self, rows: Sequence[MeasuredRow]) -> list[Stratum] | None:
        """The replicates; the same whatever the order of rows, None for no intervals."""
        if self.resample is None:
            return None
        names = tuple(sorted(row.name for row in rows))
        if names not in self.drawn:
            sizes = {row.name: row.n for row in rows}
            self.drawn[names] = draw(
                [sizes[name] for name in names], rng=self.options.rng(), resample=self.resample
            )
        by_name = dict(zip(names, self.drawn[names], strict=True))
        return [by_name[row.name] for row in rows]

    def over(
        self,
        rows: Sequence[MeasuredRow],
        statistic: Statistic,
        finish: Callable[[FloatArray], FloatArray] = np.asarray,
    ) -> list[tuple[float, Interval | None]] | None:
        """Value and interval per memory of a mean over rows; None without rows."""
        if not rows:
            return None
        observed = finish(np.mean([statistic(row, None)[0] for row in rows], axis=0))
        strata = self.strata(rows)
        if strata is None:
            return [(float(value), None) for value in observed]
        samples = finish(mean_over_tasks(strata, lambda t, counts: statistic(rows[t], counts)))
        return _estimates(observed, samples)


def _estimates(observed: FloatArray, samples: FloatArray) -> list[tuple[float, Interval | None]]:
    return [
        (float(value), percentile_interval(column))
        for value, column in zip(observed, samples.T, strict=True)
    ]


def _win_rate(row: MeasuredRow, counts: Counts | None) -> FloatArray:
    return win_rate(row_ranks(row, counts))


def row_ranks(row: MeasuredRow, counts: Counts | None = None) -> FloatArray:
    """Ranks [samples, k] on a row: those of its tasks averaged, and ranked again."""
    ranks = [
        rank_matrix(found.rank_costs(seed_means(found.values, counts))) for found in row.sections
    ]
    return block_ranks(ranks) if len(ranks) > 1 else ranks[0]


def has_cost(found: Measured) -> bool:
    """Whether the metric has a best value that is 0 as a cost."""
    return found.costs(found.values[:, :1].T) is not None


def lost_reference(found: Measured, reference: int | None) -> bool:
    """Whether the reference's own cost is not known."""
    return reference is not None and bool(found.imputed[reference])


def _comparable(row: MeasuredRow, reference: int) -> list[Measured]:
    return [x for x in row.sections if has_cost(x) and not lost_reference(x, reference)]


def _skill(
    rows: Sequence[MeasuredRow], reference: int | None, bootstrap: _Bootstrap
) -> list[Estimate] | None:
    if reference is None:
        return None
    place = reference

    def log_errors(row: MeasuredRow, counts: Counts | None) -> FloatArray:
        logs = []
        for found in _comparable(row, place):
            costs = found.costs(seed_means(found.values, counts))
            if costs is not None:
                logs.append(np.log(relative_errors(costs, place, imputed=found.imputed)))
        return np.asarray(np.mean(logs, axis=0))

    found = bootstrap.over([row for row in rows if _comparable(row, place)], log_errors, skill)
    if found is None:
        return None
    # the reference's own skill is 0 by definition: nothing is estimated
    return [Estimate(value, None if j == place else span) for j, (value, span) in enumerate(found)]


def _anchored(row: MeasuredRow, reference: int | None) -> list[Measured]:
    return [found for found in row.sections if found.anchors(reference) is not None]


def _row_scores(row: MeasuredRow, reference: int | None, target: float | None) -> FloatArray:
    """Normalised scores [k, n], or their shortfall, averaged over a row's tasks."""
    scores = [
        found.scores(anchors)
        for found in row.sections
        if (anchors := found.anchors(reference)) is not None
    ]
    if target is not None:
        scores = [shortfall(found, target) for found in scores]
    return np.asarray(np.mean(scores, axis=0))


def _shortfall(row: MeasuredRow, counts: Counts | None, reference: int | None) -> FloatArray:
    return seed_means(_row_scores(row, reference, 1.0), counts)


def _iqm(
    rows: Sequence[MeasuredRow], reference: int | None, bootstrap: _Bootstrap
) -> list[Estimate] | None:
    if not rows:
        return None
    pooled = np.concatenate([_row_scores(row, reference, None) for row in rows], axis=1)
    observed = np.array([iqm(scores)[0] for scores in pooled])
    strata = bootstrap.strata(rows)
    if strata is None:
        return [Estimate(float(value), None) for value in observed]
    counts = pooled_counts(strata, [row.n for row in rows])
    samples = np.stack([iqm(scores, counts) for scores in pooled], axis=1)
    return [Estimate(*found) for found in _estimates(observed, samples)]


def _improvement(
    rows: Sequence[MeasuredRow], reference: int | None, bootstrap: _Bootstrap
) -> list[Estimate | None]:
    if reference is None:
        return []
    place = reference

    def shares(row: MeasuredRow, counts: Counts | None) -> FloatArray:
        paired = not row.apart
        won = np.mean([_wins(found, place, paired=paired) for found in row.sections], axis=0)
        if counts is None or won.shape[1] == 1:  # one share, whatever seeds are drawn
            samples = 1 if counts is None else len(counts)
            return np.broadcast_to(won.mean(axis=1), (samples, len(won)))
        drawn = np.asarray(counts, dtype=np.float64)
        return np.asarray(drawn @ won.T / drawn.sum(axis=1, keepdims=True))

    found = bootstrap.over(rows, shares) or []
    return [None if j == place else Estimate(*pair) for j, pair in enumerate(found)]


def _wins(measured: Measured, place: int, *, paired: bool) -> FloatArray:
    """Wins over the memory at a place, ties one half: by seed [k, n], or over all pairs [k, 1].

    Pairs of equal seeds where there are any: in a sample that draws seeds for both sides at once
    a seed would meet itself too often among all pairs.
    """
    base = measured.runs[place]
    if not paired:
        return np.array([[probability_of_improvement([runs], [base])] for runs in measured.runs])
    return np.array([np.where(runs == base, 0.5, runs < base) for runs in measured.runs])
