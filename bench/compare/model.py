"""What a comparison holds: everything a table, a JSON file or a figure needs, and no formatting."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from bench.compare.overall_model import Overall, Posthoc, Resample, Rows
from bench.compare.published_model import Published
from bench.compare.significance import Significance
from bench.compare.time_model import Claim, TimeTest
from bench.stats import effects
from bench.stats.corrections import Correction
from bench.stats.equivalence import Equivalence
from bench.stats.intervals import Interval, IntervalMethod
from bench.stats.outperformance import Outperformance
from bench.stats.paired import Test
from bench.stats.pairing import Direction, Pairs
from bench.tolerances import Tolerance

Mode = Literal["vs-reference", "vs-best", "all-pairs"]
FamilyScope = Literal["table", "task", "none"]
Missing = Literal["worst", "error", "drop"]
State = Literal["complete", "partial", "failed", "missing", "skipped"]
STATES: tuple[State, ...] = get_args(State)
Standing = Literal["best", "second", ""]
Verdict = Literal["better", "worse", "n.s.", "equiv", "n<3", "det", "fail", "untested"]
Mark = Literal["better", "worse", "fragile", "within-margin", "partial", "det", "not-separated"]

RNG_SEED = 0
"""Seed of the generator behind every bootstrap and Monte-Carlo test of a comparison."""


@dataclass(frozen=True)
class Options:
    """What was asked of a comparison, with the suite's own choices filled in.

    Attributes:
        references: Labels the others are compared to: on each task the first that is planned.
        mode: Which pairs are compared.
        metrics: Names asked for, or None for all primary ones.
        test: Test asked for.
        correction: Correction for many tests.
        family: Which tests are corrected together.
        alpha: Significance level of each test: half of what was asked where two looks are planned.
        ci: Method of the 95% intervals.
        missing: What is done about incomplete cells.
        rows: What is ranked over tasks: blocks of related tasks, or every task and metric.
        posthoc: Tests of pairs of memories over those rows.
        resample: What intervals of scores over tasks resample.
        all_metrics: Whether untested metrics are shown too.
        margins: Differences that do not matter, by metric.
        claim: What a mark on a fixed series with stored losses rests on.
        two_stage: Whether two looks at the results are planned, each at half the level.
        pab: Whether it is decided which memories outperform others often enough to matter.
    """

    references: tuple[str, ...]
    mode: Mode
    metrics: tuple[str, ...] | None
    test: Test
    correction: Correction
    family: FamilyScope
    alpha: float
    ci: IntervalMethod
    missing: Missing
    rows: Rows
    posthoc: Posthoc
    resample: Resample
    all_metrics: bool
    margins: Mapping[str, Tolerance]
    claim: Claim
    two_stage: bool
    pab: bool

    def reference_on(self, labels: Collection[str]) -> str:
        """The reference among these labels, or the first one where none is among them."""
        return next((name for name in self.references if name in labels), self.references[0])

    def rng(self) -> np.random.Generator:
        """A fresh generator, so that no number depends on what else is in the table."""
        return np.random.default_rng(RNG_SEED)


@dataclass(frozen=True)
class Failure:
    """A trial without a value.

    Attributes:
        seed: Its seed; None for a cell that does not depend on one.
        status: ``nonfinite``, ``error``, ``timeout``, ``oom``, ``missing`` or ``skipped``.
        message: The reason, as recorded.
        trial_key: Key of the trial, to run it again alone; may be empty.
    """

    seed: int | None
    status: str
    message: str
    trial_key: str


@dataclass(frozen=True)
class Row:
    """One memory's result on one task and metric.

    Attributes:
        label: The name it has in the suite.
        memory: Its registry name.
        params: Its resolved parameters, as JSON text.
        state: ``complete``, ``partial``, ``failed``, ``missing`` or ``skipped``.
        deterministic: Whether neither memory nor task depends on the seed.
        seedless: Whether it is one value without a seed: deterministic, or measured once.
        planned: Seeds the plan holds for it, ascending; empty if seedless.
        seeds: Seeds with a value, ascending; empty if seedless.
        values: The values, in the order of `seeds`.
        failures: Trials without a value.
        resolution: Smallest step of the value.
        n_eval: Trials, queries or origins behind one value; None if unknown.
        mean: Mean over seeds; None without values.
        sd: Sample standard deviation (ddof 1); None below 2 values.
        interval: 95% interval of the mean; None below 2 values or where refused.
        all_equal: Whether there are several values and all are the same.
        standing: Whether its mean is the best or second best of the complete, ranked cells.
        ranked: Whether it may stand out: an untrained memory beside its meta-trained self does
            not, nor one that is larger than the budget.
        fill: Share of the task's budget that its state takes; None without a budget.
        marks: Short labels of the row, e.g. ``stores nothing``.
        at_chance: Whether the interval of its mean reaches the value of guessing.
    """

    label: str
    memory: str
    params: str
    state: State
    deterministic: bool
    seedless: bool
    planned: tuple[int, ...]
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    failures: tuple[Failure, ...]
    resolution: float
    n_eval: int | None
    mean: float | None = None
    sd: float | None = None
    interval: Interval | None = None
    all_equal: bool = False
    standing: Standing = ""
    ranked: bool = True
    fill: float | None = None
    marks: tuple[str, ...] = ()
    at_chance: bool = False

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)

    @property
    def n_planned(self) -> int:
        """Number of values the plan holds."""
        return 1 if self.seedless else len(self.planned)


@dataclass(frozen=True)
class Contrast:
    """One memory, `label`, against another, `against`, on one task and metric.

    Attributes:
        label: The memory judged.
        against: The memory it is compared to.
        direction: Which values are better.
        pairs: Their values on common seeds.
        unpaired: All values of both, where an unpaired test was used.
        in_family: Whether it counts in its family's m: planned with at least 3 seeds.
        difference: mean(label) - mean(against) in the metric's units; None without pairs.
        interval: Its 95% interval; None below 2 pairs or where refused.
        relative: The difference over |mean(against)|; None if that mean is 0.
        t: Paired t statistic behind the effect sizes; None below 3 pairs or if undefined.
        sd: Standard deviation of the oriented differences, not below the resolution floor.
        significance: Outcome of the test; None where nothing could be tested.
        margin: Largest difference that does not matter, in the metric's units; None without one.
        equivalence: Outcome of the equivalence test over seeds, if there is a margin.
        outperformance: Whether it wins often enough to matter; None unless asked for and decidable.
        time: The test over time; None unless the series is fixed and losses are stored.
        p_adjusted: p after correction within the family; None outside of a family.
        verdict: The word for it.
        marks: Signs to print beside it.
        unresolvable: Whether no data could have made it significant at this n and m.
        pairs_to_resolve: Where it is, the pairs at which its family's permutation tests could;
            None where their random patterns are too few at any n.
        detectable: Smallest difference found with 80% power at this n, unadjusted; None unless
            the verdict is open.
        seeds_needed: Pairs that would resolve the observed difference; None beyond 200.
    """

    label: str
    against: str
    direction: Direction
    pairs: Pairs
    unpaired: tuple[tuple[float, ...], tuple[float, ...]] | None
    in_family: bool
    difference: float | None
    interval: Interval | None
    relative: float | None
    t: float | None
    sd: float | None
    significance: Significance | None
    margin: float | None
    equivalence: Equivalence | None
    outperformance: Outperformance | None = None
    time: TimeTest | None = None
    p_adjusted: float | None = None
    verdict: Verdict = "untested"
    marks: tuple[Mark, ...] = ()
    unresolvable: bool = False
    pairs_to_resolve: int | None = None
    detectable: float | None = None
    seeds_needed: int | None = None

    @property
    def p_raw(self) -> float | None:
        """Two-sided p; 1 for a planned test whose trials failed; None outside of a family."""
        if not self.in_family:
            return None
        return self.significance.p if self.significance is not None else 1.0

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.pairs.n

    @property
    def d_z(self) -> float | None:
        """Paired standardised difference, positive where `label` is better."""
        return None if self.t is None else effects.d_z(self.t, self.n)

    @cached_property
    def d_z_interval(self) -> Interval | None:
        """95% interval of d_z."""
        return None if self.t is None else effects.d_z_interval(self.t, self.n)

    @cached_property
    def g_z(self) -> effects.Effect | None:
        """Hedges' g_z with its interval."""
        return None if self.t is None else effects.hedges_g_z(self.t, self.n)

    @cached_property
    def superiority(self) -> effects.Effect | None:
        """Share of seeds on which `label` is better; the unpaired A12 after Welch's test."""
        if self.unpaired is not None:
            a, b = self.unpaired
            if not (a and b):
                return None
            return effects.vargha_delaney_effect(a, b, self.direction, rng=_rng())
        return effects.superiority(self.pairs.d, rng=_rng()) if self.n else None

    @cached_property
    def ratio(self) -> effects.Effect | None:
        """Geometric mean of label/against over pairs; None unless all values are positive."""
        if not self.n:
            return None
        return effects.geometric_ratio(self.pairs.a, self.pairs.b, rng=_rng())


