"""Performance profiles by hand, and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.profiles import cost_ratios, performance_profile
from tests.bench.stats.worked import generator

INF = math.inf


def test_two_tasks_by_hand() -> None:
    """Best mean costs are 2 and 1. Of the first memory's runs 2, 2, 1, 3 over these, one is 1.5
    times the first best and one 3 times the second; the other memory takes 4, 8 and 1, 1.
    """
    costs = [[[2.0, 2.0], [4.0, 8.0]], [[1.0, 3.0], [1.0, 1.0]]]
    assert [cost_ratios(task).tolist() for task in costs] == [
        [[1, 1], [2, 4]],
        [[1, 3], [1, 1]],
    ]
    found = performance_profile(costs, rng=generator(), taus=[1, 2, 3, 4])
    assert found.fraction.tolist() == [[0.75, 0.75, 1, 1], [0.5, 0.75, 0.75, 1]]
    assert found.lo is None  # two seeds are too few for a band
    assert found.hi is None


def test_failures_are_within_no_factor() -> None:
    found = performance_profile([[[1.0, INF], [2.0, 2.0]]], rng=generator(), taus=[1, 2, 100])
    # the best is the least mean of a memory without failures: 2
    assert found.fraction.tolist() == [[0.5, 0.5, 0.5], [1, 1, 1]]


def test_zero_over_zero_is_one_and_anything_else_over_zero_is_never_reached() -> None:
    assert cost_ratios([[0.0, 0.0], [0.0, 3.0]]).tolist() == [[1, 1], [1, INF]]


def test_profiles_rise_within_their_bands_and_do_not_depend_on_units() -> None:
    costs = [generator().lognormal(sigma=0.5, size=(3, 6)) for _ in range(4)]
    found = performance_profile(costs, rng=generator())
    assert found.lo is not None
    assert found.hi is not None
    assert (np.diff(found.fraction, axis=1) >= 0).all()
    assert (found.lo <= found.fraction).all()
    assert (found.fraction <= found.hi).all()
    assert (found.hi - found.lo).max() > 0
    rescaled = [task * 4.0**t for t, task in enumerate(costs)]
    again = performance_profile(rescaled, rng=generator())
    assert (again.fraction == found.fraction).all()
    assert (again.lo == found.lo).all()


def test_tasks_weigh_the_same_whatever_their_seeds() -> None:
    found = performance_profile(
        [np.ones((2, 6)), [[1.0] * 5, [9.0] * 5]], rng=generator(), taus=[1]
    )
    assert found.fraction.tolist() == [[1], [0.5]]


@pytest.mark.parametrize("costs", [[[-1.0]], [[math.nan]], [1.0]])
def test_what_is_no_table_of_costs_is_refused(costs: object) -> None:
    with pytest.raises(ValueError, match="not negative"):
        cost_ratios(costs)


def test_a_task_on_which_every_memory_failed_is_refused() -> None:
    with pytest.raises(ValueError, match="every memory failed"):
        cost_ratios([[INF, 1.0]])
