"""How memb speaks: data on stdout, everything else on stderr, no escape codes in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 10_000
"""Columns of a pipe: nothing is cut or wrapped there."""


def stderr() -> Console:
    """The console for progress, warnings and notes."""
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    """The console for data."""
    from rich.console import Console

    return Console()


def note(text: str) -> None:
    """Print a line for people, on stderr."""
    stderr().print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON value, on stdout."""
    sys.stdout.write(json.dumps(value, allow_nan=False, indent=1) + "\n")


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a plain table, on stdout; in a pipe without blanks at the ends of lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = stdout()
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    if console.is_terminal:
        console.print(table)
        return
    pipe = Console(width=PIPE_WIDTH)
    with pipe.capture() as drawn:
        pipe.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))
