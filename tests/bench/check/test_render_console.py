from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from bench.check.model import Policy
from bench.check.render import render, show
from bench.tolerances import parsed
from tests.bench.check.outcomes import (
    ALL,
    IDENTICAL,
    IMPROVED,
    OPEN,
    PASSING,
    REGRESSED,
    judged,
    report,
    source,
)

ESCAPE = "\x1b"


def on_terminal(width: int, *, no_color: bool = False) -> str:
    page = io.StringIO()
    console = Console(
        file=page, force_terminal=True, width=width, no_color=no_color, color_system="standard"
    )
    show([report()], console)
    return page.getvalue()


def rows(text: str) -> list[str]:
    """The rows of the first table, by their first words."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("───")) + 1
    end = next(i for i in range(start, len(lines)) if not lines[i])
    return lines[start:end]


def test_what_needs_attention_comes_first_and_the_rest_is_a_count() -> None:
    text = render([report(ALL[::-1])], "rich")
    assert [row.split()[:3] for row in rows(text)] == [
        ["×", "regressed", "worse"],
        ["×", "regressed", "broken"],
        ["×", "regressed", "gone"],
        ["?", "inconclusive", "open"],
        ["+", "improved", "better"],
    ]
    assert "Not listed: 1 identical, 1 costs that cannot be compared." in text
    assert "Not comparable: another machine than the baseline's (1 cell)." in text
    assert "same" not in "".join(rows(text))


def test_verbose_lists_every_cell() -> None:
    text = render([report()], "rich", verbose=True)
    assert len(rows(text)) == len(ALL)
    assert "Not listed" not in text


def test_a_row_holds_every_number_of_its_verdict() -> None:
    row = " ".join(rows(render([report()], "rich"))[0].split())
    assert row == (
        "× regressed worse drift mse ↓ +7.5% [+4.5%, +10.5%] 0.4000 0.4300 rel:0.02 0.0077 "
        "beyond-tolerance"
    )


def test_a_tolerance_of_the_command_line_stands_in_the_row() -> None:
    strict = Policy(tolerances=parsed(["mse=abs:0.5"]))
    assert " abs:0.5 " in rows(render([report(policy=strict)], "rich"))[0]


def test_means_have_digits_enough_to_show_the_change() -> None:
    tiny = judged("tiny", "regressed", "det", current_mean=0.40001, worsening=1e-5, sd=None)
    row = rows(render([report([tiny])], "rich"))[0]
    assert "0.400000" in row
    assert "0.400010" in row


def test_a_change_from_zero_is_shown_in_the_metrics_units() -> None:
    grown = judged(
        "grown", "regressed", "det", baseline_mean=0.0, current_mean=3.0, worsening=3.0,
        change=None, change_interval=None,
    )  # fmt: skip
    assert "+3.000" in rows(render([report([grown])], "rich"))[0]


@pytest.mark.parametrize(
    ("cells", "policy", "code", "headline"),
    [
        (ALL, Policy(), 1, "FAIL gate: 1 regressed, 2 missing or failed, 1 inconclusive (7 cells)"),
        (PASSING, Policy(), 0, "PASS gate: no regression, 1 inconclusive (4 cells)"),
        ((IDENTICAL,), Policy(), 0, "PASS gate: no regression (1 cell)"),
        (
            PASSING,
            Policy(fail_on="inconclusive"),
            3,
            "FAIL gate: no regression, 1 inconclusive, and inconclusive cells fail this check "
            "(4 cells)",
        ),
        (
            (replace(IMPROVED, detail="changed"),),
            Policy(mode="exact"),
            1,
            "FAIL gate: 1 changed (1 cell)",
        ),
    ],
)
def test_the_first_line_says_whether_it_passes_and_why(
    cells: tuple[object, ...], policy: Policy, code: int, headline: str
) -> None:
    text = render([report(cells, policy=policy, code=code)], "rich")
    assert text.splitlines()[0] == headline


def test_the_footer_says_how_it_was_decided_and_on_what() -> None:
    text = render([report()], "rich")
    for sentence in (
        "Seeds 7 of this run are not in the baseline, so they do not count: 1 cell.",
        "n = 5 common seeds per cell, paired by seed.",
        "Holm's correction over m = 6 cells",
        "Tolerances: mse rel:0.02, read_us rel:0.25 or abs:20.",
        "Costs are reported and fail nothing; --perf gate measures slower ones again.",
        "Environment differs: machine_id abababababab -> cdcdcdcdcdcd.",
        "Baseline: baseline.json (memb 0.1.0, commit c0ffeec0ffee, 2026-01-01T00:00:00+00:00).",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Policy(two_stage=True), "tests at 0.025 (alpha 0.05 over two looks)"),
        (Policy(strict_margin=True), "regressed is worse by more than the tolerance after"),
        (Policy(fail_on="inconclusive"), "Inconclusive cells fail the check (exit code 3)."),
        (Policy(mode="exact"), "Exact mode: every seed must give the same value"),
        (Policy(perf="gate"), "A cost that is slower twice fails the check."),
    ],
)
def test_the_footer_names_the_rule_that_was_asked_for(policy: Policy, told: str) -> None:
    assert told in render([report(policy=policy)], "rich")


def test_in_exact_mode_no_tolerance_is_shown() -> None:
    text = render([report(policy=Policy(mode="exact"))], "rich")
    assert "Tolerances" not in text
    assert " exact " in rows(text)[0]


def test_a_pipe_gets_no_escape_codes_and_no_folded_lines() -> None:
    text = render([report()], "rich")
    assert ESCAPE not in text
    assert len(rows(text)) == 5
    assert text.endswith(".\n")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_terminal_is_never_overrun(width: int) -> None:
    plain = on_terminal(width, no_color=True)
    shown = [Text.from_ansi(line).cell_len for line in plain.splitlines()]
    assert max(shown) <= width
    for word in ("regressed", "inconclusive", "improved", "beyond-tolerance", "0.0077"):
        assert word in plain


def test_colour_is_only_the_headlines_and_repeats_its_first_word() -> None:
    coloured, plain = on_terminal(200), on_terminal(200, no_color=True)
    assert coloured.splitlines()[0].startswith(f"{ESCAPE}[1;31mFAIL")
    assert Text.from_ansi(coloured).plain == Text.from_ansi(plain).plain
    assert plain.splitlines()[0].startswith(f"{ESCAPE}[1mFAIL")


def test_a_stream_with_ascii_only_gets_ascii() -> None:
    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show([report()], Console(file=page, width=300))
    page.flush()
    page.seek(0)
    text = page.read()
    assert "x regressed" in text
    assert "mse (lower)" in text


def test_two_baselines_are_shown_one_after_the_other() -> None:
    second = report(PASSING, baseline=source("anchor.json"))
    text = render([report(), second], "rich")
    assert text.splitlines()[0].endswith("2 inconclusive (11 cells against 2 baselines)")
    first, anchor = text.index("baseline.json: exit code 1"), text.index("anchor.json: exit code 0")
    assert first < anchor


def test_what_does_not_count_is_marked_so() -> None:
    loose = replace(OPEN, gates=False)
    text = render([report([REGRESSED, loose])], "rich")
    assert "does not count" in rows(text)[1]
    assert "does not count" not in rows(text)[0]
