"""The table of all tasks at a glance."""

from __future__ import annotations

import pytest

from bench.compare import compare
from bench.tables.grid import Grid
from bench.tables.overview import UNPLANNED, overviews
from bench.tables.sheet import build
from tests.bench.frames import ACCURACY, MSE, FrameBuilder

FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]
LESS = [0.305, 0.318, 0.296, 0.310, 0.317]


def two_tasks() -> FrameBuilder:
    builder = FrameBuilder()
    for task in ("recall", "capacity"):
        builder.cell("ref", FIVE, task=task).cell("good", LESS, task=task)
        builder.cell("other", [0.5, 0.6, 0.55, 0.52, 0.58], task=task)
    return builder


def texts(grid: Grid, label: str) -> list[str]:
    return [c.text for row in grid.rows if row[0].text == label for c in row]


def test_memories_stand_in_rows_and_tasks_in_columns() -> None:
    grid = build(compare(two_tasks().frame())).grids[0]
    assert grid.title == "Overview: 3 memories, 2 tasks"
    assert grid.groups[:3] == (("", 1), ("recall", 1), ("capacity", 1))
    assert grid.header[:3] == ("memory", "mse ↓", "mse ↓")
    assert [row[0].text for row in grid.rows] == ["ref", "good", "other"]


def test_the_spread_is_the_larger_half_of_the_interval() -> None:
    """Losses .405 .417 .397 .409 .418: mean .4092, sd .0086718, half t(4) interval .0107675."""
    (grid,) = overviews(compare(two_tasks().frame()), "ci", None)
    assert texts(grid, "ref")[1] == "0.409 ±0.011"


@pytest.mark.parametrize(
    ("spread", "text"), [("sd", "0.4092 ±0.0087"), ("sem", "0.4092 ±0.0039"), ("none", "0.4092")]
)
def test_the_spread_is_the_one_asked_for(spread: str, text: str) -> None:
    (grid,) = overviews(compare(two_tasks().frame()), spread, None)
    assert texts(grid, "ref")[1] == text


def test_an_interval_that_its_bounds_clip_keeps_its_larger_half() -> None:
    """.95 1 1 1 1: mean .99, half t(4) interval .0278, of which only .01 lies below 1."""
    builder = two_tasks().cell("ref", [0.95, 1, 1, 1, 1], task="third", metric=ACCURACY)
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert texts(grid, "ref")[3] == "0.990 ±0.028"


def test_equal_seeds_carry_a_sign_and_never_a_spread_of_zero() -> None:
    builder = two_tasks().cell("ref", [1.0] * 5, task="third", metric=ACCURACY)
    (grid,) = overviews(compare(builder.frame()), "sd", None)
    cell = grid.rows[0][3]
    assert (cell.text, cell.marks) == ("1.000", ("all-equal",))


def test_marks_of_the_comparison_stand_beside_the_mean() -> None:
    (grid,) = overviews(compare(two_tasks().frame()), "ci", None)
    good = next(row for row in grid.rows if row[0].text == "good")
    assert good[1].marks == ("better",)
    assert good[1].bold


def test_all_pairs_have_no_single_opponent_and_so_no_marks() -> None:
    (grid,) = overviews(compare(two_tasks().frame(), mode="all-pairs"), "ci", None)
    assert not any(cell.marks for row in grid.rows for cell in row)


def test_a_partial_cell_is_counted_marked_and_never_bold() -> None:
    builder = two_tasks().cell("half", [0.1, 0.1, 0.2, "oom", "error"], task="recall")
    builder.cell("half", LESS, task="capacity")
    (grid,) = overviews(compare(builder.frame()), "none", None)
    half = next(row for row in grid.rows if row[0].text == "half")
    assert half[1].text == "0.133 (3/5)"
    assert "partial" in half[1].marks
    assert not half[1].bold and not half[1].underline


def test_failures_and_holes_are_named() -> None:
    builder = two_tasks().cell("sick", ["oom"] * 5, task="recall")
    builder.cell("sick", ["skipped"] * 5, task="capacity").cell("gone", ["missing"] * 5)
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert texts(grid, "sick")[1:3] == ["fail:oom", "n/a"]
    assert texts(grid, "gone")[1:3] == ["-- missing", ""]
    assert grid.notes == (UNPLANNED,)


def test_one_task_and_metric_has_no_overview() -> None:
    builder = FrameBuilder().cell("ref", FIVE).cell("good", LESS)
    assert overviews(compare(builder.frame()), "ci", None) == []


