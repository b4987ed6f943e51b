"""What each rule keeps and undoes, on any grid; and small examples with their results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.arc.compositional import compose, concat, reflect, rotate, shift, upscale
from tasks.arc.concept import barchart, count, majority, parity, permute, swap
from tasks.arc.families import FAMILIES, GROUP_OF, GROUPS, TOLD_BY_INPUTS
from tasks.arc.grids import objects
from tasks.arc.pattern import denoise, extend, fill, hollow
from tasks.arc.relational import border, connect, crop, gravity, keep, recolour_extremal
from tests.tasks.arc.plain import grids

DIRECTIONS = st.integers(0, 3)
COLOURS = st.integers(1, 9)
same = np.testing.assert_array_equal


def g(*rows: str) -> np.ndarray:
    return np.array([[int(cell) for cell in row.replace(".", "0")] for row in rows], dtype=np.int8)


@given(grids(), st.integers(1, 3))
def test_a_rotation_is_undone_by_the_rest_of_a_full_turn(x: np.ndarray, turns: int) -> None:
    same(rotate(rotate(x, turns), 4 - turns), x)


@given(grids(), st.integers(0, 3))
def test_a_reflection_undoes_itself(x: np.ndarray, axis: int) -> None:
    same(reflect(reflect(x, axis), axis), x)


@given(grids(), st.integers(-3, 3), st.integers(-3, 3))
def test_a_shift_is_undone_by_the_opposite_one(x: np.ndarray, down: int, right: int) -> None:
    same(shift(shift(x, down, right), -down, -right), x)
    same(compose(x, 0, down, right), shift(x[::-1], down, right))


@given(grids(), st.integers(1, 2), st.integers(1, 2))
def test_every_second_cell_of_an_upscaled_grid_is_the_grid(
    x: np.ndarray, tall: int, wide: int
) -> None:
    same(upscale(x, tall, wide)[::tall, ::wide], x)


@given(grids(), st.integers(0, 1), st.integers(0, 1))
def test_a_concatenation_holds_the_grid_and_its_image(
    x: np.ndarray, axis: int, mirror: int
) -> None:
    first, second = np.split(concat(x, axis, mirror), 2, axis=axis)
    same(first, x)
    same(second, np.flip(x, axis) if mirror else x)


@given(grids(colours=10), st.permutations(range(1, 10)))
def test_a_permutation_of_colours_is_undone_by_its_inverse(
    x: np.ndarray, colours: list[int]
) -> None:
    inverse = np.argsort([0, *colours])[1:].tolist()
    same(permute(permute(x, *colours), *inverse), x)
    same(permute(x, *colours) == 0, x == 0)


@given(grids(colours=10), COLOURS, COLOURS)
def test_two_colours_swapped_twice_are_where_they_were(x: np.ndarray, a: int, b: int) -> None:
    same(swap(swap(x, a, b), a, b), x)
    same(swap(x, a, b) == a, x == b)


def test_both_colours_that_are_swapped_are_in_the_input() -> None:
    """A texture has its colours by chance, so that some draws must be refused."""
    rng = np.random.default_rng(0)
    drawn = [FAMILIES[19].pair(rng, (4, 7)) for _ in range(300)]
    assert None in drawn
    for pair in drawn:
        assert pair is None or {4, 7} <= set(np.unique(pair[0]).tolist())


@given(grids(), st.integers(1, 2))
def test_denoising_and_hollowing_and_keeping_only_erase(x: np.ndarray, most: int) -> None:
    for made in (denoise(x, most), hollow(x), *(keep(x, which) for which in range(4))):
        if made is not None:
            same(made[made != 0], x[made != 0])


@given(grids(), COLOURS)
def test_filling_never_changes_what_is_coloured(x: np.ndarray, colour: int) -> None:
    made = fill(x, colour)
    same(made[x != 0], x[x != 0])
    edge = np.ones(x.shape, dtype=bool)
    edge[1:-1, 1:-1] = False
    same(made[edge], x[edge])


@given(grids(), COLOURS, COLOURS)
def test_recolouring_keeps_the_background(x: np.ndarray, c: int, d: int) -> None:
    for made in (parity(x, c, d), border(x, c), *(recolour_extremal(x, w, c) for w in range(4))):
        if made is not None:
            same(made == 0, x == 0)


@given(grids(), DIRECTIONS)
def test_gravity_keeps_the_number_of_cells_of_each_colour(x: np.ndarray, direction: int) -> None:
    made = gravity(x, direction)
    assume(made is not None)
    assert made is not None
    same(np.bincount(made.ravel(), minlength=4), np.bincount(x.ravel(), minlength=4))


@given(grids(), DIRECTIONS)
def test_gravity_moves_nothing_twice_where_objects_do_not_touch(
    x: np.ndarray, direction: int
) -> None:
    made = gravity(x, direction)
    assume(made is not None)
    assert made is not None
    # objects that come to touch others of their colour are one object from then on
    assume(len(objects(made)) == len(objects(x)))
    again = gravity(made, direction)
    assert again is not None
    same(again, made)


@given(grids(), DIRECTIONS)
def test_extending_and_connecting_paint_only_background(x: np.ndarray, direction: int) -> None:
    for made in (extend(x, direction), connect(x, 3)):
        same(made[x != 0], x[x != 0])


def test_denoising_erases_up_to_its_size_and_needs_a_single_cell() -> None:
    grid = g("1.22", "..22", "33..")
    same(denoise(grid, 1), g("..22", "..22", "33.."))
    same(denoise(grid, 2), g("..22", "..22", "...."))
    assert denoise(g("11.", "..."), 2) is None


def test_single_cells_extend_up_to_what_is_in_their_way() -> None:
    grid = g(".1..2", ".....", ".1..3")
    same(extend(grid, 1), g(".1..2", ".1..2", ".1..3"))
    same(extend(grid, 3), g(".1112", ".....", ".1113"))


def test_only_enclosed_background_is_filled() -> None:
    same(fill(g("111.", "1.1.", "111."), 5), g("111.", "151.", "111."))
    same(fill(g("111", "1.1", "1.1"), 5), g("111", "1.1", "1.1"))


def test_objects_lose_the_cells_whose_neighbours_are_all_theirs() -> None:
    same(hollow(g("1111", "1111", "1112")), g("1111", "1.11", "1112"))
    same(hollow(g("111", "111")), g("111", "111"))


def test_objects_fall_rigidly_onto_those_that_fell_before_them() -> None:
    grid = g("22...", "2....", "..33.", ".....", "4....")
    same(gravity(grid, 1), g(".....", ".....", "22...", "2....", "4.33."))
    same(gravity(grid, 3), g("...22", "...2.", "...33", ".....", "....4"))


def test_gravity_makes_nothing_where_a_ring_would_fall_on_the_cell_within() -> None:
    grid = g("11111", "1...1", "1.2.1", "1...1", "11111", ".....", ".....")
    assert gravity(grid, 1) is None


@pytest.mark.parametrize(
    ("which", "colour"), [(0, 1), (1, 2), (2, 2), (3, 1)], ids=["large", "small", "top", "left"]
)
def test_the_extremal_object_is_kept_recoloured_or_cut_out(which: int, colour: int) -> None:
    grid = g("...22", "11...", "11..5")
    only = np.where(grid == colour, grid, 0)
    same(keep(grid, which), only)
    same(recolour_extremal(grid, which, 9), np.where(grid == colour, 9, grid))
    same(crop(grid, which), g("11", "11") if colour == 1 else g("22"))


def test_no_object_is_extremal_without_a_rival_or_with_an_equal() -> None:
    assert keep(g("11.", "..2"), 0) is None
    assert keep(g("11.", ".22"), 0) is None
    same(keep(g("11.", ".22"), 2), g("11.", "..."))


def test_objects_at_the_edge_are_recoloured() -> None:
    same(border(g("1...", "..2.", "...."), 7), g("7...", "..2.", "...."))


def test_single_cells_in_line_are_joined_across_background_alone() -> None:
    same(connect(g("1..1.1", "......", "2....."), 3), g("133131", "......", "2....."))
    same(connect(g("1.2.1", ".....", "1...."), 3), g("1.2.1", "3....", "1...."))
    same(connect(g("11..1"), 3), g("11..1"))
    same(connect(g("1..11..1"), 3), g("1..11..1"))


def test_objects_of_two_cells_or_more_are_counted() -> None:
    grid = g("11.2", "...2", "3.44")
    same(count(grid, 0, 6), g("666"))
    same(count(grid, 1, 6), g("6", "6", "6"))
    assert count(g("1.", ".1"), 0, 6) is None


def test_the_majority_is_the_one_most_frequent_colour() -> None:
    same(majority(g("1122", "..2."), 2), g("22", "22"))
    assert majority(g("12"), 1) is None
    assert majority(g(".."), 1) is None


def test_parity_tells_even_from_odd_objects() -> None:
    same(parity(g("11.", "..1"), 4, 5), g("44.", "..5"))


def test_bars_stand_on_a_common_ground_and_equal_ones_follow_their_colours() -> None:
    grid = g("3331", "3.22", "....")
    same(barchart(grid, 0), g("3..", "3..", "32.", "321"))
    same(barchart(grid, 1), g("3333", "..22", "...1"))
    same(barchart(np.full((5, 5), 8, dtype=np.int8), 0), np.full((10, 1), 8))
    same(barchart(g("665544332211"), 0), g("12345", "12345"))
    assert barchart(g("..."), 0) is None


def test_there_are_six_families_to_each_of_four_groups() -> None:
    assert len(FAMILIES) == len({family.name for family in FAMILIES}) == 24
    assert [FAMILIES[6 * group].group for group in range(4)] == list(GROUPS)
    assert tuple(index // 6 for index in range(24)) == GROUP_OF
    assert {FAMILIES[6].name, FAMILIES[7].name} == set(TOLD_BY_INPUTS)
