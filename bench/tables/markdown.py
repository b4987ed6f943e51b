"""Tables as Markdown pipe tables."""

from __future__ import annotations

from collections.abc import Callable

from tabulate import tabulate

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, emphasis
from bench.tables.sheet import build
from bench.tables.symbols import UNICODE, to_ascii

SPECIAL = "\\|*_<~`&$"
"""Characters that Markdown, or a site that shows it, reads as something else than themselves."""


def render(
    comparison: Comparison,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
    ascii_only: bool = False,
) -> str:
    """The tables and their footer; best in bold, second best in ``<u>``."""
    sheet = build(comparison, spread=spread, digits=digits, transpose=transpose)
    return render_sheet(sheet, ascii_only=ascii_only)


def render_sheet(sheet: Sheet, *, ascii_only: bool = False) -> str:
    """Tables that are built already, and their footer."""
    write: Callable[[str], str] = to_ascii if ascii_only else str
    blocks = [_table(grid, write) for grid in sheet.grids]
    footer = [*emphasis(sheet.grids), *sheet.footer]
    blocks.append("\n".join(write(f"- {_escape(sentence)}") for sentence in footer))
    return "\n\n".join(blocks) + "\n"


def _table(grid: Grid, write: Callable[[str], str]) -> str:
    # signs are replaced before the columns are padded, or they would no longer line up
    rows = [[write(_cell(cell)) for cell in row] for row in grid.rows]
    header = [write(_escape(name)) for name in grid.names]
    # tabulate reads "0.10" as the number 0.1 unless told not to
    body = tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True)
    notes = [write(_escape(note)) for note in grid.notes]
    return "\n\n".join([f"### {write(_escape(grid.title))}", body, *notes])


def _cell(cell: Cell) -> str:
    text = _escape(cell.text)
    if cell.bold:
        text = f"**{text}**"
    if cell.underline:
        text = f"<u>{text}</u>"
    return " ".join([text, *(_escape(UNICODE[mark]) for mark in cell.marks)])


def _escape(text: str) -> str:
    for character in SPECIAL:
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
