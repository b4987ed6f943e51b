"""What each format promises, whatever the numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator

import pytest
from rich.console import Console

from bench.compare import compare
from bench.tables import FORMATS, Format, render
from bench.tables.grid import Spread
from bench.tables.rich_table import show
from bench.tables.sheet import build
from tests.bench.frames import FrameBuilder, Metric
from tests.bench.tables.golden import comparison


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def shown(encoding: str, *, terminal: bool = False, width: int = 80) -> str:
    """What a console of that encoding receives."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="\n")
    show(comparison(), Console(file=stream, width=width, force_terminal=terminal))
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("format", FORMATS)
def test_no_escape_codes_and_one_newline_at_the_end(format: Format) -> None:
    text = render(comparison(), format)
    assert "\x1b" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("format", FORMATS)
def test_no_p_is_printed_as_zero(format: Format) -> None:
    """Losses .1 apart with a spread of 1e-9 have a p of about 1e-33."""
    builder = FrameBuilder().cell("ref", [0.4 + i * 1e-9 for i in (3, 1, 4, 1, 5)])
    builder.cell("a", [0.3 + i * 1e-9 for i in (2, 7, 1, 8, 2)])
    found = compare(builder.frame())
    p = found.sections[0].contrasts[0].p_raw
    assert p is not None and 0 < p < 1e-20
    if format in ("csv", "json"):
        assert "e-" in render(found, format)
    else:
        assert "1e-4" in render(found, format)


def test_json_is_strict_and_versioned() -> None:
    found = json.loads(render(comparison(), "json"), parse_constant=pytest.fail)
    assert found["schema"] == "memb-compare/1"
    assert found["runs"][0]["nan"] is None
    assert all(not isinstance(x, float) or math.isfinite(x) for x in leaves(found))


def test_json_holds_every_number_of_the_worked_rows() -> None:
    found = json.loads(render(comparison(), "json"))
    section = found["sections"][0]
    delta = next(row for row in section["rows"] if row["label"] == "delta")
    assert delta["values"] == {"0": 0.305, "1": 0.318, "2": 0.296, "3": 0.31, "4": 0.317}
    contrast = next(c for c in section["contrasts"] if c["label"] == "delta")
    assert contrast["verdict"] == "better"
    assert contrast["differences"]["0"] == 0.1
    assert contrast["p_adjusted"] == pytest.approx(6 * contrast["p_raw"])
    broken = next(row for row in section["rows"] if row["label"] == "broken")
    assert [f["seed"] for f in broken["failures"]] == [0, 1, 2, 3, 4]


def test_a_perfect_proportion_has_the_rule_of_three() -> None:
    """No failure in 100 trials: the failure rate is below 3/100 with 95% confidence."""
    found = json.loads(render(comparison(), "json"))
    rows = {row["label"]: row for row in found["sections"][1]["rows"]}
    assert rows["delta"]["rule_of_three"] == 0.03
    assert rows["linear-assoc"]["rule_of_three"] is None


def test_csv_reads_back_to_the_same_numbers() -> None:
    found = list(csv.DictReader(io.StringIO(render(comparison(), "csv"))))
    document = json.loads(render(comparison(), "json"))
    rows = [row for section in document["sections"] for row in section["rows"]]
    assert [line["label"] for line in found] == [row["label"] for row in rows]
    for line, row in zip(found, rows, strict=True):
        assert line["mean"] == ("" if row["mean"] is None else repr(row["mean"]))
    assert {line["label"] for line in found} >= {"near_twin|x"}


def test_markdown_escapes_names_so_that_columns_stay_apart() -> None:
    text = render(comparison(), "markdown")
    assert r"near\_twin\|x" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    first = table[: table.index(next(line for line in table[2:] if "---" in line)) - 1]
    bars = {line.replace(r"\|", "").count("|") for line in first}
    assert len(bars) == 1


def test_latex_escapes_everything_it_reads_as_a_command() -> None:
    text = render(comparison(), "latex")
    assert r"near\_twin\textbar{}x" in text
    assert r"100\% of \$x\_\{1\} \& more" in text
    assert r"\toprule" in text and r"\usepackage{booktabs}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 4


def test_a_pipe_gets_whole_lines_without_trailing_blanks() -> None:
    text = shown("utf-8", width=40)
    assert "…" not in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "n.s.: detects" in text
    assert any(len(line) > 100 for line in text.splitlines())


def test_ascii_streams_get_ascii_signs() -> None:
    """Strict encoding: any other character would raise."""
    text = shown("ascii")
    assert "mse (lower) [95% CI]" in text
    assert "+ significantly better" in text


