"""How a table is made to fit a page: turned, cut into several, or with folded headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from bench.tables.grid import Cell, Grid, grouped

GAP = 2
"""Blanks between two columns."""
Length: TypeAlias = Callable[[str], int]
"""Counts the characters of a text as they are drawn."""

BREAKS = (
    re.compile(r"\S+(?: [↓↑])?\s*"),
    re.compile(r"[^\s,\[]+(?: [↓↑])?[\s,\[]*|[,\[]+\s*"),
    re.compile(r"[^\s,\[=/:_-]+(?: [↓↑])?[\s,\[=/:_-]*|[,\[=/:_-]+\s*"),
)
"""Pieces of a text that a line may end after, the places that read best first; an arrow stays
with the name before it."""


def transposed(grid: Grid) -> Grid:
    """The overview with a row per task and a column per memory."""
    header = ("task", *(row[0].text for row in grid.rows))
    rows = tuple(
        (Cell(name), *(row[j] for row in grid.rows)) for j, name in enumerate(grid.names) if j > 0
    )
    numeric = (False, *(True for _ in grid.rows))
    return replace(grid, header=header, rows=rows, numeric=numeric, groups=(), wide="split")


def cut(grid: Grid, widths: Sequence[int], page: int) -> list[Grid]:
    """The table as several that fit the page, each beginning with the first column.

    Columns below one head stay together where they fit. A column wider than the page stands
    alone.

    Args:
        grid: The table.
        widths: Characters that each column takes, its header included.
        page: Characters of a line.
    """
    room = page - widths[0]
    parts: list[list[int]] = [[]]
    for unit in _units(grid, widths, room):
        needed = sum(widths[j] + GAP for j in unit)
        taken = sum(widths[j] + GAP for j in parts[-1])
        if parts[-1] and taken + needed > room:
            parts.append([])
        parts[-1].extend(unit)
    if len(parts) == 1:
        return [grid]
    return [_part(grid, (0, *part), i, len(parts)) for i, part in enumerate(parts)]


def _units(grid: Grid, widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns that are moved together: those below one head, or each alone if that is too wide."""
    units: list[list[int]] = []
    start = 0
    for _, span in grid.groups or [("", 1)] * len(grid.header):
        unit = [j for j in range(start, start + span) if j > 0]
        start += span
        if sum(widths[j] + GAP for j in unit) <= room:
            units.append(unit)
        else:
            units += [[j] for j in unit]
    return [unit for unit in units if unit]


def _part(grid: Grid, columns: Sequence[int], i: int, n: int) -> Grid:
    return replace(
        grid,
        title=f"{grid.title} ({i + 1} of {n})",
        header=tuple(grid.header[j] for j in columns),
        rows=tuple(tuple(row[j] for j in columns) for row in grid.rows),
        numeric=tuple(grid.numeric[j] for j in columns),
        groups=grouped([grid.heads[j] for j in columns]),
        notes=grid.notes if i == n - 1 else (),
    )


def folded(text: str, width: int, length: Length = len) -> list[str]:
    """The text in lines of at most that width.

    Lines end between words; a word that is longer than a line is broken after ``,`` or ``[`` or,
    failing that, after any of ``-_=/:``. A piece that is longer still keeps a line to itself.
    """
    lines = [""]
    for piece in _pieces(text, width, length):
        if lines[-1] and length((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _pieces(text: str, width: int, length: Length, tier: int = 0) -> list[str]:
    """The text in pieces that lines are made of, none broken that fits a line."""
    found: list[str] = BREAKS[tier].findall(text)
    if tier + 1 == len(BREAKS):
        return found
    return [
        part
        for piece in found
        for part in (
            [piece] if length(piece.rstrip()) <= width else _pieces(piece, width, length, tier + 1)
        )
    ]


def longest(text: str, breaks: re.Pattern[str], length: Length = len) -> int:
    """Characters of the longest piece between two such breaks."""
    return max((length(piece.rstrip()) for piece in breaks.findall(text)), default=0)


def whole_part(text: str) -> str:
    """The sign and digits before the decimal point of a number; empty for other text."""
    found = re.match(r"[+-]?\d+", text)
    return found.group() if found else ""


def padding(column: Sequence[Cell]) -> list[int]:
    """Blanks before each cell that bring the decimal points of a column under each other."""
    before = [len(whole_part(cell.text)) for cell in column]
    widest = max(before, default=0)
    return [widest - n if n else 0 for n in before]
