"""A sample of what a task asks: a title and parts, as data and as drawn in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tasks.samples.sparkline import sparkline

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.text import Text

MOST_COLUMNS = 100
"""Width that drawings fill at most, however wide the terminal or pipe is."""
SPARK_COLUMNS = 16
"""Width of a series of numbers within a table, where there is room."""
FEWEST_SPARK_COLUMNS = 4
BETWEEN_COLUMNS = 2

Cell: TypeAlias = str | int | float | tuple[float, ...] | None
"""What stands in a table: a word, a number, a series of numbers, or nothing."""


class Part(Protocol):
    """One piece of a sample."""

    def data(self) -> dict[str, Any]:
        """All it holds, as plain JSON with its ``kind``."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The piece drawn, no wider than it is allowed to be; legible without colours."""


@dataclass(frozen=True)
class Sample:
    """One sample of a task's data.

    Attributes:
        title: What it is, one line.
        parts: What it consists of, in reading order.
    """

    title: str
    parts: tuple[Part, ...]

    def data(self) -> dict[str, Any]:
        """All it holds, as plain JSON."""
        return {"title": self.title, "parts": [part.data() for part in self.parts]}


@dataclass(frozen=True)
class Facts:
    """Names with what they are."""

    values: Mapping[str, Cell]

    def data(self) -> dict[str, Any]:
        """``{kind: facts, values: {name: value}}``."""
        return {"kind": "facts", "values": {k: _plain(v) for k, v in self.values.items()}}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line for each."""
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn.grid(padding=(0, 2, 0, 0))
        drawn.add_column(no_wrap=True)
        drawn.add_column(overflow="fold")
        for name, value in self.values.items():
            drawn.add_row(Text(name), _shown(value, options.ascii_only))
        yield drawn


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        title: What the rows are.
        columns: Their names.
        rows: As many cells as there are columns, each.
        left_out: Rows that are not shown.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    left_out: int = 0

    def data(self) -> dict[str, Any]:
        """``{kind: table, title, columns, rows, left_out}``; rows as lists."""
        rows = [[_plain(cell) for cell in row] for row in self.rows]
        return {
            "kind": "table", "title": self.title, "columns": list(self.columns), "rows": rows,
            "left_out": self.left_out,
        }  # fmt: skip

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The title, a line of names, a line per row, and how many rows are left out."""
        from rich.table import Table as Drawn
        from rich.text import Text

        yield Text(self.title, style="italic")
        drawn = Drawn(box=None, pad_edge=False, padding=(0, BETWEEN_COLUMNS, 0, 0))
        widths = self._widths(options.max_width)
        for at, name in enumerate(self.columns):
            numbers = all(isinstance(row[at], int | float | None) for row in self.rows)
            drawn.add_column(
                Text(name),
                justify="right" if numbers else "left",
                overflow="fold",
                width=widths[at],
            )
        for row in self.rows:
            drawn.add_row(*(_shown(cell, options.ascii_only) for cell in row))
        yield drawn
        if self.left_out:
            yield Text(f"and {self.left_out} more")

    def _widths(self, room: int) -> list[int]:
        """Widths in which no word is broken, whether they fit or not, and then what is left."""
        columns = list(zip(self.columns, *self.rows, strict=True))
        widths = [max(map(_least, cells)) for cells in columns]
        wanted = [max(map(_most, cells)) for cells in columns]
        spare = room - sum(widths) - BETWEEN_COLUMNS * (len(widths) - 1)
        for _ in range(min(spare, sum(wanted) - sum(widths))):
            lacking = [most - width for most, width in zip(wanted, widths, strict=True)]
            widths[lacking.index(max(lacking))] += 1
        return widths


def _plain(cell: Cell) -> Any:
    return list(cell) if isinstance(cell, tuple) else cell


def _shown(cell: Cell, ascii_only: bool) -> Text | _Series:
    from rich.text import Text

    if isinstance(cell, tuple):
        return _Series(cell, ascii_only)
    return Text(_said(cell))


def _said(cell: str | int | float | None) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def _least(cell: Cell) -> int:
    """The length of a cell's longest word, or the columns that a series needs."""
    if isinstance(cell, tuple):
        return min(len(cell), FEWEST_SPARK_COLUMNS)
    return max(map(len, _said(cell).split()), default=0)


def _most(cell: Cell) -> int:
    """Columns of a cell in one line."""
    return min(len(cell), SPARK_COLUMNS) if isinstance(cell, tuple) else len(_said(cell))


@dataclass(frozen=True)
class _Series:
    """A series of numbers in as many columns as there is room for."""

    values: tuple[float, ...]
    ascii_only: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        columns = min(SPARK_COLUMNS, options.max_width)
        yield Text(sparkline(self.values, columns, ascii_only=self.ascii_only))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(_least(self.values), _most(self.values))
