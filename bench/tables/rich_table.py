"""Leaderboards on a console."""

from __future__ import annotations

from rich import box
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, build
from bench.tables.symbols import UNICODE, to_ascii

UNBOUNDED = 10_000
"""Width given to a table that is not drawn on a terminal."""


def show(
    comparison: Comparison, console: Console, *, spread: Spread = "ci", digits: int | None = None
) -> None:
    """Print the leaderboards and their footer.

    Best and second best are bold and underlined on a terminal, and end in ``*`` and ``_``
    elsewhere, so that no meaning hangs on the styling. Off a terminal no line is folded or cut
    at the console's width. Signs fall back to ASCII where the stream cannot encode them.
    """
    show_sheet(build(comparison, spread=spread, digits=digits), console)


def show_sheet(sheet: Sheet, console: Console) -> None:
    """Print tables that are built already, as `show` does."""
    options = console.options
    footer = (*_styles(sheet.grids, options), *sheet.footer)
    for grid in sheet.grids:
        console.print(_text(grid.title, options), style="bold", soft_wrap=not options.is_terminal)
        _print_table(_table(grid, options), console)
    for sentence in footer:
        console.print(_text(sentence, options), soft_wrap=not options.is_terminal)


def _print_table(table: Table, console: Console) -> None:
    if console.is_terminal:
        # where even one word per line is too wide the terminal wraps: nothing is cut
        console.print(table, crop=False)
        return
    # a pipe has no width: draw as wide as the content, without blanks at the ends of lines
    unbounded = console.options.update(width=UNBOUNDED)
    width = Measurement.get(console, unbounded, table).maximum
    segments = console.render(table, unbounded.update(width=width))
    for line in "".join(segment.text for segment in segments).splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def _table(grid: Grid, options: ConsoleOptions) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = []
    for j, (name, numeric) in enumerate(zip(grid.header, grid.numeric, strict=True)):
        column = tuple(row[j] for row in grid.rows)
        padding = _padding(column) if numeric else [0] * len(column)
        texts = [_cell(cell, pad, options) for cell, pad in zip(column, padding, strict=True)]
        header = _text(name, options)
        words = " ".join(text.plain for text in (header, *texts)).split()
        # a column may fold between words, never inside a number
        table.add_column(header, overflow="fold", min_width=max(map(len, words)))
        columns.append(texts)
    for texts_of_row in zip(*columns, strict=True):
        table.add_row(*texts_of_row)
    return table


def _padding(column: tuple[Cell, ...]) -> list[int]:
    """Blanks before each cell that bring the decimal points of a column under each other."""
    before = [len(cell.text.split(" ")[0].split(".")[0]) for cell in column]
    numbers = [n for n, cell in zip(before, column, strict=True) if _is_number(cell.text)]
    widest = max(numbers, default=0)
    return [
        widest - n if _is_number(cell.text) else 0 for n, cell in zip(before, column, strict=True)
    ]


def _is_number(text: str) -> bool:
    return text.lstrip("+-")[:1].isdigit()


def _cell(cell: Cell, padding: int, options: ConsoleOptions) -> Text:
    text = Text(" " * padding)
    style = Style(bold=cell.bold or None, underline=cell.underline or None)
    text.append(_plain(cell.text, options), style=style if options.is_terminal else None)
    if not options.is_terminal:
        text.append("*" * cell.bold + "_" * cell.underline)
    for mark in cell.marks:
        text.append(" " + _plain(UNICODE[mark], options))
    return text


def _styles(grids: tuple[Grid, ...], options: ConsoleOptions) -> list[str]:
    """What the styling says, in words."""
    cells = [cell for grid in grids for row in grid.rows for cell in row]
    if not any(cell.bold for cell in cells):
        return []
    if options.is_terminal:
        return ["Best mean bold, second underlined."]
    return ["Best mean ends in *, second in _."]


def _text(text: str, options: ConsoleOptions) -> Text:
    return Text(_plain(text, options))


def _plain(text: str, options: ConsoleOptions) -> str:
    return to_ascii(text) if options.ascii_only else text
