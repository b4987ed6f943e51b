"""What a comparison says of a whole suite: ranks, tests on ranks, scores over tasks.

One `Overall` per field of memories that meet on the same tasks; nothing here formats text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.stats.intervals import Interval

Rows = Literal["block", "task"]
Posthoc = Literal["wilcoxon", "nemenyi", "reference"]
Resample = Literal["seeds", "tasks", "both"]
Scope = Literal["all", "full", "common"]
"""``all``: every memory meets every task. Where some are skipped on some tasks, ``full``: all
tasks, the memories that meet them all; ``common``: all memories, the tasks that all of them meet.
"""


@dataclass(frozen=True)
class Estimate:
    """A score over tasks.

    Attributes:
        value: The score.
        interval: Its 95% bootstrap interval, or None where there is none to be had.
    """

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Entrant:
    """One memory over all tasks of its field.

    Attributes:
        label: Its label.
        mean_rank: Mean of its ranks over rows, 1 = best.
        win_rate: Share of (opponent, row) duels won, ties counted half.
        skill: 1 - geometric mean of its error relative to the reference; None without a cost form.
        iqm: Interquartile mean of scores between chance and ceiling; None without anchors.
        optimality_gap: Mean shortfall of those scores below 1; None without anchors.
        improvement: Share of seeds on which it beats the reference, ties counted half, by tasks;
            of all pairs of runs where no seed is common; None for the reference itself.
        incomplete: How many of the field's cells are partial, failed or missing for it.
    """

    label: str
    mean_rank: float
    win_rate: Estimate
    skill: Estimate | None
    iqm: Estimate | None
    optimality_gap: Estimate | None
    improvement: Estimate | None
    incomplete: int


@dataclass(frozen=True)
class Omnibus:
    """Friedman's test that all memories rank alike.

    Attributes:
        chi2: Tie-corrected statistic, chi-squared with k - 1 degrees of freedom.
        chi2_p: Its p.
        f: Iman and Davenport's F from it; infinite where all rows rank alike.
        f_p: Its p.
        chi2_plain: Without the tie correction (Demsar 2006).
        f_plain: F from that.
        p: The p that decides: a within-row permutation test for N <= 10 or k <= 5, else `f_p`;
            for two memories Wilcoxon's.
        method: ``permutation``, ``f`` or ``wilcoxon`` (two memories).
    """

    chi2: float
    chi2_p: float
    f: float
    f_p: float
    chi2_plain: float
    f_plain: float
    p: float
    method: str


@dataclass(frozen=True)
class RankPair:
    """Two memories compared over rows.

    Attributes:
        label: One memory.
        against: The other.
        p_raw: Two-sided p.
        p_adjusted: p after Holm (Wilcoxon, reference), or Nemenyi's own.
    """

    label: str
    against: str
    p_raw: float
    p_adjusted: float


@dataclass(frozen=True)
class Overall:
    """One field of memories that meet on the same tasks.

    Attributes:
        scope: How memories and tasks were selected.
        rows: Names of the rows that are ranked: blocks of tasks, or tasks.
        by: Whether a row is a block or a task.
        tasks: Task label and metric of each section that entered.
        reference: Label that `skill` and `improvement` refer to; None if it is not in the field.
        entrants: Memories, best mean rank first; ties in the suite's order.
        ranks: Rank per row and memory, [rows][entrants in that order].
        omnibus: Whether memories differ at all.
        posthoc: Method of `pairs`.
        pairs: Pairwise tests; empty unless the omnibus test rejects, or where rows are too few.
        groups: Maximal sets of two or more memories not separated from each other, each in rank
            order, the best first; one set of all where the omnibus test does not reject or rows
            are too few. Against a reference alone: the memories not separated from it.
        least_rows: Rows at which a pairwise Wilcoxon test could reject at all.
        critical_difference: Nemenyi's; None for other methods and without `pairs`.
        resample: What the intervals resampled; None where there are none.
        no_interval: Why not; empty if there are intervals.
        without_cost: Sections left out of skill, having no cost form.
        without_anchors: Sections left out of the IQM.
        imputed: ``label on task (metric)`` of each incomplete cell that counts as the worst
            ratio of its task, and at least 1.
        at_bound: The same of each incomplete cell whose failed seeds count as the worst value
            that its metric can take.
        without_reference: Sections left out of skill: the reference has no complete result there.
        from_reference: Sections whose scores for the IQM begin at the reference's mean, because
            the task declares the best value but not that of guessing.
        uncommon: Sections where only the seeds that all memories have are used.
        apart: Rows whose memories have no seed in common: means alone, no interval.
        n_seeds: Least and largest number of seeds over rows; both 0 where nothing has seeds.
    """

    scope: Scope
    rows: tuple[str, ...]
    by: Rows
    tasks: tuple[tuple[str, str], ...]
    reference: str | None
    entrants: tuple[Entrant, ...]
    ranks: tuple[tuple[float, ...], ...]
    omnibus: Omnibus
    posthoc: Posthoc
    pairs: tuple[RankPair, ...]
    groups: tuple[tuple[str, ...], ...]
    least_rows: int
    critical_difference: float | None
    resample: Resample | None
    no_interval: str
    without_cost: tuple[str, ...]
    without_anchors: tuple[str, ...]
    imputed: tuple[str, ...]
    at_bound: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()
    from_reference: tuple[str, ...] = ()
    uncommon: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    n_seeds: tuple[int, int] = (0, 0)
