"""From the tidy frame of a run to claims: means, paired differences, tests, verdicts.

    frame = bench.load("results/quickstart")
    comparison = compare(frame, reference="linear-assoc")

Nothing here formats text for a reader; `bench.tables` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.compare import (
    cells,
    contrasts,
    notes,
    overall,
    records,
    selection,
    summary,
    time_tests,
    verdicts,
)
from bench.compare import (
    published as published_numbers,
)
from bench.compare.incomplete import drop_incomplete, refuse_incomplete
from bench.compare.loss_series import LossSeries
from bench.compare.model import (
    Comparison,
    Contrast,
    FamilyScope,
    Missing,
    Mode,
    Options,
    Row,
    Section,
)
from bench.compare.overall_model import Posthoc, Resample, Rows
from bench.compare.time_model import Claim
from bench.errors import MembError
from bench.stats.corrections import Correction
from bench.stats.intervals import IntervalMethod
from bench.stats.paired import Test
from bench.tolerances import Tolerance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Contrast", "Options", "Row", "Section", "compare"]


def compare(
    frame: pd.DataFrame,
    *,
    reference: str | None = None,
    mode: Mode | None = None,
    metrics: Sequence[str] | None = None,
    test: Test | None = None,
    correction: Correction | None = None,
    family: FamilyScope | None = None,
    alpha: float | None = None,
    ci: IntervalMethod | None = None,
    missing: Missing | None = None,
    rows: Rows | None = None,
    posthoc: Posthoc | None = None,
    resample: Resample | None = None,
    all_metrics: bool = False,
    margins: Mapping[str, float | Tolerance] | None = None,
    claim: Claim | None = None,
    two_stage: bool = False,
    pab: bool = False,
    unpaired: bool = False,
    published: str = "auto",
) -> Comparison:
    """The memories of a run compared on every task point and primary metric.

    An option left at None is taken from the suite's statistics block (``frame.attrs``), or else
    has its default. Equal records give an equal comparison, whatever their order: bootstraps
    and Monte-Carlo tests draw from a generator of their own with a fixed seed.

    Args:
        frame: One row per number, as `bench.frame.load` returns it.
        reference: Label the others are compared to; default the suite's, or its first memory.
        mode: ``vs-reference``, ``vs-best`` (of each task and metric) or ``all-pairs``.
        metrics: Metrics to show; default all primary ones. Others are shown, never tested.
        test: ``auto``, ``t``, ``signflip``, ``wilcoxon`` or ``welch``.
        correction: ``holm``, ``bh``, ``hommel``, ``bonferroni`` or ``none``.
        family: What is corrected together: a metric's whole ``table``, each ``task``, ``none``.
        alpha: Significance level; default 0.05.
        ci: Method of the 95% intervals: ``t``, ``bca`` or ``percentile``.
        missing: ``worst`` (incomplete cells are shown and never stand out), ``error``, or
            ``drop`` (leave out task points with an incomplete cell, and name them).
        rows: What is ranked over tasks: each ``block`` of related tasks counts once, or each
            ``task`` and metric does.
        posthoc: Tests of pairs over those rows: ``wilcoxon``, ``nemenyi``, or all against the
            ``reference``.
        resample: What intervals of scores over tasks resample: ``seeds`` (these tasks),
            ``tasks`` (others like them) or ``both``.
        all_metrics: Whether scalars and costs that are not tested are shown too; the points of a
            curve are shown when `metrics` names it.
        margins: Differences that do not matter, by metric: in its units, or as a `Tolerance`,
            relative to the mean that is compared with. The equivalence test then may say
            ``equiv``. Default what the suite's statistics block tolerates.
        claim: What a mark on a fixed series rests on where trials stored their losses at each
            origin: ``both`` (p over seeds and p over time), ``seed`` or ``time``.
        two_stage: Whether one second look with more seeds was planned: each look is made at half
            the level.
        pab: Whether it is decided which memories outperform others often enough to matter
            (Bouthillier et al. 2021); it takes 29 pairs.
        unpaired: Whether equal seeds are no pairs: Welch's test.
        published: Published numbers to set beside: ``auto`` for those that ship with memb,
            ``none``, or a YAML file of them.

    Raises:
        MembError: If the selection is empty, a name is unknown, an option has no such value,
            options contradict each other, records contradict each other, a file of losses is
            missing or damaged, or cells are incomplete under ``missing="error"``.
    """
    plan = selection.plan_of(frame)
    options = selection.options(
        frame,
        plan,
        given={
            "mode": mode,
            "test": selection.test_of(test, unpaired=unpaired),
            "correction": correction,
            "family": family,
            "ci": ci,
            "missing": missing,
            "rows": rows,
            "posthoc": posthoc,
            "resample": resample,
            "claim": claim,
        },
        asked_reference=reference,
        asked_metrics=metrics,
        asked_alpha=alpha,
        asked_margins=margins,
        all_metrics=all_metrics,
        two_stage=two_stage,
        pab=pab,
    )
    found, dropped = _sections(frame, plan, options)
    series = LossSeries(frame)
    found = contrasts.contrasted(series.named(found, options), options)
    contrasts.refuse_undecidable(found, options)
    found, time_families = time_tests.corrected(time_tests.timed(found, series, options), options)
    found, families = verdicts.judged(found, options)
    comparison = Comparison(
        suite=plan.suite,
        suite_hash=plan.suite_hash,
        options=options,
        labels=plan.labels,
        sections=tuple(found),
        families=families,
        dropped=dropped,
        notes=(),
        runs=plan.runs,
        seeds_extended=plan.seeds_extended,
        time_families=time_families,
        own_series=series.of_seeds(found),
        published=published_numbers.beside(found, options, published),
        overall=overall.overall(found, plan.labels, options),
    )
    return replace(comparison, notes=notes.sentences(comparison, plan))


def _sections(
    frame: pd.DataFrame, plan: selection.Plan, options: Options
) -> tuple[list[Section], tuple[str, ...]]:
    """The sections that are shown, rows summarised, and the task points dropped."""
    wanted = cells.Wanted(options.metrics, options.all_metrics)
    found = [
        section
        for point in records.read(wanted.among(frame), plan.tasks)
        for section in cells.sections(point, plan.labels, wanted)
    ]
    if not found:
        raise MembError(
            "nothing to compare: no task has a primary metric among the records",
            help="name a metric, or show all of them",
        )
    dropped: tuple[str, ...] = ()
    if options.missing == "error":
        refuse_incomplete(found)
    elif options.missing == "drop":
        found, dropped = drop_incomplete(found)
    return [summary.summarise(section, options) for section in found], dropped
