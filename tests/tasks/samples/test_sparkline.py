from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.samples.sparkline import BLOCKS, condensed, sparkline

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def test_the_smallest_and_the_largest_value_take_the_ends_of_the_scale() -> None:
    assert sparkline([0, 7, 3.5, 1], 10) == "▁█▅▂"
    assert sparkline([0, 7, 3, 1], 10, ascii_only=True) == "0731"


def test_equal_values_are_drawn_in_the_middle() -> None:
    assert sparkline([2, 2], 10, ascii_only=True) == "44"
    assert sparkline([], 10) == ""


def test_too_many_values_are_averaged_in_equal_shares() -> None:
    assert condensed([1, 3, 5, 7, 0, 2], 3) == [2, 6, 1]
    assert condensed([1, 2], 3) == [1, 2]


@given(NUMBERS, st.integers(1, 20))
def test_a_line_is_never_longer_than_asked_and_larger_values_never_lower(
    values: list[float], columns: int
) -> None:
    line = sparkline(values, columns)
    assert len(line) == min(columns, len(values))
    heights = [BLOCKS.index(character) for character in line]
    means = condensed(values, columns)
    for a, high in zip(means, heights, strict=True):
        for b, low in zip(means, heights, strict=True):
            assert a < b or high >= low


@pytest.mark.parametrize("encoding", [True, False])
def test_there_are_eight_levels(encoding: bool) -> None:
    assert len(set(sparkline(range(8), 8, ascii_only=encoding))) == 8
