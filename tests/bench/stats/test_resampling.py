"""The stratified paired bootstrap: what is drawn together, what stays, and how well it covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats import profiles
from bench.stats.aggregate import iqm
from bench.stats.resampling import (
    Resample,
    Stratum,
    draw,
    mean_over_tasks,
    percentile_interval,
    pooled_counts,
    seed_means,
)
from tests.bench.stats.worked import generator

KINDS: tuple[Resample, ...] = ("seeds", "tasks", "both")


def samples(values: list[np.ndarray], strata: list[Stratum]) -> np.ndarray:
    return mean_over_tasks(strata, lambda t, counts: seed_means(values[t], counts))


def some_values(sizes: list[int], k: int = 3) -> list[np.ndarray]:
    rng = generator()
    return [rng.normal(t, 1.0, (k, n)) for t, n in enumerate(sizes)]


@pytest.mark.parametrize("resample", KINDS)
def test_one_seed_of_the_generator_gives_one_set_of_replicates(resample: Resample) -> None:
    values = some_values([5, 6, 7])
    one, two = (
        samples(values, draw([5, 6, 7], rng=generator(), resample=resample, replicates=50))
        for _ in range(2)
    )
    assert (one == two).all()
    other = draw([5, 6, 7], rng=np.random.default_rng(1), resample=resample, replicates=50)
    assert (samples(values, other) != one).any()


def test_all_memories_get_the_same_seeds() -> None:
    """A memory that is another one plus a constant is so in every replicate."""
    values = [np.stack([x, x + 0.5]) for x in generator().normal(size=(4, 8))]
    for resample in KINDS:
        found = samples(values, draw([8] * 4, rng=generator(), resample=resample, replicates=200))
        assert found[:, 1] - found[:, 0] == pytest.approx(np.full(200, 0.5), abs=1e-12)
        assert found[:, 0].std() > 0


def test_each_kind_draws_what_it_says() -> None:
    seeds = draw([5, 7], rng=generator(), resample="seeds", replicates=40)
    assert all((s.times == 1).all() for s in seeds)
    assert [s.counts.sum(axis=1).tolist() for s in seeds] == [[5.0] * 40, [7.0] * 40]
    tasks = draw([5, 7], rng=generator(), resample="tasks", replicates=40)
    assert (tasks[0].times + tasks[1].times == 2).all()
    assert {int(t) for t in tasks[0].times} == {0, 1, 2}
    assert all(s.counts is None for s in tasks)
    both = draw([5, 7], rng=generator(), resample="both", replicates=40)
    assert all(s.counts is not None and len(s.counts) == s.times.sum() for s in both)


def test_a_task_drawn_twice_has_its_seeds_drawn_twice() -> None:
    strata = draw([6], rng=generator(), resample="both", replicates=3)
    twice = Stratum(np.array([2, 1]), strata[0].counts)
    x = [generator().normal(size=(1, 6))]
    found = samples(x, [twice])[:, 0]
    each = seed_means(x[0], strata[0].counts)[:, 0]
    assert found == pytest.approx([each[0] + each[1], each[2]])


def test_the_standard_error_is_that_of_the_mean() -> None:
    """Var of a mean over 3 tasks of n = 6 seeds: mean over tasks of sd^2/n, over 3."""
    values = some_values([6, 6, 6], k=1)
    found = samples(values, draw([6] * 3, rng=generator(), replicates=20_000))[:, 0]
    expected = np.sqrt(sum(x.var() / 6 for x in values)) / 3
    # the sd of 20,000 replicates is known to half a percent; four of those
    assert found.std() == pytest.approx(expected, rel=0.02)
    assert found.mean() == pytest.approx(np.mean([x.mean() for x in values]), abs=0.01)


def test_drawing_tasks_varies_by_task_and_drawing_both_by_more() -> None:
    """Tasks alone: the variance of task means over N; both: that of seeds in addition."""
    values = some_values([6] * 8, k=1)
    means = np.array([x.mean() for x in values])
    spread = {
        kind: samples(
            values, draw([6] * 8, rng=generator(), resample=kind, replicates=20_000)
        ).var()
        for kind in KINDS
    }
    # relative error of a variance from 20,000 replicates: 1%
    assert spread["tasks"] == pytest.approx(means.var() / 8, rel=0.04)
    within = np.mean([x.var() / 6 for x in values]) / 8
    assert spread["both"] == pytest.approx(means.var() / 8 + within, rel=0.04)


@pytest.mark.parametrize("resample", KINDS)
def test_pooled_counts_are_those_of_the_replicates(resample: Resample) -> None:
    sizes = [4, 5]
    values = some_values(sizes, k=1)
    strata = draw(sizes, rng=generator(), resample=resample, replicates=30)
    counts = pooled_counts(strata, sizes)
    weights = np.concatenate([np.full(n, 1 / n) for n in sizes]) / 2
    pooled = np.concatenate([x[0] for x in values])
    assert counts @ (weights * pooled) == pytest.approx(samples(values, strata)[:, 0])
    written = np.repeat(pooled, counts[0])
    assert iqm(pooled, counts)[0] == pytest.approx(stats.trim_mean(written, 0.25))


def test_the_percentile_interval_spans_the_middle() -> None:
    found = percentile_interval(np.arange(1001.0))
    assert (found.lo, found.hi) == pytest.approx((25, 975), rel=1e-12)
    assert (found.level, found.method) == (0.95, "percentile")


def test_intervals_cover_about_as_often_as_percentile_intervals_do() -> None:
    """10 seeds on each of 4 tasks: 40 values in all, so about 93 to 94% of 95%."""
    rng, hits = generator(), 0
    for _ in range(400):
        values = [rng.normal(size=(1, 10)) for _ in range(4)]
        found = percentile_interval(samples(values, draw([10] * 4, rng=rng, replicates=400))[:, 0])
        hits += found.lo <= 0 <= found.hi
    # four standard errors of 400 trials at .93
    assert hits / 400 == pytest.approx(0.93, abs=0.051)


@pytest.mark.parametrize(("sizes", "replicates"), [([], 10), ([0, 3], 10), ([3], 0)])
def test_nothing_to_draw_from_is_refused(sizes: list[int], replicates: int) -> None:
    with pytest.raises(ValueError, match="at least one task, seed and replicate"):
        draw(sizes, rng=generator(), replicates=replicates)


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()
    for kind in KINDS:
        samples(some_values([5, 5]), draw([5, 5], rng=generator(), resample=kind, replicates=10))
    profiles.performance_profile(np.abs(some_values([5, 5])), rng=generator(), replicates=10)
    assert (np.random.get_state()[1] == before).all()