@dataclass(frozen=True)
class Section:
    """All memories on one task point and metric.

    Attributes:
        task: Registry name of the task.
        task_label: Its name in the suite.
        task_params: Its resolved parameters, as JSON text.
        block: Family of related tasks.
        metric: Name of the metric; empty where every trial failed before one was known.
        x: Sweep coordinate of a curve point; None for a scalar.
        unit: Unit of the values.
        direction: Which values are better.
        kind: ``quality``, ``perf`` or ``static``.
        bounds: Attainable range; NaN where unbounded.
        seeded: Whether the data depend on the seed.
        varies: What differs between seeds, in words.
        tested: Whether its contrasts belong to a family of tests.
        chance: Value of a memory that knows nothing; None if unknown.
        ceiling: Best attainable value; None if unknown.
        rows: One per memory, in the suite's order.
        contrasts: One per pair compared.
        best: Label of the best complete cell, first among ties; None without one.
        losses: Name of the stored per-origin losses whose mean the metric is, where they count
            for claims; empty otherwise.
    """

    task: str
    task_label: str
    task_params: str
    block: str
    metric: str
    x: float | None
    unit: str
    direction: Direction
    kind: str
    bounds: tuple[float, float]
    seeded: bool
    varies: str
    tested: bool
    chance: float | None
    ceiling: float | None
    rows: tuple[Row, ...]
    contrasts: tuple[Contrast, ...] = ()
    best: str | None = None
    losses: str = ""

    def row(self, label: str) -> Row | None:
        """The row of a memory; None if the plan does not pair it with this task."""
        return next((row for row in self.rows if row.label == label), None)


