from __future__ import annotations

import pytest

from tasks.samples.plot import LINES, Curve, Plot
from tests.tasks.samples.drawn import drawn

RAMP = Plot(
    "a ramp", "row",
    [Curve("window", ".", 10, (0.0, 1.0, 2.0, 3.0)), Curve("target", "o", 14, (4.0,))],
)  # fmt: skip


def test_each_curve_has_its_character_and_its_place() -> None:
    assert drawn(RAMP, width=40).splitlines() == [
        "a ramp",
        "      4 |    o",
        "        |",
        "        |   .",
        "        |",
        "        |  .",
        "        |",
        "        | .",
        "        |",
        "      0 |.",
        "    row  10 14",
        "         . window   o target",
    ]


def test_many_positions_share_a_column_at_the_height_of_their_mean() -> None:
    lines = Plot("", "row", [Curve("c", "*", 0, tuple(float(i % 2) for i in range(100)))]).lines(10)
    # ten values of each column, five of them one: all columns at the middle
    assert [line.count("*") for line in lines[:LINES]] == [0, 0, 0, 0, 10, 0, 0, 0, 0]


def test_a_constant_is_drawn_in_the_middle() -> None:
    lines = Plot("", "row", [Curve("c", "*", 0, (2.0, 2.0))]).lines(10)
    assert lines[LINES // 2].endswith("|**")


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_plot_fits_its_width(width: int) -> None:
    curve = Curve("c", ".", 1000, tuple(float(i) for i in range(500)))
    text = drawn(Plot("c", "row", [curve]), width=width)
    assert max(map(len, text.splitlines())) <= min(width, 100)


def test_the_data_of_a_plot_are_its_curves() -> None:
    assert RAMP.data() == {
        "kind": "plot", "title": "a ramp", "axis": "row",
        "curves": [
            {"name": "window", "start": 10, "values": [0.0, 1.0, 2.0, 3.0]},
            {"name": "target", "start": 14, "values": [4.0]},
        ],
    }  # fmt: skip
