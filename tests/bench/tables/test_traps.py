"""What tables get wrong easily: ties, survivors, equal seeds, numbers read as numbers, order."""

from __future__ import annotations

import io
import random

import pandas as pd
import pytest
from rich.console import Console

from bench.compare import compare
from bench.tables import FORMATS, render
from bench.tables.grid import Cell, Column, Sheet, grid_of
from bench.tables.markdown import render_sheet
from bench.tables.rich_table import show
from bench.tables.sheet import build
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]


def mixed() -> FrameBuilder:
    """Two fields, several metrics, failures: everything that a table may order."""
    builder = FrameBuilder()
    for j, task in enumerate(("recall", "capacity[dim=64]", "mqar")):
        for i, label in enumerate(("ref", "delta", "a|b", "sick")):
            noise = [0.004 * ((i * (s + 1) + j) % 4) for s in range(5)]
            values: list[float | str] = [
                v + e + 0.004 * i * ((-1) ** j) for v, e in zip(FIVE, noise, strict=True)
            ]
            if (label, task) == ("sick", "mqar"):
                values[2] = "oom"
            builder.cell(label, values, task=task, metric=ACCURACY if j == 2 else Metric())
    for task in ("etth1", "co2"):
        builder.cell("frozen", FIVE, task=task).cell("ogd", [0.3] * 5, task=task)
    return builder


