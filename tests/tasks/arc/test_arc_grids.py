from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.arc.grids import object_labels, objects
from tests.tasks.arc.plain import grids, object_cells


@given(grids())
def test_objects_are_those_of_a_flood_fill_in_the_same_order(grid: np.ndarray) -> None:
    found = [list(zip(o.rows.tolist(), o.columns.tolist(), strict=True)) for o in objects(grid)]
    assert found == object_cells(grid)
    for part in objects(grid):
        assert set(grid[part.rows, part.columns].tolist()) == {part.colour}


@given(st.data())
def test_grids_labelled_together_have_the_objects_of_each_alone(data: st.DataObject) -> None:
    stack = np.stack([data.draw(grids(sides=(4, 5))) for _ in range(3)])
    labels, count = object_labels(stack)
    alone = [object_labels(grid[None]) for grid in stack]
    assert count == sum(number for _, number in alone)
    before = 0
    for together, (own, number) in zip(labels, alone, strict=True):
        np.testing.assert_array_equal(together, np.where(own[0] > 0, own[0] + before, 0))
        before += number


def test_touching_colours_and_diagonal_neighbours_are_different_objects() -> None:
    grid = np.array([[1, 2, 0], [1, 0, 2], [0, 1, 2]], dtype=np.int8)
    assert [(o.colour, o.size) for o in objects(grid)] == [(1, 2), (2, 1), (2, 2), (1, 1)]


def test_the_box_of_an_object_holds_all_of_its_cells() -> None:
    ell = objects(np.array([[0, 0, 0], [3, 0, 0], [3, 3, 0]], dtype=np.int8))[0]
    assert ell.box == (slice(1, 3), slice(0, 2))