def test_a_terminal_gets_styles_instead_of_signs() -> None:
    text = shown("utf-8", terminal=True, width=160)
    assert "\x1b[1m0.3092" in text  # bold best
    assert "Best mean bold, second underlined." in text
    assert "]*" not in text


def test_a_narrow_terminal_folds_and_loses_no_number() -> None:
    text = shown("utf-8", terminal=True, width=60)
    assert "…" not in text
    for number in ("0.3092", "0.2979", "0.3205", "0.4092"):
        assert number in text


def test_decimal_points_of_a_column_line_up() -> None:
    builder = FrameBuilder().cell("big", [112.5, 110.0, 113.0]).cell("small", [9.5, 9.0, 9.7])
    out = io.StringIO()
    show(compare(builder.frame()), Console(file=out, width=80))
    lines = [
        line for line in out.getvalue().splitlines() if line.strip().startswith(("big", "small"))
    ]
    assert len({line.index(".") for line in lines}) == 1


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        ("ci", "0.4092 [0.3984, 0.4200]"),
        ("sd", "0.4092 ± 0.0087"),
        ("sem", "0.4092 ± 0.0039"),
        ("none", "0.4092"),
    ],
)
def test_what_stands_beside_a_mean(spread: Spread, expected: str) -> None:
    """Losses .405 .417 .397 .409 .418: sd .0086718, standard error .0038781."""
    sheet = build(comparison(), spread=spread)
    assert sheet.grids[1].rows[0][1].text == expected


def test_digits_are_those_asked_for() -> None:
    assert build(comparison(), digits=2).grids[1].rows[0][1].text == "0.41 [0.40, 0.42]"


def test_exact_counts_are_written_in_full() -> None:
    floats = Metric("state_floats", kind="static", unit="floats", primary=False)
    builder = FrameBuilder().cell("a", [0.4, 0.5, 0.6])
    builder.cell("a", [1048576.0] * 3, metric=floats)
    grid = build(compare(builder.frame(), all_metrics=True)).grids[1]
    assert grid.title == "recall: state_floats (floats), lower is better"
    assert grid.rows[0][1].text == "1048576"


def test_a_failed_task_has_a_table_of_its_own() -> None:
    builder = FrameBuilder().cell("a", ["error"] * 3, metric=Metric(""), message="boom")
    (grid,) = build(compare(builder.frame())).grids
    assert grid.title == "recall: failed before any metric was known"
    assert [cell.text for cell in grid.rows[0]] == ["a", "fail:error", "0", "failed"]


def test_a_task_that_suits_no_memory_has_not_failed() -> None:
    builder = FrameBuilder().cell("a", ["skipped"] * 3, metric=Metric(""), message="needs times")
    (grid,) = build(compare(builder.frame())).grids
    assert grid.title == "recall: applies to no memory"
    assert [cell.text for cell in grid.rows[0]] == ["a", "n/a", "0", "skipped"]


def test_a_task_that_is_still_to_run_has_not_failed() -> None:
    builder = FrameBuilder().cell("a", ["missing"] * 3, metric=Metric(""), message="never ran")
    (grid,) = build(compare(builder.frame())).grids
    assert grid.title == "recall: has not run yet"
    assert [cell.text for cell in grid.rows[0]] == ["a", "-- missing", "0", "missing"]


def test_no_mark_claims_a_correction_that_was_not_made() -> None:
    builder = FrameBuilder().cell("ref", [0.5, 0.51, 0.52]).cell("a", [0.3, 0.32, 0.31])
    for option in ({"correction": "none"}, {"family": "none"}):
        sheet = build(compare(builder.frame(), **option))
        footer = "\n".join(sheet.footer)
        assert "Marks: † significantly better." in footer
        assert "p-values are not corrected" in footer
        assert "p (raw)" in sheet.grids[0].header


def test_a_complete_best_cell_beside_a_partial_reference_is_not_said_to_lack_seeds() -> None:
    """Its test is on the seeds that the reference has left, so the mark is there all the same."""
    builder = FrameBuilder()
    for task in ("recall", "drift"):
        builder.cell("ref", [0.5, 0.51, 0.52, "oom"], task=task)
        builder.cell("a", [0.3, 0.32, 0.31, 0.3], task=task)
    sheet = build(compare(builder.frame()))
    (cell,) = [row[1] for row in sheet.grids[0].rows if row[0].text == "a"]
    assert cell.marks == ("partial", "better")
    assert "! some seeds failed, its own or those of what it is compared with" in sheet.footer[1]


def test_marks_that_are_not_used_are_not_explained() -> None:
    builder = FrameBuilder().cell("a", [0.4, 0.5, 0.6]).cell("b", [0.4, 0.55, 0.6])
    footer = "\n".join(build(compare(builder.frame())).footer)
    assert "significantly better" not in footer
    assert "hangs on one seed" not in footer