def test_two_metrics_of_one_task_share_a_head() -> None:
    builder = FrameBuilder().cell("ref", FIVE).cell("good", LESS)
    builder.cell("ref", FIVE, metric=ACCURACY).cell("good", LESS, metric=ACCURACY)
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert grid.groups[:2] == (("", 1), ("recall", 2))
    assert grid.title == "Overview: 2 memories, recall, 2 metrics"


def test_metrics_that_are_not_tested_stay_out() -> None:
    extra = type(MSE)("mae", primary=False)
    builder = two_tasks().cell("ref", FIVE, metric=extra)
    (grid,) = overviews(compare(builder.frame(), all_metrics=True), "ci", None)
    assert not any("mae" in name for name in grid.header)


def test_memories_that_never_meet_have_an_overview_each() -> None:
    builder = two_tasks()
    for task in ("etth1", "co2"):
        builder.cell("frozen", FIVE, task=task).cell("ogd", LESS, task=task)
        builder.cell("good", ["skipped"] * 5, task=task)
    first, second = overviews(compare(builder.frame()), "ci", None)
    assert [row[0].text for row in first.rows] == ["ref", "good", "other"]
    assert [row[0].text for row in second.rows] == ["frozen", "ogd"]
    assert not any(cell.text == "" for grid in (first, second) for row in grid.rows for cell in row)
    assert (first.title, second.title) == (
        "Overview of recall to capacity: 3 memories, 2 tasks",
        "Overview of etth1 to co2: 2 memories, 2 tasks",
    )


def test_a_memory_that_is_skipped_everywhere_is_not_forgotten() -> None:
    builder = two_tasks()
    for task in ("recall", "capacity"):
        builder.cell("misfit", ["skipped"] * 5, task=task)
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert texts(grid, "misfit")[1:3] == ["n/a", "n/a"]


def test_tasks_that_one_memory_connects_are_one_field() -> None:
    """recall: a, b; etth1: c, d; both meet c on bridge, which comes last."""
    builder = FrameBuilder()
    for label, task in (("a", "recall"), ("b", "recall"), ("c", "etth1"), ("d", "etth1")):
        builder.cell(label, FIVE, task=task)
    builder.cell("b", LESS, task="bridge").cell("c", FIVE, task="bridge")
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert [name for name, _ in grid.groups][1:4] == ["recall", "etth1", "bridge"]


def test_a_task_on_which_everything_failed_keeps_its_column() -> None:
    builder = two_tasks()
    for label in ("ref", "good", "other"):
        builder.cell(label, ["error"] * 5, task="broken", metric=type(MSE)(""), message="boom")
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert grid.header[3] == "result"
    assert {row[3].text for row in grid.rows} == {"fail:error"}


def test_ranks_and_scores_stand_at_the_end_under_the_number_of_rows() -> None:
    """Good beats ref on both tasks and ref beats other: ranks 1, 2, 3, win rates 1, .5, 0."""
    (grid,) = overviews(compare(two_tasks().frame()), "ci", None)
    assert grid.groups[-1][0] == "over 2 blocks"
    assert grid.header[3] == "mean rank ↓"
    assert grid.header[-1] == "win rate ↑"
    assert [row[3].text for row in grid.rows] == ["2.00", "1.00", "3.00"]
    assert [row[-1].text for row in grid.rows] == ["0.500", "1.000", "0.000"]
    assert [row[3].bold for row in grid.rows] == [False, True, False]


def test_where_some_are_skipped_ranks_are_over_the_tasks_that_all_meet() -> None:
    builder = two_tasks()
    builder.cell("ref", FIVE, task="third").cell("good", LESS, task="third")
    builder.cell("other", ["skipped"] * 5, task="third")
    (grid,) = overviews(compare(builder.frame()), "ci", None)
    assert grid.groups[-1][0] == "over 2 common blocks"
    assert "-" not in [row[4].text for row in grid.rows]


def test_turned_it_has_a_row_per_task_and_one_per_score() -> None:
    grid = build(compare(two_tasks().frame()), transpose=True).grids[0]
    assert grid.header == ("task", "ref", "good", "other")
    assert [row[0].text for row in grid.rows][:2] == ["recall: mse ↓", "capacity: mse ↓"]
    assert [row[0].text for row in grid.rows][-1] == "over 2 blocks: win rate ↑"
