"""All tasks at a glance: memories by tasks, with ranks and scores over the tasks at the end."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.fields import apart
from bench.compare.model import Comparison, Contrast, Row, Section
from bench.compare.overall_model import Entrant, Overall
from bench.tables.grid import Cell, Column, Grid, Spread, grid_of
from bench.tables.means import compact_cell, compact_name
from bench.tables.suite_wide import mean_rank, placed, score

LEAST_COLUMNS = 2
"""Columns from which an overview says more than the leaderboard itself."""
UNPLANNED = "An empty cell: the suite does not pair that memory and that task."


def overviews(comparison: Comparison, spread: Spread, digits: int | None) -> list[Grid]:
    """One table per field of memories that meet on some task, in the suite's order.

    A field with a single task and metric has none: its leaderboard is the overview.
    """
    sections = [s for s in comparison.sections if s.tested or not s.metric]
    fields = [field for field in apart(sections) if len(field) >= LEAST_COLUMNS]
    return [_overview(comparison, field, spread, digits, len(fields) > 1) for field in fields]


def _labels(comparison: Comparison, field: Sequence[Section]) -> list[str]:
    """Memories of a field; one that is skipped everywhere stands where it is planned."""
    there = {row.label for section in field for row in section.rows}
    met = {r.label for s in field for r in s.rows if r.state != "skipped"}
    elsewhere = {
        row.label
        for section in comparison.sections
        for row in section.rows
        if row.state != "skipped" and (section.tested or not section.metric)
    }
    return [x for x in comparison.labels if x in met or (x in there and x not in elsewhere)]


def _overview(
    comparison: Comparison,
    field: Sequence[Section],
    spread: Spread,
    digits: int | None,
    several: bool,
) -> Grid:
    labels = _labels(comparison, field)
    columns = [Column("memory", tuple(Cell(label) for label in labels), numeric=False)]
    columns += [_column(comparison, section, labels, spread, digits) for section in field]
    columns += _scores(_summary_of(comparison.overall, field), labels, digits)
    holes = any(section.row(label) is None for section in field for label in labels)
    tasks = list(dict.fromkeys(section.task_label for section in field))
    which = f" of {tasks[0]} to {tasks[-1]}" if several and len(tasks) > 1 else ""
    number = f"{len(tasks)} tasks" if len(tasks) > 1 else f"{tasks[0]}, {len(field)} metrics"
    return grid_of(
        f"Overview{which}: {len(labels)} memories, {number}",
        columns,
        wide="turn",
        notes=[UNPLANNED] if holes else [],
    )


def _column(
    comparison: Comparison,
    section: Section,
    labels: Sequence[str],
    spread: Spread,
    digits: int | None,
) -> Column:
    against: dict[str, Contrast] = {}
    if comparison.options.mode != "all-pairs":
        against = {contrast.label: contrast for contrast in section.contrasts}
    cells = [_cell(section, section.row(x), against.get(x), spread, digits) for x in labels]
    return Column(compact_name(section), tuple(cells), group=section.task_label)


def _cell(
    section: Section,
    row: Row | None,
    contrast: Contrast | None,
    spread: Spread,
    digits: int | None,
) -> Cell:
    if row is None:
        return Cell("")
    return compact_cell(row, section, contrast, spread, digits)


def _summary_of(overall: Sequence[Overall], field: Sequence[Section]) -> Overall | None:
    """The ranks and scores of a field, over one set of tasks for every memory in the column.

    Where not all memories meet all tasks, those over the tasks that all of them meet.
    """
    places = {(section.task_label, section.metric) for section in field}
    inside = [found for found in overall if set(found.tasks) <= places]
    for scope in ("all", "common", "full"):
        fitting = [found for found in inside if found.scope == scope]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _scores(found: Overall | None, labels: Sequence[str], digits: int | None) -> list[Column]:
    """Mean rank, skill and win rate; a memory that is not ranked over these tasks has none."""
    if found is None:
        return []
    common = "common " if found.scope == "common" else ""
    group = f"over {len(found.rows)} {common}{found.by}s"
    known = {entrant.label: entrant for entrant in found.entrants}
    entrants = [known.get(label) for label in labels]
    columns = [Column("mean rank ↓", _ranks(found, entrants, digits), group=group)]
    if any(entrant.skill is not None for entrant in found.entrants):
        skills = tuple(score(e.skill if e else None, digits) for e in entrants)
        bracket = any(e.skill and e.skill.interval for e in found.entrants)
        columns.append(Column(f"skill ↑{' [95% CI]' * bracket}", skills, group=group))
    wins = tuple(score(e.win_rate if e else None, digits, bare=True) for e in entrants)
    columns.append(Column("win rate ↑", wins, group=group))
    return columns


def _ranks(
    found: Overall, entrants: Sequence[Entrant | None], digits: int | None
) -> tuple[Cell, ...]:
    standing = placed(found.entrants)
    return tuple(mean_rank(e, standing, digits) if e else Cell("-") for e in entrants)
