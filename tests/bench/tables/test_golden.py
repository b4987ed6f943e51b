"""Tables of one synthetic comparison in every format, compared as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.tables import Format, render
from bench.tables.rich_table import show
from tests.bench.tables.golden import check, comparison, suite


def plain(width: int = 80, **options: Any) -> str:
    """What a pipe receives."""
    out = io.StringIO()
    shown = comparison(**{key: options.pop(key) for key in ("mode",) if key in options})
    show(shown, Console(file=out, width=width, force_terminal=False), **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("format", "suffix"),
    [("markdown", "md"), ("latex", "tex"), ("html", "html"), ("csv", "csv"), ("json", "json")],
)
def test_leaderboard(format: Format, suffix: str) -> None:
    check(f"leaderboard.{suffix}", render(comparison(), format))


@pytest.mark.parametrize(
    ("format", "suffix"), [("markdown", "md"), ("latex", "tex"), ("html", "html")]
)
def test_a_whole_suite(format: Format, suffix: str) -> None:
    check(f"suite.{suffix}", render(suite(), format))


@pytest.mark.parametrize("width", [80, 120])
def test_a_whole_suite_on_a_terminal(width: int) -> None:
    out = io.StringIO()
    show(suite(), Console(file=out, width=width, force_terminal=True, color_system=None))
    check(f"suite-{width}.txt", out.getvalue())


def test_leaderboard_on_a_terminal() -> None:
    out = io.StringIO()
    show(comparison(), Console(file=out, width=80, force_terminal=True, color_system=None))
    check("leaderboard-80.txt", out.getvalue())


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
