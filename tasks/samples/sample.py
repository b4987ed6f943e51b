"""A sample of what a task asks: a title and parts, as data and as drawn in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tasks.samples.sparkline import sparkline

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

MOST_COLUMNS = 100
"""Width that drawings fill at most, however wide the terminal or pipe is."""
SPARK_COLUMNS = 16
"""Width of a series of numbers within a table."""

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
        drawn = Drawn(box=None, pad_edge=False)
        for at, name in enumerate(self.columns):
            numbers = all(isinstance(row[at], int | float | None) for row in self.rows)
            drawn.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*(_shown(cell, options.ascii_only) for cell in row))
        yield drawn
        if self.left_out:
            yield Text(f"and {self.left_out} more")


def _plain(cell: Cell) -> Any:
    return list(cell) if isinstance(cell, tuple) else cell


def _shown(cell: Cell, ascii_only: bool) -> Text:
    from rich.text import Text

    if isinstance(cell, tuple):
        return Text(sparkline(cell, SPARK_COLUMNS, ascii_only=ascii_only), no_wrap=True)
    if cell is None:
        return Text("-")
    return Text(f"{cell:.3g}" if isinstance(cell, float) else str(cell))
