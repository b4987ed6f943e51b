"""A check on a console: what needs attention as a table, the rest as counts."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench.check.model import CheckReport, exit_code
from bench.check.render import sentences
from bench.check.render.cell_table import table
from bench.check.render.groups import labels, listed
from bench.tables.grid import Sheet
from bench.tables.rich_table import UNBOUNDED, show_sheet
from bench.tables.symbols import to_ascii

_COLOURS = {0: "bold green", 1: "bold red", 3: "bold yellow"}
"""Style of the headline by exit code; its first word says the same."""


def show(reports: Sequence[CheckReport], console: Console, *, verbose: bool = False) -> None:
    """Print the reports.

    Off a terminal no line is folded or cut; signs fall back to ASCII where the stream cannot
    encode them.
    """
    style = _COLOURS[exit_code(reports)] if console.is_terminal else ""
    _line(sentences.headline(reports), console, style)
    for name, report in zip(labels(reports), reports, strict=True):
        _line("", console)
        if name:
            _line(f"{name}: exit code {report.exit_code}", console)
        _line(f"{sentences.summary(report)}.", console)
        _line("", console)
        shown = listed(report, verbose=verbose)
        grids = (table("Cells", shown, report.policy),) if shown else ()
        counts = "" if verbose else sentences.quiet_counts(report)
        quiet = [f"Not listed: {counts}."] if counts else []
        show_sheet(Sheet(grids, (*quiet, *sentences.footer(report))), console)


def _line(text: str, console: Console, style: str = "") -> None:
    if console.options.ascii_only:
        text = to_ascii(text).encode("ascii", "backslashreplace").decode("ascii")
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def render(reports: Sequence[CheckReport], *, verbose: bool = False) -> str:
    """What `show` prints in a pipe."""
    page = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    console = Console(file=page, width=UNBOUNDED, force_terminal=False, color_system=None)
    show(reports, console, verbose=verbose)
    page.flush()
    page.seek(0)
    return page.read()
