"""What scenes promise, over many draws of a fixed stream."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.arc import pattern, scenes
from tasks.arc.families import FAMILIES
from tasks.arc.grids import objects, regions
from tasks.arc.scenes import (
    mask,
    masked,
    mixed_scene,
    object_scene,
    palette,
    periodic_texture,
    shape,
    symmetric_texture,
)

DRAWS = 200


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_shapes_are_connected_fill_their_box_and_have_two_to_sixteen_cells(
    rng: np.random.Generator,
) -> None:
    for _ in range(DRAWS):
        cells = shape(rng)
        assert regions(cells)[1] == 1
        assert 2 <= cells.sum() <= 16
        assert max(cells.shape) <= 5


def test_palettes_hold_what_they_must_and_never_repeat(rng: np.random.Generator) -> None:
    for _ in range(DRAWS):
        drawn = palette(rng, 2, 5, (7, 3))
        assert drawn[:2] == [7, 3]
        assert 2 <= len(drawn) == len(set(drawn)) <= 5
        assert set(drawn) <= set(range(1, 10))


def test_the_parts_of_a_scene_of_objects_never_touch(rng: np.random.Generator) -> None:
    numbers, singles = set(), set()
    for _ in range(DRAWS):
        grid = object_scene(rng)
        found = objects(grid)
        # 4-connected parts of any colour are exactly the objects: no two of them touch
        assert regions(grid != 0)[1] == len(found)
        assert all(9 <= side <= 15 for side in grid.shape)
        alone = [part.colour for part in found if part.size == 1]
        assert len(set(alone)) <= 1, "single cells have one colour"
        numbers.add(len(found) - len(alone))
        singles.add(len(alone))
    assert numbers == {3, 4, 5, 6}
    assert singles == {0, 1, 2, 3, 4, 5, 6}


def test_a_scene_shows_every_colour_it_was_given(rng: np.random.Generator) -> None:
    for _ in range(DRAWS):
        assert {4, 6} <= set(np.unique(object_scene(rng, (4, 6))).tolist())


def test_periodic_textures_repeat_the_cell_that_they_say(rng: np.random.Generator) -> None:
    for _ in range(DRAWS):
        grid, of_tile = periodic_texture(rng)
        for cell in np.unique(of_tile):
            assert len(np.unique(grid[of_tile == cell])) == 1
        assert 4 <= of_tile.max() + 1 <= 16
        assert (grid > 0).all()


def test_symmetric_textures_equal_their_mirror_image(rng: np.random.Generator) -> None:
    seen = set()
    for _ in range(DRAWS):
        grid, axis = symmetric_texture(rng)
        np.testing.assert_array_equal(grid, np.flip(grid, 1 if axis == "vertical" else 0))
        seen.add(axis)
    assert seen == {"vertical", "horizontal"}


def test_a_mask_is_a_rectangle_of_two_to_four_cells_a_side(rng: np.random.Generator) -> None:
    for _ in range(DRAWS):
        grid = np.ones((9, 12), dtype=np.int8)
        hidden = masked(grid, mask(rng, grid)) == 0
        rows, columns = np.nonzero(hidden)
        sides = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert all(2 <= side <= 4 for side in sides)
        assert hidden.sum() == sides[0] * sides[1]


def test_mixed_scenes_are_of_objects_seven_times_in_ten(rng: np.random.Generator) -> None:
    # background covers at least a quarter of a scene of objects, and at most 16 cells of 81 (a
    # fifth) of a texture; 600 draws have a standard deviation of .019
    share = np.mean([(mixed_scene(rng) == 0).mean() > 0.22 for _ in range(600)])
    assert share == pytest.approx(0.70, abs=0.06)


def test_mixed_scenes_are_of_each_kind_as_often_as_intended(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects .70, both textures .15 each, masks in .8 of the textures."""

    def plain(colour: int) -> np.ndarray:
        return np.full((9, 9), colour, dtype=np.int8)

    monkeypatch.setattr(scenes, "object_scene", lambda *_: plain(1))
    monkeypatch.setattr(scenes, "periodic_texture", lambda *_: (plain(2), None))
    monkeypatch.setattr(scenes, "symmetric_texture", lambda *_: (plain(3), "vertical"))
    drawn = [mixed_scene(rng) for _ in range(4000)]
    shares = np.bincount([grid.max() for grid in drawn], minlength=4)[1:] / len(drawn)
    # standard deviations are below .008, and .012 for the 1,200 textures
    assert shares.tolist() == pytest.approx([0.70, 0.15, 0.15], abs=0.025)
    textures = [grid for grid in drawn if grid.max() > 1]
    assert np.mean([(grid == 0).any() for grid in textures]) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("family", [6, 7])
def test_nothing_is_completed_that_is_not_shown_elsewhere(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, family: int
) -> None:
    monkeypatch.setattr(pattern, "mask", lambda _, grid: np.ones(grid.shape, dtype=bool))
    assert FAMILIES[family].pair(rng, ()) is None
