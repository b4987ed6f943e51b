"""Facts about ARC-AGI-1 (Chollet 2019), and how far its tasks can be told apart by their codes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tasks.arc.codes import encode
from tasks.arc.features import features
from tasks.arc.real import ArcPool, ArcTask, RealFeatures, StoreAs, digest, load, real_features

FACTS = {
    "training": (1302, 416, {2: 56, 3: 237, 4: 78, 5: 18, 6: 5, 7: 3, 8: 2, 10: 1}, 262),
    "evaluation": (1363, 419, {2: 45, 3: 218, 4: 88, 5: 31, 6: 14, 7: 4}, 270),
}


@pytest.fixture(scope="module")
def measured() -> dict[ArcPool, RealFeatures]:
    return {pool: real_features(pool) for pool in ("training", "evaluation")}


@pytest.mark.parametrize("pool", ["training", "evaluation"])
def test_the_corpus_is_the_one_of_four_hundred_and_four_hundred_tasks(pool: ArcPool) -> None:
    tasks = load(pool)
    demos, tests, histogram, same_size = FACTS[pool]
    assert len(tasks) == 400
    assert sum(len(task.pairs) for task in tasks) == demos
    assert sum(len(task.tests) for task in tasks) == tests
    assert Counter(len(task.pairs) for task in tasks) == histogram
    assert sum(all(x.shape == y.shape for x, y in task.pairs) for task in tasks) == same_size
    grids = [g for task in tasks for pair in (*task.pairs, *task.tests) for g in pair]
    assert max(max(grid.shape) for grid in grids) == 30
    assert {int(c) for grid in grids for c in np.unique(grid)} == set(range(10))


def test_tasks_stand_in_order_of_their_names() -> None:
    names = [task.name for task in load("training")]
    assert names[0] == "007bbfb7"
    assert names == sorted(names)


def test_the_union_holds_both_pools_and_no_task_twice() -> None:
    assert load("union") == load("training") + load("evaluation")
    assert len({task.name for task in load("union")}) == 800


def test_the_data_are_those_that_the_ranges_were_measured_on() -> None:
    assert digest("training")[:16] == "56b8cf862a1adc1b"
    assert digest("evaluation")[:16] == "0df06b837fd2dff8"


def test_a_task_is_stored_without_the_pair_it_is_asked_with() -> None:
    pairs = [(np.full((2, 2), c, np.int8), np.full((c, 2), c, np.int8)) for c in range(1, 6)]
    tasks = (
        ArcTask("a", tuple(pairs[:2]), (pairs[4],)),
        ArcTask("b", tuple(pairs[:3]), (pairs[3],)),
    )
    told = RealFeatures(
        features([pair for task in tasks for pair in task.pairs]),
        np.array([0, 0, 1, 1, 1]),
        features([task.tests[0] for task in tasks]),
    )
    row = features(pairs).astype(float)
    each, owner = told.stored("last", "each")
    np.testing.assert_array_equal(each, row[[0, 0, 1]])
    assert owner.tolist() == [0, 1, 1]
    mean, owner = told.stored("last", "mean")
    np.testing.assert_array_equal(mean, [row[0], row[:2].mean(0)])
    assert owner.tolist() == [0, 1]
    np.testing.assert_array_equal(told.queries("last"), row[[1, 2]])
    mean, _ = told.stored("test", "mean")
    np.testing.assert_allclose(mean, [row[:2].mean(0), row[:3].mean(0)], atol=1e-12)
    assert told.stored("test", "each")[1].tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(told.queries("test"), row[[4, 3]])


def hit_rates(told: RealFeatures, store: StoreAs, noise: float = 0.0) -> tuple[float, float]:
    """Shares of tasks found first and among the first five, equals counted against."""
    rng = np.random.default_rng(0)
    stored, owner = told.stored("last", store)
    likeness = (
        encode(told.queries("last"), noise=noise, rng=rng) @ encode(stored, noise=noise, rng=rng).T
    )
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    best = np.maximum.reduceat(likeness, starts, axis=1)
    rank = (best >= best.diagonal()[:, None] - 1e-9).sum(1)
    return float((rank <= 1).mean()), float((rank <= 5).mean())


@pytest.mark.parametrize("pool", ["training", "evaluation"])
def test_most_tasks_are_found_by_another_of_their_pairs(
    measured: dict[ArcPool, RealFeatures], pool: ArcPool
) -> None:
    first, among_five = hit_rates(measured[pool], "mean")
    assert 0.60 <= first <= 0.85
    assert 0.80 <= among_five <= 0.96
    noisy, _ = hit_rates(measured[pool], "mean", noise=0.2)
    assert 0.50 <= noisy <= 0.75
    assert noisy < first


def test_the_nearest_neighbour_in_the_training_pool_is_as_often_right_as_when_first_measured(
    measured: dict[ArcPool, RealFeatures],
) -> None:
    # a share of 400 tasks; a single one of them may tip on another machine's rounding
    assert hit_rates(measured["training"], "mean") == pytest.approx((0.745, 0.9175), abs=0.003)
    assert hit_rates(measured["evaluation"], "mean") == pytest.approx((0.6975, 0.8375), abs=0.003)


def test_a_task_is_harder_to_find_among_both_pools(
    measured: dict[ArcPool, RealFeatures],
) -> None:
    one, other = measured["training"], measured["evaluation"]
    both = RealFeatures(
        np.concatenate([one.demos, other.demos]),
        np.concatenate([one.owner, other.owner + 400]),
        np.concatenate([one.tests, other.tests]),
    )
    assert hit_rates(both, "mean")[0] < min(hit_rates(told, "mean")[0] for told in (one, other))
