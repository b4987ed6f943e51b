"""Which candidate is taken and what is told about it."""

from __future__ import annotations

import math

from tasks.tuning import best_lanes, choice, edges


def test_each_seed_takes_its_best_candidate_and_the_first_of_equal_ones():
    assert best_lanes([0.9, 0.2, 0.2, 0.4, 0.8, 0.5], 2) == [1, 3]
    assert best_lanes([math.nan, 0.1], 1) == [1]
    assert best_lanes([math.nan] * 4, 2) == [0, 2]


def test_the_choice_names_all_candidates_and_warns_at_the_edge():
    candidates = [{"beta": 1.0}, {"beta": 4.0}, {"beta": 16.0}]
    told, warnings = choice(candidates, [0.1, -math.inf, 0.8], 2, score="validation_f1")
    assert told == {
        "choice": {"beta": 16.0},
        "candidates": candidates,
        "validation_f1": [0.1, None, 0.8],
        "at_edge": ["beta"],
    }
    assert warnings == ["the choice beta = 16 lies at the edge of its grid"]


def test_only_numbers_with_neighbours_have_edges():
    grid = [{"k": 1, "norm": "unit", "on": True}, {"k": 1, "norm": "none", "on": False}]
    assert edges(grid, grid[0]) == []
    inner = [{"k": 1}, {"k": 2}, {"k": 3}]
    assert edges(inner, {"k": 2}) == []
