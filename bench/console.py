"""How memb speaks: data on stdout, everything else on stderr, no escape codes in a pipe."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 10_000
"""Columns of a pipe: nothing is cut or wrapped there."""


def stderr() -> Console:
    """The console for progress, warnings and notes."""
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    """The console for data; a reader that goes away changes no exit code."""
    from rich.console import Console

    class Stdout(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            print_nothing_more()

        def print(self, *args: Any, **options: Any) -> None:
            try:
                super().print(*args, **options)
            except OSError as error:
                _refuse(error)

    return Stdout()


def write(text: str) -> None:
    """Print text as it is, on stdout; a reader that goes away changes no exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        print_nothing_more()
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    """Stop because stdout takes nothing more; what is left of it would only fail again."""
    from bench.documents import refusal

    print_nothing_more()
    raise refusal(error, "to stdout", help="send it elsewhere") from error


def print_nothing_more() -> None:
    """Send nowhere what is still written to stdout: the reader of a pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(text: str) -> None:
    """Print a line for people, on stderr."""
    stderr().print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON value, on stdout."""
    write(json.dumps(value, allow_nan=False, indent=1) + "\n")


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
    drawn = io.StringIO()
    Console(file=drawn, width=PIPE_WIDTH).print(table)
    write("".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines()))
