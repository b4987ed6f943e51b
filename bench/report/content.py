"""From records to what a report says: the comparison in sentences, tables, figures and facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from bench.compare.model import Comparison, Section
from bench.compare.pareto import Front, fronts
from bench.compare.records import in_order
from bench.errors import MembError
from bench.report import audits as audited
from bench.report import outcomes, plan, provenance
from bench.report.downloads import downloads
from bench.report.findings import findings
from bench.report.model import Board, Fact, Report
from bench.report.plates import plates
from bench.tables import pareto, sheet
from bench.tables.grid import Grid, emphasis
from bench.tables.overview import overviews


def report(
    frame: pd.DataFrame,
    comparison: Comparison,
    *,
    audits: Sequence[audited.Audit] = (),
    title: str | None = None,
    with_figures: bool = True,
) -> Report:
    """Everything that a page says of a run; equal records give an equal report.

    Args:
        frame: One row per number, as `bench.frame.load` returns it.
        comparison: What `bench.compare.compare` made of it.
        audits: Audits to show beside the memories; others are said not to be audited.
        title: Title of the page; the suite's name if None.
        with_figures: Whether figures are drawn, which takes most of the time.

    Raises:
        MembError: If a manifest or records file behind the frame cannot be read.
    """
    frame = _ordered(frame, comparison)
    trials = outcomes.trials(frame)
    known = outcomes.tracebacks(comparison.runs)
    failures = outcomes.mishaps(trials, outcomes.FAILED, known)
    skipped = outcomes.mishaps(trials, ("skipped",), known)
    members = plan.members(frame, comparison.labels)
    rows = audited.rows(members, audits)
    costs = _fronts(frame)
    trade_offs = pareto.sheet(costs)
    overview, boards, notes = _tables(comparison)
    remarks = tuple(f"{remark}." for remark in frame.attrs.get("remarks") or ())
    drawn, undrawn = plates(comparison, frame) if with_figures else ((), ())
    return Report(
        title=title or comparison.suite or "memb report",
        description=provenance.description(comparison.runs),
        glance=_glance(comparison, trials),
        findings=findings(comparison, failures),
        overview=overview,
        boards=boards,
        plates=drawn,
        undrawn=undrawn,
        trade_offs=trade_offs.grids,
        notes=tuple(note for note in notes if note not in remarks),  # they stand by themselves
        trade_off_notes=trade_offs.footer if costs else (),
        audits=rows,
        failures=failures,
        skipped=skipped,
        warnings=remarks,
        plan=(plan.memories(members), plan.tasks(frame, comparison)),
        statistics=plan.statistics(comparison.options),
        runs=provenance.runs(comparison.runs),
        downloads=downloads(frame, comparison, costs, mishaps=(*failures, *skipped), audits=rows),
        labels=comparison.labels,
        tasks=comparison.tasks,
    )


def _ordered(frame: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The frame in the order of the suite, whatever the order of its records."""
    planned: Sequence[str] = frame.attrs.get("tasks", ())
    tasks = {label: i for i, label in enumerate(in_order(frame["task_label"], planned))}
    labels = {label: i for i, label in enumerate(comparison.labels)}
    keys = frame.assign(_task=frame["task_label"].map(tasks), _label=frame["label"].map(labels))
    by = ["_task", "_label", "run", "kind", "metric", "x", "seed", "trial_key"]
    ordered = frame.loc[keys.sort_values(by, kind="stable").index]
    ordered.attrs = frame.attrs
    return ordered


def _fronts(frame: pd.DataFrame) -> list[Front]:
    """The trade-offs, or none where no cost was measured."""
    try:
        return fronts(frame)
    except MembError:  # raised where no memory has both a result and a measured state
        return []


def _tables(
    comparison: Comparison,
) -> tuple[tuple[Grid, ...], tuple[Board, ...], tuple[str, ...]]:
    """The overview, the leaderboards, and what must be said of both."""
    glances = overviews(comparison, "ci", None)
    overview = (*glances, *sheet.suite_wide_tables(comparison))
    boards = tuple(_board(comparison, section) for section in comparison.sections)
    shown = [*overview, *(grid for board in boards for grid in board.grids)]
    notes = (*emphasis(shown), *sheet.footer(comparison, shown, with_overview=bool(glances)))
    return overview, boards, notes


def _board(comparison: Comparison, section: Section) -> Board:
    grids = tuple(sheet.section_tables(comparison, section))
    return Board(section.task_label, section.metric, grids[0].title, grids)


def _glance(comparison: Comparison, trials: Sequence[outcomes.Trial]) -> tuple[Fact, ...]:
    """The run in numbers."""
    seeds = {trial.seed for trial in trials if trial.seed is not None}
    counts = Counter(trial.status for trial in trials)
    facts = {
        "memories": str(len(comparison.labels)),
        "task points": str(len(comparison.tasks)),
        "seeds": plan.span(sorted(seeds)),
        "trials": f"{len(trials):,}",
        "without a value": _without(counts),
        "reference": ", ".join(comparison.options.references),
    }
    days = {str(run.get("started") or "").partition("T")[0] for run in comparison.runs} - {""}
    if days:
        facts["run on"] = " to ".join(dict.fromkeys((min(days), max(days))))
    return tuple(Fact(name, value) for name, value in facts.items())


def _without(counts: Counter[str]) -> str:
    """``none``, or how many trials failed or were skipped."""
    failed = sum(counts[status] for status in outcomes.FAILED)
    parts = [f"{failed:,} failed"] if failed else []
    parts += [f"{counts['skipped']:,} skipped by plan"] if counts["skipped"] else []
    return ", ".join(parts) or "none"
