"""What is done about cells that lack some or all of their trials."""

from __future__ import annotations

from collections.abc import Sequence

from bench import in_words
from bench.compare.model import Row, Section
from bench.errors import MembError, Problem

REMEDY = "run the suite again to fill the holes, or compare with --missing worst"


def refuse_incomplete(sections: Sequence[Section]) -> None:
    """Nothing, if every cell is complete.

    Raises:
        MembError: Naming every cell that is not.
    """
    problems = [
        Problem(f"{row.label} on {section.task_label} is {row.state}: {holes(row)}", help=REMEDY)
        for section in sections
        for row in section.rows
        if _incomplete(row)
    ]
    distinct = list(dict.fromkeys(problems))
    if distinct:
        raise MembError(distinct, summary=f"{len(distinct)} incomplete cells")


def drop_incomplete(sections: Sequence[Section]) -> tuple[list[Section], tuple[str, ...]]:
    """The sections of task points whose cells are all complete, and the labels left out.

    Raises:
        MembError: If no task point is left.
    """
    dropped = dict.fromkeys(
        section.task_label for section in sections if any(map(_incomplete, section.rows))
    )
    kept = [section for section in sections if section.task_label not in dropped]
    if not kept:
        raise MembError(
            "nothing to compare: every task has an incomplete cell",
            help=REMEDY,
        )
    return kept, tuple(dropped)


def holes(row: Row) -> str:
    """The row's failures in words: ``seeds 3, 4 (oom); seed 7 (nonfinite: first at t=12)``."""
    found = _by_reason(row)
    return "; ".join(f"{_seeds(seeds)}({reason})" for reason, seeds in found.items())


def hole(row: Row) -> str:
    """What there is to say of the row's failures beside its state.

    A reason that holds for all seeds stands alone; of one that the state says already nothing is
    left.
    """
    reasons = list(_by_reason(row))
    if row.values or len(reasons) > 1:
        return holes(row)
    return reasons[0].removeprefix(row.state).removeprefix(": ")


def _by_reason(row: Row) -> dict[str, list[int | None]]:
    """Seeds by status and message."""
    found: dict[str, list[int | None]] = {}
    for failure in row.failures:
        reason = failure.status + (f": {failure.message}" if failure.message else "")
        found.setdefault(" ".join(reason.split()), []).append(failure.seed)
    return found


def _seeds(seeds: Sequence[int | None]) -> str:
    numbers = [seed for seed in seeds if seed is not None]
    return f"{in_words.seeds(numbers)} " if numbers else ""


def _incomplete(row: Row) -> bool:
    return row.state in ("partial", "failed", "missing")
