"""A table on a page of so many characters: which columns stay in line, which go below the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from bench.tables.grid import Grid
from bench.tables.layout import BREAKS, GAP, Length, cut, folded, longest, transposed

LEAST_NOTE = 20
"""Characters from which a last column of words is folded rather than put below the row."""

Measure: TypeAlias = Callable[[Grid], "Measured"]
_Least: TypeAlias = Callable[..., int]


def _whole(text: str, length: Length) -> int:
    return length(text)


_BROKEN: tuple[_Least, ...] = tuple(partial(longest, breaks=breaks) for breaks in BREAKS)
_MOST_FOLDED = _BROKEN[-1]
_FOLDS: tuple[_Least, ...] = (_whole, *_BROKEN)
"""Characters that a header cannot do without, from whole to folded as much as can be."""


@dataclass(frozen=True)
class Measured:
    """How many characters the parts of a table take.

    Attributes:
        cells: The widest cell of each column, marks and padding included.
        length: Characters of a text.
    """

    cells: tuple[int, ...]
    length: Length


@dataclass(frozen=True)
class Fitted:
    """A table, or a part of one, as it is drawn.

    Attributes:
        grid: The table with all its columns.
        inline: Columns that stand in the row.
        widths: Their widths.
        below: Columns whose cells stand on a line below the row.
        always: Columns that say the same in every row, said once above the table.
    """

    grid: Grid
    inline: tuple[int, ...]
    widths: tuple[int, ...]
    below: tuple[int, ...] = ()
    always: tuple[int, ...] = ()


def fit(grid: Grid, page: int, measure: Measure) -> list[Fitted]:
    """The table in parts that fit a page; numbers are never folded or cut.

    Where one column alone is wider than the page, its lines stay as long as they are.

    Args:
        grid: The table.
        page: Characters of a line.
        measure: Takes the measure of a table.
    """
    measured = measure(grid)
    everything = tuple(range(len(grid.header)))
    whole = _in_line(grid, everything, page, measured)
    if whole is not None:
        return [whole]
    if grid.wide == "spill":
        return [_spilled(grid, page, measured)]
    parts = _cut(grid, page, measured)
    if grid.wide == "turn":
        turned = transposed(grid)
        other = _cut(turned, page, measure(turned))
        parts = other if len(other) < len(parts) else parts
    return [_best_effort(part, page, measure(part)) for part in parts]


def header_lines(text: str, width: int, length: Length) -> list[str]:
    """A header in lines of that width."""
    return [text] if length(text) <= width else folded(text, width, length)


def _cut(grid: Grid, page: int, measured: Measured) -> list[Grid]:
    everything = range(len(grid.header))
    return cut(grid, _widths(grid, everything, measured, _MOST_FOLDED), page)


def _best_effort(grid: Grid, page: int, measured: Measured) -> Fitted:
    everything = tuple(range(len(grid.header)))
    found = _in_line(grid, everything, page, measured)
    return found or Fitted(grid, everything, _widths(grid, everything, measured, _MOST_FOLDED))


def _in_line(grid: Grid, columns: Sequence[int], page: int, measured: Measured) -> Fitted | None:
    """These columns in one line, their headers folded no more than needed; None if too wide."""
    for least in _FOLDS:
        widths = _widths(grid, columns, measured, least)
        if _total(widths) <= page:
            return Fitted(grid, tuple(columns), widths)
    return None


def _spilled(grid: Grid, page: int, measured: Measured) -> Fitted:
    always = tuple(j for j in range(2, len(grid.header)) if _constant(grid, j))
    inline = [j for j in range(len(grid.header)) if j not in always]
    below: list[int] = []
    while True:
        found = _in_line(grid, inline, page, measured) or _note_folded(grid, inline, page, measured)
        if found is None and len(inline) == 1:
            found = Fitted(grid, tuple(inline), _widths(grid, inline, measured, _MOST_FOLDED))
        if found is not None:
            return Fitted(grid, found.inline, found.widths, tuple(below), always)
        below.insert(0, inline.pop())


def _note_folded(
    grid: Grid, columns: Sequence[int], page: int, measured: Measured
) -> Fitted | None:
    """The columns with the last one, if it holds words, as narrow as the page asks."""
    last = columns[-1]
    if grid.numeric[last] or len(columns) < 2:
        return None
    widths = _widths(grid, columns[:-1], measured, _MOST_FOLDED)
    room = page - _total(widths) - GAP
    return Fitted(grid, tuple(columns), (*widths, room)) if room >= LEAST_NOTE else None


def _constant(grid: Grid, j: int) -> bool:
    texts = {row[j].text for row in grid.rows}
    marked = any(row[j].marks or row[j].bold for row in grid.rows)
    return len(grid.rows) > 1 and len(texts) == 1 and not marked


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(
    grid: Grid,
    columns: Sequence[int],
    measured: Measured,
    least: _Least,
) -> tuple[int, ...]:
    """Characters of each column: its widest cell, or what its header cannot do without."""
    widths = {
        j: max(measured.cells[j], least(grid.header[j], length=measured.length)) for j in columns
    }
    start = 0
    for head, span in grid.groups:
        below = [j for j in range(start, start + span) if j in widths]
        start += span
        if below:
            missing = least(head, length=measured.length) - _total([widths[j] for j in below])
            widths[below[-1]] += max(0, missing)
    return tuple(widths[j] for j in columns)