def reordered(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    order = list(range(len(frame)))
    random.Random(seed).shuffle(order)
    shuffled = frame.iloc[order].reset_index(drop=True)
    shuffled.attrs.update(frame.attrs)
    return shuffled


def drawn(frame: pd.DataFrame, *, terminal: bool) -> str:
    out = io.StringIO()
    show(compare(frame), Console(file=out, width=80, force_terminal=terminal))
    return out.getvalue()


@pytest.mark.parametrize("mode", ["vs-reference", "vs-best", "all-pairs"])
def test_the_order_of_records_changes_no_byte_in_any_format(mode: str) -> None:
    frame = mixed().frame()
    as_written = compare(frame, mode=mode)
    for seed in (1, 2):
        other = compare(reordered(frame, seed), mode=mode)
        for format in FORMATS:
            assert render(other, format) == render(as_written, format), format


@pytest.mark.parametrize("terminal", [True, False])
def test_the_order_of_records_changes_nothing_on_a_console(terminal: bool) -> None:
    frame = mixed().frame()
    assert drawn(reordered(frame, 3), terminal=terminal) == drawn(frame, terminal=terminal)


def test_tied_bests_are_all_bold_and_then_nothing_is_underlined() -> None:
    """The means differ in the last bit only: .1 + .2 and .3."""
    builder = FrameBuilder().cell("a", [0.1 + 0.2, 0.5, 0.7]).cell("b", [0.3, 0.5, 0.7])
    builder.cell("c", [0.9, 0.9, 0.8])
    grid = build(compare(builder.frame())).grids[0]
    assert [row[1].bold for row in grid.rows] == [True, True, False]
    assert not any(row[1].underline for row in grid.rows)


def test_standing_is_judged_at_full_precision_not_on_what_is_printed() -> None:
    builder = FrameBuilder().cell("a", [0.40004, 0.5, 0.6]).cell("b", [0.40001, 0.5, 0.6])
    grid = build(compare(builder.frame()), digits=2).grids[0]
    assert grid.rows[0][1].text == grid.rows[1][1].text
    assert [row[1].bold for row in grid.rows] == [False, True]


def test_the_second_best_may_be_shared() -> None:
    builder = FrameBuilder().cell("a", [0.1, 0.2, 0.3])
    for label in ("b", "c"):
        builder.cell(label, [0.4, 0.5, 0.6])
    grid = build(compare(builder.frame())).grids[0]
    assert [row[1].underline for row in grid.rows] == [False, True, True]


def test_survivors_of_a_partial_cell_are_never_best_even_with_the_best_mean() -> None:
    builder = FrameBuilder().cell("whole", [0.4, 0.5, 0.6])
    builder.cell("other", [0.7, 0.8, 0.9]).cell("half", [0.1, 0.1, "oom"])
    grid = build(compare(builder.frame())).grids[0]
    cells = {row[0].text: row[1] for row in grid.rows}
    assert cells["half"].text.endswith("(2/3)")
    assert (cells["half"].bold, cells["half"].underline) == (False, False)
    assert cells["whole"].bold and cells["other"].underline


@pytest.mark.parametrize("spread", ["ci", "sd", "sem", "none"])
def test_equal_seeds_say_so_and_never_show_a_spread_of_zero(spread: str) -> None:
    builder = FrameBuilder().cell("a", [1.0] * 5, metric=ACCURACY)
    grid = build(compare(builder.frame()), spread=spread).grids[0]
    assert grid.rows[0][1].text == "1.000 (n=5, all equal)"


def test_markdown_keeps_numbers_as_they_are_written() -> None:
    """A table writer that guesses types turns 0.10 into 0.1 and 1e3 into 1000."""
    texts = ("0.10", "1e3", "007", "1_000", "-0.0", "nan", "  5 ")
    column = Column("x", tuple(Cell(text) for text in texts))
    text = render_sheet(Sheet((grid_of("t", [column]),), ()))
    found = [line.strip("| ").strip() for line in text.splitlines() if line.startswith("|")][2:]
    assert found == ["0.10", "1e3", "007", r"1\_000", "-0.0", "nan", "5"]


def test_a_mark_of_no_difference_needs_seeds_that_could_have_shown_one() -> None:
    """Of 5 seeds sign-flip cannot go below 2/32 > .05: nothing is separated, nothing is signed."""
    builder = FrameBuilder().cell("a", FIVE).cell("b", [v + 0.001 for v in reversed(FIVE)])
    signed = compare(builder.frame(), mode="vs-best")
    assert any("=" in text for text in _marks(signed))
    unresolved = compare(builder.frame(), mode="vs-best", test="signflip")
    assert _marks(unresolved) == []
    assert any("unresolvable at n=5" in sentence for sentence in build(unresolved).footer)


def _marks(comparison: object) -> list[str]:
    sheet = build(comparison)
    cells = [cell for grid in sheet.grids for row in grid.rows for cell in row]
    return ["=" for cell in cells if "not-separated" in cell.marks]


def test_a_margin_greys_what_is_significant_and_does_not_matter() -> None:
    builder = FrameBuilder().cell("ref", FIVE).cell("a", [v - 0.001 for v in FIVE])
    found = compare(builder.frame(), margins={"mse": 0.01}, test="t")
    (grid,) = build(found).grids
    row = next(row for row in grid.rows if row[0].text == "a")
    assert any("within-margin" in cell.marks for cell in row) or "equiv" in row[-1].text


def test_the_footer_says_everything_that_a_reader_has_to_know() -> None:
    builder = mixed().cell("gone", ["missing"] * 5).cell("none", ["skipped"] * 5)
    run = {"memb": "0.1.0", "git": {"commit": "0123456789abcdef"}}
    footer = "\n".join(build(compare(builder.frame(runs=[run]))).footer)
    for said in (
        "n = 4 to 5 seeds",
        "95% t interval over seeds",
        "Differences are memory minus ref",
        "alpha = 0.05: paired t (n = 4 to 5)",
        "Holm correction over each metric: m = ",
        "80% power",
        "the median over open comparisons is",
        "1 missing",
        "1 skipped",
        "1 partial",
        "Suite synthetic, tasks and protocols ",
        "git 0123456789ab",
        "memb 0.1.0",
    ):
        assert said in footer, said


def test_dropped_tasks_are_named_with_how_many_are_left() -> None:
    footer = "\n".join(build(compare(mixed().frame(), missing="drop")).footer)
    assert "Dropped for incomplete cells: mqar; task points left: 4." in footer


def test_the_identity_of_a_suite_ignores_memories_and_seeds_and_sees_protocols() -> None:
    def identity(**cell: str) -> str:
        builder = FrameBuilder().cell("a", FIVE, **cell)
        return compare(builder.frame()).suite_hash

    one = FrameBuilder().cell("b", FIVE[:3]).cell("c", FIVE[:3])
    assert compare(one.frame()).suite_hash == identity()
    assert identity(protocol="p2") != identity()
    assert identity(task="other") != identity()
