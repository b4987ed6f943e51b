"""From the tidy frame of a run to claims: means, paired differences, tests, verdicts.

    frame = bench.load("results/quickstart")
    comparison = compare(frame, reference="linear-assoc")

Nothing here formats text for a reader; `bench.tables` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.compare import cells, contrasts, notes, records, selection, summary, verdicts
from bench.compare.incomplete import drop_incomplete, refuse_incomplete
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
from bench.errors import MembError
from bench.stats.corrections import Correction
from bench.stats.intervals import IntervalMethod
from bench.stats.paired import Test

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
    all_metrics: bool = False,
    margins: Mapping[str, float] | None = None,
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
        all_metrics: Whether scalars and costs that are not tested are shown too; the points of a
            curve are shown when `metrics` names it.
        margins: Differences that do not matter, by metric and in its units: the equivalence
            test then may say ``equiv``.

    Raises:
        MembError: If the selection is empty, a name is unknown, an option has no such value,
            records contradict each other, or cells are incomplete under ``missing="error"``.
    """
    plan = selection.plan_of(frame)
    options = selection.options(
        frame,
        plan,
        given={
            "mode": mode,
            "test": test,
            "correction": correction,
            "family": family,
            "ci": ci,
            "missing": missing,
        },
        asked_reference=reference,
        asked_metrics=metrics,
        asked_alpha=alpha,
        asked_margins=margins,
        all_metrics=all_metrics,
    )
    found, dropped = _sections(frame, plan, options)
    found, families = verdicts.judged(contrasts.contrasted(found, options), options)
    comparison = Comparison(
        suite=plan.suite,
        options=options,
        labels=plan.labels,
        sections=tuple(found),
        families=families,
        dropped=dropped,
        notes=(),
        runs=plan.runs,
        seeds_extended=plan.seeds_extended,
    )
    return replace(comparison, notes=notes.sentences(comparison, plan))


def _sections(
    frame: pd.DataFrame, plan: selection.Plan, options: Options
) -> tuple[list[Section], tuple[str, ...]]:
    """The sections that are shown, rows summarised, and the task points dropped."""
    wanted = cells.Wanted(options.metrics, options.all_metrics)
    found = [
        section
        for point in records.read(_without_curves(frame, options), plan.tasks)
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


def _without_curves(frame: pd.DataFrame, options: Options) -> pd.DataFrame:
    """The frame without the points of curves that were not asked for; each trial keeps a row.

    A trial of online forecasting has hundreds of them, and every row costs time.
    """
    point = frame["x"].notna() & frame["kind"].ne("perf")
    unasked = point & ~frame["metric"].isin(options.metrics or ())
    first = ~frame.duplicated(["task_label", "label", "run", "seed", "trial_key"])
    return frame[first | ~unasked]
