"""Tables on a console."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.text import Text

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, emphasis
from bench.tables.layout import GAP, folded, padding
from bench.tables.narrow import Fitted, Measured, fit, header_lines
from bench.tables.sheet import build
from bench.tables.symbols import UNICODE, to_ascii

UNBOUNDED = 10_000
"""Width of a table that is not drawn on a terminal."""
INDENT = 4
"""Blanks before what stands on a second line of a row."""


def show(
    comparison: Comparison,
    console: Console,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
) -> None:
    """Print the tables and their footer.

    Best and second best are bold and underlined on a terminal, and end in ``*`` and ``_``
    elsewhere, so that no meaning hangs on the styling. A table that is wider than a terminal
    goes on below its rows or in a further table; off a terminal no line is folded or cut. Signs
    fall back to ASCII where the stream cannot encode them.
    """
    show_sheet(build(comparison, spread=spread, digits=digits, transpose=transpose), console)


def show_sheet(sheet: Sheet, console: Console) -> None:
    """Print tables that are built already, as `show` does."""
    draw = _Pen(console.options)
    for grid in sheet.grids:
        for fitted in fit(grid, draw.page, draw.measure):
            _print([*draw.table(fitted), Text()], console)
    shown = emphasis(sheet.grids) if draw.terminal else emphasis(sheet.grids, "ends in *", "in _")
    footer = (*shown, *sheet.footer)
    _print((line for sentence in footer for line in draw.paragraph(sentence, "- ")), console)


def _print(lines: Iterable[Text], console: Console) -> None:
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True)


class _Pen:
    """Draws for one console.

    Attributes:
        terminal: Whether it is a terminal, with a width and styles.
        ascii: Whether it can show ASCII only.
        page: Characters of a line.
    """

    def __init__(self, options: ConsoleOptions) -> None:
        self.terminal = options.is_terminal
        self.ascii = options.ascii_only
        self.page = options.max_width if options.is_terminal else UNBOUNDED

    def plain(self, text: str) -> str:
        """The text as the stream can encode it."""
        if not self.ascii:
            return text
        return to_ascii(text).encode("ascii", "backslashreplace").decode("ascii")

    def measure(self, grid: Grid) -> Measured:
        """Characters of the cells of each column."""
        return Measured(
            tuple(
                max((text.cell_len for text in self._column(grid, j)), default=0)
                for j in range(len(grid.header))
            ),
            self.length,
        )

    def length(self, text: str) -> int:
        """Characters of a text as the stream shows it."""
        return cell_len(self.plain(text))

    def table(self, fitted: Fitted) -> Iterator[Text]:
        """Title, header, rule and rows."""
        yield from self._title(fitted)
        yield from self._header(fitted)
        total = sum(fitted.widths) + GAP * (len(fitted.widths) - 1)
        yield self._styled(self.plain("─") * total, dim=True)
        columns = [self._column(fitted.grid, j) for j in range(len(fitted.grid.header))]
        for i in range(len(fitted.grid.rows)):
            yield from self._row(fitted, [column[i] for column in columns])
        for note in fitted.grid.notes:
            yield from self.paragraph(note)

    def paragraph(self, text: str, bullet: str = "") -> list[Text]:
        """A sentence in lines of the page, those after the first indented; one line in a pipe."""
        if not self.terminal:
            return [Text(self.plain(text))]
        lines = folded(self.plain(text), self.page - len(bullet), cell_len)
        return [
            Text((bullet if i == 0 else " " * len(bullet)) + line) for i, line in enumerate(lines)
        ]

    def _title(self, fitted: Fitted) -> Iterator[Text]:
        grid = fitted.grid
        said = "; ".join(f"{grid.names[j]} {grid.rows[0][j].text}" for j in fitted.always)
        for line in self.paragraph(grid.title):
            yield self._styled(line.plain, bold=True)
        if said:
            yield from self.paragraph(f"In every row: {said}.")

    def _header(self, fitted: Fitted) -> Iterator[Text]:
        for texts, widths in (self._heads(fitted), self._names(fitted)):
            cells = [header_lines(t, w, self.length) for t, w in zip(texts, widths, strict=True)]
            if any(texts):
                depth = max(map(len, cells))
                # names stand right above their columns
                filled = [[""] * (depth - len(lines)) + lines for lines in cells]
                for line in zip(*filled, strict=True):
                    yield self._line([Text(self.plain(text)) for text in line], widths)

    def _names(self, fitted: Fitted) -> tuple[list[str], list[int]]:
        return [fitted.grid.header[j] for j in fitted.inline], list(fitted.widths)

    def _heads(self, fitted: Fitted) -> tuple[list[str], list[int]]:
        """The heads over groups of columns, and the characters below each."""
        width = dict(zip(fitted.inline, fitted.widths, strict=True))
        texts, widths, start = [], [], 0
        for head, span in fitted.grid.groups:
            below = [width[j] for j in range(start, start + span) if j in width]
            start += span
            if below:
                texts.append(head)
                widths.append(sum(below) + GAP * (len(below) - 1))
        return texts, widths

    def _row(self, fitted: Fitted, cells: Sequence[Text]) -> Iterator[Text]:
        inline = [cells[j] for j in fitted.inline]
        lines = [[cell] for cell in inline]
        if inline[-1].cell_len > fitted.widths[-1]:
            folds = folded(inline[-1].plain, fitted.widths[-1], cell_len)
            lines[-1] = [Text(line) for line in folds]
        for cells_of_line in zip_longest(*lines, fillvalue=Text()):
            yield self._line(cells_of_line, fitted.widths)
        said = [self._said(fitted.grid, j, cells[j]) for j in fitted.below]
        below = Text("; ").join([text for text in said if text])
        if below:
            for line in folded(below.plain, self.page - INDENT, cell_len):
                yield Text(" " * INDENT + line)

    def _said(self, grid: Grid, j: int, cell: Text) -> Text:
        """A cell away from its column: a number with the column's name, words alone."""
        text = cell.plain.strip()
        if text in ("", "-"):
            return Text()
        return Text(f"{self.plain(grid.names[j])} {text}" if grid.numeric[j] else text)

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        line = Text()
        for cell, width in zip(cells, widths, strict=True):
            line.append_text(cell)
            line.append(" " * (width - cell.cell_len + GAP))
        return line

    def _column(self, grid: Grid, j: int) -> list[Text]:
        cells = [row[j] for row in grid.rows]
        before = padding(cells) if grid.numeric[j] else [0] * len(cells)
        return [self._cell(cell, pad) for cell, pad in zip(cells, before, strict=True)]

    def _cell(self, cell: Cell, pad: int) -> Text:
        text = Text(" " * pad)
        text.append_text(
            self._styled(self.plain(cell.text), bold=cell.bold, underline=cell.underline)
        )
        if not self.terminal:
            text.append("*" * cell.bold + "_" * cell.underline)
        for mark in cell.marks:
            text.append(" " + self.plain(UNICODE[mark]))
        return text

    def _styled(
        self, text: str, *, bold: bool = False, underline: bool = False, dim: bool = False
    ) -> Text:
        if not self.terminal:
            return Text(text)
        style = Style(bold=bold or None, underline=underline or None, dim=dim or None)
        return Text(text, style=style)
