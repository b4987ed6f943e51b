"""Published numbers beside our own as tables and as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.compare.model import Comparison, Section
from bench.compare.published_model import Beside, Published
from bench.tables import digits as write
from bench.tables.grid import ARROWS, Cell, Column, Grid, grid_of

WORDS = {
    "better": "not reproduced: ours is better",
    "worse": "not reproduced: ours is worse",
    "no result": "no result of ours",
    "n<3": "fewer than 3 seeds",
}


def tables(comparison: Comparison, section: Section, digits: int | None) -> list[Grid]:
    """The published numbers of a section, one table per file that has some."""
    return [
        _table(entry, section, digits)
        for entry in comparison.published
        if (entry.task_label, entry.metric) == (section.task_label, section.metric)
        and section.x is None
    ]


def _table(entry: Published, section: Section, digits: int | None) -> Grid:
    rows = entry.rows
    columns = [
        Column("published", tuple(Cell(row.name) for row in rows), numeric=False),
        Column(
            f"{entry.metric} {ARROWS[section.direction]}",
            tuple(_theirs(row, digits) for row in rows),
        ),
    ]
    if any(row.label is not None for row in rows):
        names = tuple(Cell(row.label or "-") for row in rows)
        columns += [
            Column("ours", names, numeric=False),
            Column("mean", tuple(_ours(row, digits) for row in rows)),
            Column("ours - published [95% CI]", tuple(_difference(row, digits) for row in rows)),
            Column("n", tuple(_count(row) for row in rows)),
            Column(
                "verdict",
                tuple(Cell(WORDS.get(row.verdict, row.verdict) or "-") for row in rows),
                numeric=False,
            ),
        ]
    columns.append(Column("source", tuple(Cell(row.source) for row in rows), numeric=False))
    comparable = "" if entry.comparable else ", not comparable with ours"
    return grid_of(f"{entry.task_label}: published {entry.metric}{comparable}", columns)


def _theirs(row: Beside, digits: int | None) -> Cell:
    text = _plain(row.value) if digits is None else write.number(row.value, digits)
    spread = None if row.sd is None else _plain(row.sd)
    if row.runs and row.sd is not None:  # not printed by the source: a decimal more than its runs
        places = row.decimals + 1
        text = write.number(row.value, places if digits is None else digits)
        spread = write.number(row.sd, places)
    if spread is not None:
        text += f" ± {spread}"
    if row.n is not None:
        text += f" (n={row.n})"
    return Cell(text, value=row.value)


def _count(row: Beside) -> Cell:
    return Cell(str(row.n_ours), value=row.n_ours) if row.label else Cell("-")


def _plain(value: float) -> str:
    """A published number with at most six decimals, three at least."""
    return max(f"{value:.3f}", f"{round(value, write.MOST_DECIMALS):.15g}", key=len)


def _ours(row: Beside, digits: int | None) -> Cell:
    if row.ours is None:
        return Cell("-")
    return Cell(write.number(row.ours, _decimals(row, digits)), value=row.ours)


def _difference(row: Beside, digits: int | None) -> Cell:
    if row.difference is None:
        return Cell("-")
    decimals = _decimals(row, digits)
    ends = None if row.replication is None else (row.replication.lo, row.replication.hi)
    return Cell(write.difference(row.difference, ends, decimals), value=row.difference)


def _decimals(row: Beside, digits: int | None) -> int:
    """As many decimals as the width of the interval supports."""
    found = row.replication
    spread = (found.hi - found.lo) / 4 if found is not None else None
    return write.decimals_of(spread, row.ours, digits)


def document(comparison: Comparison) -> list[dict[str, Any]]:
    """The published numbers as plain values, for JSON."""
    return [{**asdict(entry), "citations": dict(entry.citations)} for entry in comparison.published]
