from __future__ import annotations

import json

from tasks.samples.sample import Facts, Sample, Table
from tasks.samples.sparkline import sparkline
from tests.tasks.samples.drawn import drawn

TABLE = Table(
    "rows", ("n", "word", "series", "x"), [(1, "a", (0.0, 1.0), 0.12345), (20, "b", (), None)]
)


def test_a_table_is_drawn_with_its_series_as_lines() -> None:
    assert drawn(TABLE, width=60).splitlines() == [
        "rows",
        " n  word  series      x",
        " 1  a     ▁█      0.123",
        "20  b                 -",
    ]


def test_a_series_gives_way_before_a_word_is_broken() -> None:
    """Of 21 columns 13 are the word's and two stand between: six are left for sixteen values."""
    series = tuple(map(float, range(16)))
    table = Table("t", ("chronological", "series"), [("first latest", series)])
    assert drawn(table, width=40).splitlines()[1:] == [
        "chronological  series", f"first latest   {sparkline(series, 16)}",
    ]  # fmt: skip
    assert drawn(table, width=21).splitlines()[1:] == [
        "chronological  series", f"first latest   {sparkline(series, 6)}",
    ]  # fmt: skip


def test_where_words_cannot_fit_every_column_is_still_there() -> None:
    table = Table("t", ("chronological", "another"), [("a", "b")])
    lines = drawn(table, width=12).splitlines()[1:]
    assert max(map(len, lines)) <= 12
    assert "".join("".join(lines).split()).count("b") == 1


def test_how_many_rows_are_left_out_is_said() -> None:
    assert drawn(Table("t", ("a",), [(1,)], 12)).splitlines()[-1] == "and 12 more"


def test_words_in_brackets_are_no_markup() -> None:
    assert "[red]x[/red]" in drawn(Facts({"fact": "[red]x[/red]"}))
    assert "[bold]" in drawn(Table("[bold]", ("a",), [("b",)]))
    assert "[u]" in drawn(Table("t", ("[u]",), [("b",)]))


def test_facts_stand_one_to_a_line() -> None:
    assert drawn(Facts({"a": 1, "longer": "b"})).splitlines() == ["a       1", "longer  b"]


def test_a_sample_is_plain_json() -> None:
    sample = Sample("one", (Facts({"a": (1.0, 2.0)}), TABLE))
    said = json.loads(json.dumps(sample.data(), allow_nan=False))
    assert said["title"] == "one"
    assert said["parts"][0] == {"kind": "facts", "values": {"a": [1.0, 2.0]}}
    assert said["parts"][1]["rows"] == [[1, "a", [0.0, 1.0], 0.12345], [20, "b", [], None]]
