"""Tables of one synthetic comparison in every format, compared as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.tables import Format, render
from bench.tables.rich_table import show
from tests.bench.tables.golden import check, comparison


def plain(width: int = 80, **options: Any) -> str:
    """What a pipe receives."""
    out = io.StringIO()
    shown = comparison(**{key: options.pop(key) for key in ("mode",) if key in options})
    show(shown, Console(file=out, width=width, force_terminal=False), **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("format", "suffix"),
    [("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("json", "json")],
)
def test_leaderboard(format: Format, suffix: str) -> None:
    check(f"leaderboard.{suffix}", render(comparison(), format))


def test_leaderboard_in_a_pipe() -> None:
    check("leaderboard.txt", plain())


def test_leaderboard_with_standard_deviations_in_ascii() -> None:
    text = render(comparison(), "markdown", spread="sd", ascii_only=True)
    check("leaderboard-sd-ascii.md", text)
    assert text.isascii()


@pytest.mark.parametrize("mode", ["vs-best", "all-pairs"])
def test_other_modes_in_a_pipe(mode: str) -> None:
    check(f"{mode}.txt", plain(mode=mode))


def test_all_pairs_as_csv_has_one_line_per_pair() -> None:
    check("all-pairs.csv", render(comparison(mode="all-pairs"), "csv"))
