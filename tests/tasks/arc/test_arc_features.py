from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arc.episodes import episode
from tasks.arc.features import BLOCKS, OF_INPUT, WIDTHS, block, features
from tasks.arc.grids import Pair
from tests.tasks.arc import plain
from tests.tasks.arc.plain import grids, pairs

# float32 holds seven digits; entries are below 6
TOLERANCE = 1e-6
FEWER = 40
"""Examples: each is a whole grid, or several."""


@settings(max_examples=FEWER)
@given(pairs())
def test_features_are_what_counting_cell_by_cell_gives(pair: Pair) -> None:
    np.testing.assert_allclose(features([pair])[0], plain.features(*pair), atol=TOLERANCE)


def test_the_features_of_real_episodes_are_what_counting_cell_by_cell_gives() -> None:
    for family in range(24):
        pair = episode(1, "train", family, 0, demos=1).pairs[0]
        np.testing.assert_allclose(features([pair])[0], plain.features(*pair), atol=TOLERANCE)


@settings(max_examples=FEWER)
@given(st.lists(pairs(), min_size=1, max_size=5))
def test_a_pair_has_the_same_bits_alone_and_among_others(some: list[Pair]) -> None:
    together = features(some)
    for row, pair in zip(together, some, strict=True):
        np.testing.assert_array_equal(row, features([pair])[0])


@settings(max_examples=FEWER)
@given(grids())
def test_a_pair_of_equal_grids_differs_in_nothing(grid: np.ndarray) -> None:
    row = features([(grid, grid)])[0]
    assert row[block("shape")].tolist()[:3] == [0, 0, 1]
    assert row[block("colour")][4:6].tolist() == [0, 0]
    for name in ("difference", "dcolour", "dcentroid"):
        assert not row[block(name)].any()


@settings(max_examples=FEWER)
@given(grids())
def test_a_quarter_turn_is_recognised(grid: np.ndarray) -> None:
    row = features([(grid, np.rot90(grid))])[0]
    assert row[block("align")][0] == 1
    tall, broad = row[block("shape")][:2]
    assert tall == -broad
    assert row[block("shape")][3] == 1
    assert row[block("colour")][4] == 0


@settings(max_examples=FEWER)
@given(pairs(colours=10), st.permutations(range(1, 10)))
def test_basic_features_do_not_tell_colours_apart(pair: Pair, colours: list[int]) -> None:
    relabelled = np.array([0, *colours], dtype=np.int8)
    one, other = features([pair, (relabelled[pair[0]], relabelled[pair[1]])])
    np.testing.assert_allclose(other[: WIDTHS["basic"]], one[: WIDTHS["basic"]], atol=TOLERANCE)
    change = block("dcolour")
    np.testing.assert_array_equal(other[change][relabelled], one[change])


@settings(max_examples=FEWER)
@given(pairs(), grids())
def test_features_of_the_input_do_not_depend_on_the_output(pair: Pair, other: np.ndarray) -> None:
    one, two = features([pair, (pair[0], other)])
    np.testing.assert_array_equal(one[list(OF_INPUT)], two[list(OF_INPUT)])


def test_there_are_41_basic_and_60_features_of_which_11_are_of_the_input() -> None:
    assert WIDTHS == {"basic": 41, "full": 60}
    assert sum(BLOCKS.values()) == 60
    assert block("align") == slice(53, 60)
    assert OF_INPUT == (6, 12, 14, 16, 17, 18, 19, 24, 25, 26, 27)
    assert features([]).shape == (0, 60)


def test_a_pair_worked_out_by_hand() -> None:
    """X = [[1, 0], [0, 2]], Y = [[1, 1]]; p = (2, 1, 1)/4, q = (0, 2)/2."""
    row = features([(np.array([[1, 0], [0, 2]], np.int8), np.array([[1, 1]], np.int8))])[0]
    assert row[block("shape")].tolist() == [-1, 0, 0, 0, -0.5, 1]
    # TV = (1/2 + 3/4 + 1/4) / 2; sorted (1, 1, 2)/4 against (0, 0, 4)/4: 1/2
    entropy = 1.5 * np.log(2) / np.log(10)
    expected = [0.3, 0.1, 0, 0.4, 0.75, 0.5, 0.5, 0, entropy, 0]
    assert row[block("colour")].tolist() == pytest.approx(expected, abs=TOLERANCE)
    assert row[block("symmetry")].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 0]
    sizes = [np.log(3) / 3, np.log(2) / 3, 0.25, 1, np.log(2) / 3, np.log(3) / 3, 1, 0]
    assert row[block("objects")].tolist() == pytest.approx([*sizes, np.tanh(-1 / 3)], abs=TOLERANCE)
    assert not row[block("difference")].any()
    assert row[block("dcolour")].tolist() == [-0.5, 0.75, -0.25, *[0] * 7]
    # rows: the one row of Y has centre 0, X has 1/2
    assert row[block("dcentroid")].tolist() == [-0.5, 0]
    assert not row[block("align")].any()