@dataclass(frozen=True)
class Family:
    """P-values that are corrected together.

    Attributes:
        metric: The metric they are about.
        task_label: The task, where families are per task; else empty.
        m: Number of p-values, failed trials included.
        failed: How many of them entered as p = 1 because their trials failed.
    """

    metric: str
    task_label: str
    m: int
    failed: int


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    Attributes:
        suite: Name of the suite.
        options: What was asked.
        labels: Memories, in the suite's order.
        sections: Results by task point and metric, in the suite's order.
        families: Families of tests over seeds.
        dropped: Task points left out because of incomplete cells (``missing="drop"``).
        notes: Sentences that must stand below any table.
        runs: Provenance of the records, one mapping per run.
        seeds_extended: Whether seeds were added after results were seen.
        overall: Ranks and scores over tasks, one per field of memories that meet.
        suite_hash: Identity of the suite's tasks and their protocols, hexadecimal.
        time_families: Families of tests over time.
        own_series: Task points whose trials stored losses of data that differ between seeds, so
            that claims on them rest on seeds alone.
        published: Published numbers of the sections, with verdicts on ours.
    """

    suite: str
    options: Options
    labels: tuple[str, ...]
    sections: tuple[Section, ...]
    families: tuple[Family, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    runs: tuple[Mapping[str, Any], ...]
    seeds_extended: bool
    overall: tuple[Overall, ...] = ()
    time_families: tuple[Family, ...] = ()
    own_series: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    suite_hash: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Labels of the task points that have results, in the suite's order."""
        return tuple(dict.fromkeys(section.task_label for section in self.sections))


def _rng() -> np.random.Generator:
    return np.random.default_rng(RNG_SEED)
