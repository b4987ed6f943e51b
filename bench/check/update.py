"""Writing a baseline from a run, and what that changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import provenance
from bench.check import baseline as files
from bench.check.baseline import Baseline
from bench.check.model import Cell, Policy
from bench.check.rule import refuse_level
from bench.check.run import Run, place
from bench.errors import MembError, Problem
from bench.tolerances import Tolerance, of_suite, refuse_unknown

NAMED = 10
"""Incomplete cells that an error names; the others are counted."""


@dataclass(frozen=True)
class BaselineChange:
    """What writing a baseline did.

    Attributes:
        path: The file.
        written: Whether the file changed in more than its date.
        added: Cells that it did not hold.
        removed: Cells that it no longer holds.
        changed: Cells whose values, failures, timings or tolerance are others: before and after.
        unchanged: How many are as they were.
    """

    path: Path
    written: bool
    added: tuple[Cell, ...]
    removed: tuple[Cell, ...]
    changed: tuple[tuple[Cell, Cell], ...]
    unchanged: int


def update(
    current: Path,
    file: Path,
    policy: Policy | None = None,
    *,
    alpha: float | None = None,
    call: str | None = None,
) -> BaselineChange:
    """Write the numbers of a run as the baseline to hold against.

    A tolerance is the option's, else the suite's, else the default of the metric's class.

    Args:
        current: The run's folder.
        file: The baseline; replaced if it exists.
        policy: Metrics, tolerances and whether failed trials are accepted.
        alpha: Significance level to hold; by default the suite's.
        call: The call of the run whose plan is taken; the latest if None.

    Raises:
        MembError: If the run cannot be read, holds nothing, or holds failed or missing trials
            that are not accepted; if an option or the suite names an unknown metric; or if the
            file exists and is no baseline.
    """
    run, policy = Run(current, call), policy or Policy()
    chosen = _tolerances(run, policy)
    cells = run.cells(policy.metrics, chosen)
    if not cells:
        raise MembError(
            f"no cell to write: {current} holds no metric that a check compares",
            help="name a metric with --metric",
        )
    if not policy.allow_failures:
        _refuse_incomplete(cells)
    fresh = Baseline(
        source=replace(run.source, path=str(file), created=provenance.now()),
        alpha=_level(run, alpha),
        tolerances=chosen,
        metrics=policy.metrics,
        cells=tuple(cells),
    )
    before = files.load(file).cells if file.exists() else ()
    return _change(file, files.write(fresh, file), before, fresh.cells)


def _level(run: Run, alpha: float | None) -> float:
    """The significance level to hold."""
    level = float(run.statistics.get("alpha", 0.05)) if alpha is None else alpha
    refuse_level(level, "alpha" if alpha is not None else "statistics.alpha of the suite")
    return level


def _tolerances(run: Run, policy: Policy) -> dict[str, Tolerance]:
    """Tolerances in place of the defaults, by metric; every name that is given must be measured."""
    declared = of_suite(run.statistics)
    refuse_unknown(declared, run.metrics(), "statistics.tolerance of the suite")
    refuse_unknown(policy.tolerances, run.metrics(), "--tolerance")
    refuse_unknown(policy.metrics or (), run.metrics(), "--metric")
    return {**declared, **policy.tolerances}


def _refuse_incomplete(cells: Sequence[Cell]) -> None:
    """Refuse to hold against trials that failed or never ran.

    Raises:
        MembError: Naming the cells.
    """
    wrong = [cell for cell in cells if cell.failures]
    if not wrong:
        return
    problems = [Problem(f"{cell.name}: {next(iter(cell.failures.values()))}") for cell in wrong]
    if len(wrong) > NAMED:
        problems = [*problems[:NAMED], Problem(f"and {len(wrong) - NAMED} more")]
    problems.append(Problem("a baseline is written from a whole run", help=_REMEDY))
    raise MembError(problems, summary=f"{len(wrong)} cells are failed or incomplete")


_REMEDY = "run the suite again, or accept the failures as known with --allow-failures"


def _change(
    file: Path, written: bool, before: Sequence[Cell], after: Sequence[Cell]
) -> BaselineChange:
    old = {cell.cell_id: cell for cell in before}
    new = {cell.cell_id: cell for cell in after}
    both = [(old[key], new[key]) for key in new if key in old]
    changed = [(a, b) for a, b in both if _content(a) != _content(b)]
    return BaselineChange(
        path=file,
        written=written,
        added=tuple(cell for cell in after if cell.cell_id not in old),
        removed=tuple(sorted((c for c in before if c.cell_id not in new), key=place)),
        changed=tuple(changed),
        unchanged=len(both) - len(changed),
    )


def _content(cell: Cell) -> tuple[object, ...]:
    tolerance = (cell.tolerance, cell.exact_rtol)
    return dict(cell.values), dict(cell.failures), cell.repeats, tolerance
