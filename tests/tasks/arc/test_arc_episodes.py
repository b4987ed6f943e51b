from __future__ import annotations

import itertools
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from numpy.random import Generator

from tasks.arc.episodes import SPLITS, ArcEpisode, episode, episodes
from tasks.arc.families import FAMILIES
from tasks.arc.family import Family, Parameters, primitive_id
from tasks.arc.grids import Pair
from tasks.arc.pattern import denoise
from tests.cli.conftest import environment
from tests.conftest import ROOT
from tests.tasks.arc.checksums import checksum, first_of_each_family

PINNED = "5d85e77cf44483528e87d741440836bb49d636b227c07ff0c9fd79069e8973ac"
"""Of the first test episode of each family, as generated with NumPy 2."""


@pytest.fixture(scope="module")
def drawn() -> list[ArcEpisode]:
    return first_of_each_family()


def test_episodes_are_what_they_have_been_since_they_were_first_scored(
    drawn: list[ArcEpisode],
) -> None:
    assert checksum(drawn) == PINNED


def test_another_process_draws_the_same_episodes(drawn: list[ArcEpisode]) -> None:
    said = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "tasks" / "arc" / "checksums.py")],
        cwd=ROOT, env=environment(PYTHONHASHSEED="7"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == checksum(drawn)


def test_every_episode_has_pairs_that_change_and_fit(drawn: list[ArcEpisode]) -> None:
    for one in drawn:
        assert len(one.pairs) == 6
        for given, made in one.pairs:
            assert not np.array_equal(given, made)
            assert max(*given.shape, *made.shape) <= 30
            assert min(given.min(), made.min()) >= 0
            assert max(given.max(), made.max()) <= 9


def test_an_episode_does_not_depend_on_which_others_are_drawn() -> None:
    among = list(episodes(3, "train", 2, families=FAMILIES[:3]))
    assert [(one.family, one.number) for one in among] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip
    assert checksum([among[3]]) == checksum([episode(3, "train", 1, 1)])


def test_seeds_splits_families_and_numbers_all_have_streams_of_their_own() -> None:
    paths = [(0, split, 0, 0) for split in SPLITS]
    paths += [(1, "train", 0, 0), (0, "train", 0, 1), (0, "train", 1, 0), (0, "train", 0, 2)]
    first = {path: episode(*path, demos=1).pairs[0][0] for path in paths}
    for one, other in combinations(paths, 2):
        assert not np.array_equal(first[one], first[other]), (one, other)


def test_a_family_added_at_the_end_leaves_the_others_as_they_are() -> None:
    more = (*FAMILIES, FAMILIES[0])
    for family in (0, 13, 23):
        before = episode(5, "validation", family, 4)
        assert checksum([episode(5, "validation", family, 4, families=more)]) == checksum([before])
    added = episode(5, "validation", 24, 4, families=more)
    assert checksum([added]) != checksum([episode(5, "validation", 0, 4)])


def test_fewer_demonstrations_are_a_prefix() -> None:
    for family in (0, 8, 20):
        three, one = episode(2, "test", family, 0), episode(2, "test", family, 0, demos=1)
        assert checksum([one]) == checksum(
            [ArcEpisode(family, 0, "test", three.parameters, three.pairs[:2])]
        )


def test_parameters_that_give_no_pair_are_drawn_anew() -> None:
    tried: list[int] = []
    turns = itertools.count()

    def draw(rng: Generator) -> Parameters:
        return (next(turns),)

    def pair(rng: Generator, parameters: Parameters) -> Pair | None:
        tried.append(parameters[0])
        grid = np.array([[1, 0], [0, 0]], dtype=np.int8)
        return (grid, grid + 1) if parameters[0] else (grid, grid)

    odd = Family("odd", "test", "", ("n",), draw, pair)
    assert episode(0, "test", 0, 0, demos=1, families=(odd,)).parameters == (1,)
    assert tried == [0] * 400 + [1, 1]


def test_pairs_beyond_thirty_cells_a_side_are_rejected() -> None:
    sides = iter([31, 30, 31, 30])

    def pair(rng: Generator, parameters: Parameters) -> Pair | None:
        return np.zeros((1, 1), dtype=np.int8), np.ones((1, next(sides)), dtype=np.int8)

    long = Family("long", "test", "", (), lambda rng: (), pair)
    made = episode(0, "test", 0, 0, demos=1, families=(long,)).pairs
    assert [output.shape for _, output in made] == [(1, 30), (1, 30)]


def test_parameters_are_those_of_the_rule_that_the_pairs_follow() -> None:
    one = episode(0, "test", 8, 0)
    for given, made in one.pairs:
        np.testing.assert_array_equal(denoise(given, *one.parameters), made)


def test_primitives_are_equal_where_family_and_parameters_are() -> None:
    rng = np.random.default_rng(0)
    rules = {(f, rule.draw(rng)) for f, rule in enumerate(FAMILIES) for _ in range(40)}
    assert len({primitive_id(family, parameters) for family, parameters in rules}) == len(rules)
    assert max(primitive_id(family, parameters) for family, parameters in rules) < 2**63
    for family, parameters in rules:
        assert len(FAMILIES[family].describe(parameters)) == len(parameters)


def test_a_swap_of_colours_is_one_rule_in_either_order() -> None:
    swap = FAMILIES[19]
    assert all(a < b for a, b in (swap.draw(np.random.default_rng(s)) for s in range(50)))


@pytest.mark.parametrize("parameters", [(13,), (-4,), (0,) * 10])
def test_parameters_that_have_no_digit_are_refused(parameters: Parameters) -> None:
    with pytest.raises(ValueError, match="no rule can have the parameters"):
        primitive_id(0, parameters)
