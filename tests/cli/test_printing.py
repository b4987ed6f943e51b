"""How `memb compare` prints: formats, spreads, digits, files, through the real entry point."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Memb


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("table.md", "### "),
        ("table.tex", "% needs"),
        ("table.html", "<!DOCTYPE html>"),
        ("table.csv", "task,"),
        ("table.json", "{"),
    ],
)
def test_the_name_of_the_file_chooses_the_format(
    memb: Memb, small_run: Path, tmp_path: Path, name: str, begins: str
) -> None:
    done = memb("compare", small_run, "-o", name)
    assert (done.code, done.out, done.err) == (0, "", f"wrote {name}\n")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


def test_a_text_file_holds_what_a_pipe_gets(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    piped = memb("compare", small_run)
    memb("compare", small_run, "--output", "table.txt")
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") == piped.out
    assert "\x1b" not in piped.out


def test_a_format_that_is_given_wins_over_the_name(
    memb: Memb, small_run: Path, tmp_path: Path
) -> None:
    assert memb("compare", small_run, "--format", "latex", "-o", "table.out").code == 0
    assert (tmp_path / "table.out").read_text(encoding="utf-8").startswith("% needs")


def test_a_name_that_tells_no_format_is_refused(memb: Memb, small_run: Path) -> None:
    done = memb("compare", small_run, "-o", "table.xyz")
    assert (done.code, done.out) == (2, "")
    assert "does not tell its format" in done.err and "--format" in done.err


def test_a_folder_that_does_not_exist_is_named(memb: Memb, small_run: Path) -> None:
    done = memb("compare", small_run, "-o", "nowhere/table.md")
    assert (done.code, done.out) == (2, "")
    assert "cannot write nowhere/table.md" in done.err and "help:" in done.err


@pytest.mark.parametrize(
    ("spread", "header"), [("ci", "[95% CI]"), ("sd", "± sd"), ("sem", "± sem"), ("none", "↑")]
)
def test_the_spread_asked_for_stands_beside_means(
    memb: Memb, small_run: Path, spread: str, header: str
) -> None:
    done = memb("compare", small_run, "--format", "markdown", "--spread", spread)
    assert done.code == 0
    assert header in done.out.split("vs ")[0]


def test_digits_are_those_asked_for(memb: Memb, small_run: Path) -> None:
    for digits in (1, 5):
        done = memb("compare", small_run, "--format", "markdown", "--digits", digits)
        decimals = [len(number) for number in re.findall(r"\[-?\d+\.(\d+), ", done.out)]
        assert decimals and set(decimals) == {digits}


@pytest.mark.parametrize("format", ["csv", "json"])
@pytest.mark.parametrize("option", [("--spread", "sd"), ("--digits", "2"), ("--transpose",)])
def test_an_option_that_would_change_nothing_is_refused(
    memb: Memb, small_run: Path, format: str, option: tuple[str, ...]
) -> None:
    done = memb("compare", small_run, "--format", format, *option)
    assert (done.code, done.out) == (2, "")
    assert f"{option[0]} would change nothing" in done.err


def test_the_trade_offs_have_a_page_too(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    done = memb("compare", small_run, "--pareto", "-o", "fronts.html")
    if done.code == 2:
        assert "measured state" in done.err
        return
    assert "<caption>" in (tmp_path / "fronts.html").read_text(encoding="utf-8")


def test_html_goes_to_stdout_without_a_file(memb: Memb, small_run: Path) -> None:
    done = memb("compare", small_run, "--format", "html")
    assert done.code == 0 and done.err == ""
    assert done.out.startswith("<!DOCTYPE html>") and done.out.endswith("</html>\n")
