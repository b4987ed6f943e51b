"""How tables are turned, cut and folded so that they fit a page."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bench.tables.grid import Cell, Column, Grid, Sheet, Wide, grid_of, grouped
from bench.tables.layout import GAP, cut, folded, padding, transposed
from bench.tables.rich_table import show_sheet

WORDS = st.text(alphabet="abcxyz-_,=[ ", max_size=40)


def cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


def overview(columns: int, rows: int = 2, *, wide: Wide = "turn", span: int = 1) -> Grid:
    """A table of `columns` columns of numbers below heads over `span` of them each."""
    names = Column("memory", cells(*(f"memory-{i}" for i in range(rows))), numeric=False)
    numbers = [
        Column(f"m{j}", cells(*(f"{i}.{j:03d}" for i in range(rows))), group=f"task-{j // span}")
        for j in range(columns)
    ]
    return grid_of("All", [names, *numbers], wide=wide)


def terminal(grid: Grid, width: int) -> list[str]:
    """The lines that a terminal of that width gets, footer left out."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    show_sheet(Sheet((grid,), ()), console)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("vs linear-assoc [95% CI]", 16, ["vs linear-assoc", "[95% CI]"]),
        ("pair-recall[items=5,noise=0]", 12, ["pair-recall[", "items=5,", "noise=0]"]),
        ("capacity_90", 9, ["capacity_", "90"]),
        ("mean rank ↓", 6, ["mean", "rank ↓"]),
        ("short", 80, ["short"]),
        ("", 5, [""]),
        ("unbreakable", 4, ["unbreakable"]),
        ("mse [0.1, 0.2] of a-very-long-name", 9, ["mse [0.1,", "0.2] of", "a-very-", "long-name"]),
    ],
)
def test_headers_fold_where_they_read_best(text: str, width: int, lines: list[str]) -> None:
    assert folded(text, width) == lines


@given(WORDS, st.integers(1, 30))
def test_folding_loses_nothing_but_blanks(text: str, width: int) -> None:
    assert "".join("".join(folded(text, width)).split()) == "".join(text.split())


def test_a_table_is_cut_into_parts_that_repeat_the_first_column() -> None:
    grid = overview(5)
    parts = cut(grid, [8] * 6, page=8 + 2 * (8 + GAP))
    assert [part.header for part in parts] == [
        ("memory", "m0", "m1"),
        ("memory", "m2", "m3"),
        ("memory", "m4"),
    ]
    assert [part.title for part in parts] == ["All (1 of 3)", "All (2 of 3)", "All (3 of 3)"]
    assert parts[1].groups == (("", 1), ("task-2", 1), ("task-3", 1))
    assert all(part.rows[1][0].text == "memory-1" for part in parts)


def test_columns_below_one_head_stay_together_where_they_fit() -> None:
    grid = overview(4, span=2)
    parts = cut(grid, [8] * 5, page=8 + 3 * (8 + GAP))
    assert [part.header[1:] for part in parts] == [("m0", "m1"), ("m2", "m3")]
    alone = cut(grid, [8] * 5, page=8 + 8 + GAP)
    assert [part.header[1:] for part in alone] == [("m0",), ("m1",), ("m2",), ("m3",)]


def test_a_table_that_fits_is_not_cut() -> None:
    grid = overview(2)
    assert cut(grid, [8, 8, 8], page=80) == [grid]


def test_turning_gives_each_column_a_row_and_keeps_every_cell() -> None:
    turned = transposed(overview(2))
    assert turned.header == ("task", "memory-0", "memory-1")
    assert [[cell.text for cell in row] for row in turned.rows] == [
        ["task-0: m0", "0.000", "1.000"],
        ["task-1: m1", "0.001", "1.001"],
    ]


def test_a_terminal_turns_an_overview_where_that_needs_fewer_tables() -> None:
    """12 columns of 5 characters need two tables of 60; 12 rows by 2 columns need one."""
    lines = terminal(overview(12), 60)
    assert lines[0] == "All"
    assert lines[1].split() == ["task", "memory-0", "memory-1"]
    assert sum("task-" in line for line in lines) == 12


