"""A table as text cells, built once; each format only decides how to draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.stats.pairing import Direction
from bench.tables.symbols import MEANINGS, UNICODE, Sign

Spread = Literal["ci", "sd", "sem", "none"]
ARROWS: dict[Direction, str] = {"lower": "↓", "higher": "↑"}

Wide: TypeAlias = Literal["spill", "split", "turn"]
"""What becomes of a table that is wider than the page: ``spill`` puts the columns that do not
fit on a second line of each row; ``split``, for columns that are alike, cuts it into several;
``turn`` does so too, with a column per row where that makes fewer."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        bold: Whether it is the best of its column.
        underline: Whether it is the second best.
        marks: Signs after the text.
        value: The number behind the text, to sort by; None for words, holes and the means of
            memories that failed on some seeds: these come last.
    """

    text: str
    bold: bool = False
    underline: bool = False
    marks: tuple[Sign, ...] = ()
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """One column of a table in the making.

    Attributes:
        name: Its header.
        cells: Its cells, one per row.
        numeric: Whether it holds numbers, whose decimal points line up.
        group: The head over it and its neighbours of the same name; empty for none.
    """

    name: str
    cells: tuple[Cell, ...]
    numeric: bool = True
    group: str = ""


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
        title: What it is about.
        header: Column names.
        rows: Cells, one tuple per row; the first cell names the row.
        numeric: Which columns hold numbers, whose decimal points line up.
        groups: Heads over neighbouring columns, each with the number of columns below it; empty,
            or as many columns as there are.
        wide: What becomes of it where it is wider than the page.
        notes: Sentences about this table alone, to stand right below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    groups: tuple[tuple[str, int], ...] = ()
    wide: Wide = "spill"
    notes: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[str, ...]:
        """The head over each column; empty where there is none."""
        if not self.groups:
            return ("",) * len(self.header)
        return tuple(name for name, span in self.groups for _ in range(span))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names on one line, with the head of their group before them."""
        pairs = zip(self.heads, self.header, strict=True)
        return tuple(f"{head}: {name}" if head else name for head, name in pairs)


@dataclass(frozen=True)
class Sheet:
    """All tables of a comparison, and the sentences below them."""

    grids: tuple[Grid, ...]
    footer: tuple[str, ...]


def grid_of(
    title: str, columns: Sequence[Column], *, wide: Wide = "spill", notes: Sequence[str] = ()
) -> Grid:
    """The table of these columns; a column ``note`` in which no row says anything is left out."""
    used = [c for c in columns if c.name != "note" or any(cell.text for cell in c.cells)]
    return Grid(
        title=title,
        header=tuple(column.name for column in used),
        rows=tuple(zip(*(column.cells for column in used), strict=True)),
        numeric=tuple(column.numeric for column in used),
        groups=grouped([column.group for column in used]),
        wide=wide,
        notes=tuple(notes),
    )


def grouped(heads: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Equal neighbouring heads with their number; empty if there is no head at all."""
    if not any(heads):
        return ()
    groups: list[tuple[str, int]] = []
    for head in heads:
        if groups and head and groups[-1][0] == head:
            groups[-1] = (head, groups[-1][1] + 1)
        else:
            groups.append((head, 1))
    return tuple(groups)


def legend(grids: Sequence[Grid]) -> list[str]:
    """The meaning of every sign that these tables use, as one sentence or none."""
    cells = [cell for grid in grids for row in grid.rows for cell in row]
    used = {mark for cell in cells for mark in cell.marks}
    parts = [f"{UNICODE[mark]} {MEANINGS[mark]}" for mark in UNICODE if mark in used]
    return [f"Marks: {'; '.join(parts)}."] if parts else []


def emphasis(grids: Sequence[Grid], best: str = "bold", second: str = "underlined") -> list[str]:
    """How the best and second best of a column stand out, as one sentence or none.

    Args:
        grids: The tables.
        best: How the format shows the best.
        second: How it shows the second best.
    """
    cells = [cell for grid in grids for row in grid.rows for cell in row]
    if not any(cell.bold for cell in cells):
        return []
    rest = f", second {second}" if any(cell.underline for cell in cells) else ""
    return [f"Best mean {best}{rest}."]
