"""How `memb compare` prints: the format, what stands in a cell, and where the text goes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bench import console, documents
from bench.errors import MembError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.compare.model import Comparison
    from bench.tables.grid import Sheet, Spread

Format = Literal["rich", "markdown", "latex", "html", "csv", "json"]
SUFFIXES: dict[str, Format] = {
    ".txt": "rich",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".csv": "csv",
    ".json": "json",
}
"""The format that a file's name asks for where none is given."""


@dataclass(frozen=True)
class Printing:
    """What was asked of the output.

    Attributes:
        format: How it is drawn.
        spread: What stands beside a mean; None for the default.
        digits: Decimal places; None for as many as the spread supports.
        transpose: Whether an overview has a row per task.
        output: The file it goes to; None for stdout.
    """

    format: Format
    spread: Spread | None
    digits: int | None
    transpose: bool
    output: Path | None


def printing(
    format: Format | None,
    *,
    json: bool,
    spread: Spread | None,
    digits: int | None,
    transpose: bool,
    output: Path | None,
    pareto: bool,
) -> Printing:
    """The options checked against each other, the format chosen.

    Raises:
        MembError: If a file's name does not tell its format, or an option would change nothing.
    """
    chosen = "json" if json else format or _format_of(output)
    given = {"--spread": spread is not None, "--digits": digits is not None}
    given["--transpose"] = transpose
    idle = [option for option, asked in given.items() if asked]
    if idle and (pareto or chosen in ("csv", "json")):
        where = "with --pareto" if pareto else f"in {chosen}, which holds every number in full"
        raise MembError(
            f"{' and '.join(idle)} would change nothing {where}",
            help="leave it out, or choose rich, markdown, latex or html leaderboards",
        )
    return Printing(chosen, spread, digits, transpose, output)


def print_comparison(comparison: Comparison, asked: Printing) -> None:
    """Print the tables, or write them to the file asked for.

    Raises:
        MembError: If the file cannot be written.
    """
    from bench.tables import render
    from bench.tables.overview import overviews
    from bench.tables.sheet import build

    spread = asked.spread or "ci"
    if asked.format == "rich":
        sheet = build(comparison, spread=spread, digits=asked.digits, transpose=asked.transpose)
        print_sheet(sheet, asked.output)
    elif asked.format in ("csv", "json"):
        deliver(render(comparison, asked.format), asked.output)
    else:
        text = render(
            comparison,
            asked.format,
            spread=spread,
            digits=asked.digits,
            transpose=asked.transpose,
        )
        deliver(text, asked.output)
    if asked.transpose and not overviews(comparison, spread, asked.digits):
        console.note("nothing is transposed: no memory meets several tasks")


def print_sheet(sheet: Sheet, output: Path | None) -> None:
    """Print tables that are built already; to a file as to a pipe."""
    from bench.tables import rich_table

    if output is None:
        rich_table.show_sheet(sheet, console.stdout())
        return
    text = io.StringIO()
    rich_table.show_sheet(sheet, _plain(text))
    deliver(text.getvalue(), output)


def deliver(text: str, output: Path | None) -> None:
    """Write the text to stdout, or to a file, which is then named on stderr.

    Raises:
        MembError: If the file cannot be written.
    """
    if output is None:
        console.write(text)
        return
    try:
        documents.save(output, text.encode())
    except OSError as error:
        help = "name a file in a folder that exists and can be written to"
        raise documents.refusal(error, str(output), help=help) from error
    console.note(f"wrote {output}")


def _plain(file: io.StringIO) -> Console:
    from rich.console import Console

    return Console(file=file, force_terminal=False, color_system=None)


def _format_of(output: Path | None) -> Format:
    if output is None:
        return "rich"
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(f"{end} for {name}" for end, name in SUFFIXES.items())
        raise MembError(
            f"the name of {output} does not tell its format",
            help=f"give --format {'|'.join(get_args(Format))}, or end the name in {known}",
        )
    return SUFFIXES[suffix]