def test_a_terminal_does_not_turn_a_table_that_is_only_to_be_cut() -> None:
    lines = terminal(overview(12, wide="split"), 60)
    assert lines[0] == "All (1 of 2)"


def test_what_was_turned_on_request_is_not_turned_back() -> None:
    lines = terminal(transposed(overview(3, rows=12)), 60)
    assert lines[0].startswith("All (1 of ")
    assert lines[1].split()[0] == "task"


def leaderboard_like() -> Grid:
    return grid_of(
        "recall: mse",
        [
            Column("memory", cells("delta", "linear-assoc"), numeric=False),
            Column("mse [95% CI]", cells("0.3092 [0.2979, 0.3205]", "10.4092 [0.3984, 0.4200]")),
            Column("vs linear-assoc [95% CI]", cells("-0.1000 [-0.1012, -0.0988]", "-")),
            Column("p (Holm)", cells("<1e-4", "-")),
            Column("n", cells("5", "5")),
            Column("note", cells("better", ""), numeric=False),
        ],
    )


def test_what_does_not_fit_in_line_stands_below_its_row_with_its_name() -> None:
    lines = terminal(leaderboard_like(), 70)
    row = next(i for i, line in enumerate(lines) if line.startswith("delta"))
    assert lines[row + 1] == "    p (Holm) <1e-4; better"
    assert lines[row + 2].startswith("linear-assoc")
    assert "In every row: n 5." in lines


def test_a_column_that_varies_is_never_said_once_for_all() -> None:
    grid = leaderboard_like()
    columns = [
        Column(name, tuple(row[j] for row in grid.rows), numeric=grid.numeric[j])
        for j, name in enumerate(grid.header)
    ]
    columns[4] = Column("n", cells("5", "4"))
    lines = terminal(grid_of("x", columns), 60)
    assert not any(line.startswith("In every row") for line in lines)
    assert any("n 5" in line for line in lines)
    assert any("n 4" in line for line in lines)


@given(st.integers(30, 140))
def test_no_line_of_a_terminal_is_wider_than_it(width: int) -> None:
    for grid in (leaderboard_like(), overview(9), overview(9, span=3), overview(3, rows=12)):
        assert max(cell_len(line) for line in terminal(grid, width)) <= width


@given(st.integers(14, 140))
def test_no_number_is_lost_or_broken_however_narrow_the_terminal(width: int) -> None:
    drawn = "\n".join(terminal(leaderboard_like(), width))
    for number in ("0.3092", "[0.2979,", "0.3205]", "10.4092", "-0.1000", "-0.0988]", "<1e-4"):
        assert number in drawn
    overviewed = "\n".join(terminal(overview(9), width))
    assert all(f"{i}.{j:03d}" in overviewed for i in range(2) for j in range(9))


def test_a_pipe_has_one_line_per_row_whatever_its_width() -> None:
    out = io.StringIO()
    show_sheet(Sheet((overview(40),), ()), Console(file=out, width=20))
    rows = [line for line in out.getvalue().splitlines() if line.startswith("memory-")]
    assert len(rows) == 2
    assert all(row.split()[-1].endswith(".039") for row in rows)


def test_decimal_points_line_up_and_words_stay_left() -> None:
    assert padding(cells("0.1", "12.5", "fail:oom", "-3", "-", "+1.5 [1, 2]")) == [1, 0, 0, 0, 0, 0]


def test_heads_of_equal_neighbours_are_one() -> None:
    assert grouped(["", "a", "a", "b", ""]) == (("", 1), ("a", 2), ("b", 1), ("", 1))
    assert grouped(["", ""]) == ()


def test_a_name_that_ascii_lacks_is_spelt_out_and_never_stops_the_table() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict", newline="\n")
    grid = grid_of("λ", [Column("memory", cells("größe ≥ 3"), numeric=False)])
    show_sheet(Sheet((grid,), ()), Console(file=stream, width=80))
    stream.flush()
    assert "gr\\xf6\\xdfe >= 3" in raw.getvalue().decode("ascii")
