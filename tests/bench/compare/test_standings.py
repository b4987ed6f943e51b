"""Rows that are shown without a rank, and the short labels that they carry."""

from __future__ import annotations

from typing import Any

from bench.compare import compare
from bench.tables import render
from bench.tables.sheet import build
from tests.bench.frames import FrameBuilder, Metric

ACC = Metric("acc_code", "higher", bounds=(0.0, 1.0), chance=0.001)
FIVE = [0.5, 0.51, 0.52, 0.5, 0.49]


def frame(**standings: dict[str, Any]) -> Any:
    builder = FrameBuilder()
    builder.cell("a", [v + 0.3 for v in FIVE], metric=ACC)
    builder.cell("b", FIVE, metric=ACC)
    builder.cell("c", [0.0, 0.002, 0.0, 0.001, 0.002], metric=ACC)
    return builder.frame(standings={"recall": standings})


def notes_of(found: Any) -> dict[str, str]:
    (grid,) = build(found).grids
    column = grid.header.index("note")
    return {row[0].text: row[column].text for row in grid.rows}


def test_an_unranked_row_never_stands_out_and_the_next_one_does() -> None:
    found = compare(frame(a={"ranked": False, "marks": ["untrained"]}))
    rows = {row.label: row for row in found.sections[0].rows}
    assert [rows[label].standing for label in "abc"] == ["", "best", "second"]
    assert found.sections[0].best == "b"
    assert notes_of(found)["a"] == "untrained"
    assert any("Shown without a rank" in note for note in found.notes)
    assert [row.standing for row in compare(frame()).sections[0].rows] == ["best", "second", ""]


def test_the_best_to_compare_with_is_a_ranked_one() -> None:
    found = compare(frame(a={"ranked": False}), mode="vs-best")
    assert {contrast.against for contrast in found.sections[0].contrasts} == {"b"}


def test_marks_stand_in_the_note_of_their_row() -> None:
    found = compare(frame(c={"marks": ["stores nothing", "untrained"]}))
    assert notes_of(found)["c"].startswith("stores nothing; untrained; at chance")


def test_a_row_is_at_chance_where_its_interval_reaches_guessing() -> None:
    found = compare(frame())
    assert [row.at_chance for row in found.sections[0].rows] == [False, False, True]
    text = "\n".join(found.notes)
    assert "reaches the value of guessing (0.001 for acc_code)" in text
    lower = FrameBuilder().cell("a", FIVE).cell("b", FIVE)
    assert not any(row.at_chance for row in compare(lower.frame()).sections[0].rows)


def test_rounding_does_not_lift_a_row_above_chance() -> None:
    """A tenth in float32 is 0.10000000149."""
    guessing = Metric("acc_code", "higher", bounds=(0.0, 1.0), chance=0.1)
    builder = FrameBuilder().cell("a", [0.10000000149] * 5, metric=guessing)
    builder.cell("b", [0.1001] * 5, metric=guessing)
    rows = compare(builder.frame()).sections[0].rows
    assert [row.at_chance for row in rows] == [True, False]


def test_the_fill_of_a_budget_is_a_column() -> None:
    found = compare(frame(a={"fill": 0.984}, b={"fill": None}))
    (grid,) = build(found).grids
    column = grid.header.index("budget used")
    assert [row[column].text for row in grid.rows] == ["98.4%", "-", "-"]
    assert "budget used" not in build(compare(frame())).grids[0].header


def test_files_hold_what_the_note_says() -> None:
    found = compare(frame(a={"ranked": False, "fill": 0.5, "marks": ["untrained"]}))
    header, first, *_ = render(found, "csv").splitlines()
    values = dict(zip(header.split(","), first.split(","), strict=False))
    assert values["ranked"] == "False"
    assert values["fill"] == "0.5"
    assert values["row_marks"] == "untrained"
    assert '"ranked": false' in render(found, "json")
