"""Events: their law, what excludes what, and that they depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.base import InvalidParameter
from tasks.episodic import events as module
from tasks.episodic.events import N_DETAILS, EventSampler
from tasks.episodic.templates import CONTENT, ENTITY, PLACE, TIME
from tests.tasks.episodic.books import rng


def repeated(codes, *attributes):
    """How many events share these attributes with an earlier one."""
    return len(codes) - len({tuple(row) for row in codes[:, attributes]})


def test_two_values_agree_with_probability_p_over_2_minus_p():
    """Sum of squares of p (1-p)^i: p^2 / (1 - (1-p)^2) = p / (2-p) = .0526 at p = .1.

    Cutting at 100 values changes it by (1-p)^100 = 3e-5 relative.
    """
    share = EventSampler().popularity()
    assert share.sum() == pytest.approx(1, abs=1e-12)
    assert (share**2).sum() == pytest.approx(0.1 / 1.9, rel=1e-4)
    assert share[1:] / share[:-1] == pytest.approx(0.9, abs=1e-12)
    assert np.unique(EventSampler(distribution="uniform").popularity()) == pytest.approx([0.01])


def test_contents_follow_the_law():
    """Contents exclude nothing: 2,000 of them have the popular value in .1 +- 3 * .0067."""
    sampler = EventSampler(universe=400, p=0.1, distribution="uniform")
    contents = sampler.draw(rng(1), 4000).codes[:, CONTENT]
    counts = np.bincount(contents, minlength=400)
    assert counts.mean() == 10
    # 400 Poisson counts of mean 10: their variance is 10 +- 3 * .73
    assert counts.var() == pytest.approx(10, abs=2.2)
    geometric = EventSampler().draw(rng(1), 200).codes[:, CONTENT]
    assert (geometric == 0).mean() == pytest.approx(0.1, abs=3 * (0.1 * 0.9 / 200) ** 0.5)


@pytest.mark.parametrize("distribution", ["geometric", "uniform"])
@pytest.mark.parametrize("n", [20, 200, 1000])
def test_an_entity_is_at_one_place_at_a_time_and_a_place_sees_one_event_at_a_time(distribution, n):
    events = EventSampler(distribution=distribution).draw(rng(n), n)
    assert events.codes.shape == (n, 4)
    assert repeated(events.codes, TIME, ENTITY) == 0
    assert repeated(events.codes, TIME, PLACE) == 0
    assert events.codes.min() >= 0
    assert events.codes.max() < 100
    assert events.details.shape == (n,)
    assert 0 <= events.details.min() <= events.details.max() < N_DETAILS


def test_other_coincidences_occur():
    codes = EventSampler().draw(rng(3), 200).codes
    for pair in ((TIME, CONTENT), (PLACE, ENTITY), (PLACE, CONTENT), (ENTITY, CONTENT)):
        assert repeated(codes, *pair) > 0


def naive(draws, n):
    """The first n events that two passes over all draws keep, first by entity, then by place."""
    by_entity, seen = [], set()
    for t, s, e, c in draws:
        if (t, e) not in seen:
            seen.add((t, e))
            by_entity.append((t, s, e, c))
    kept, seen = [], set()
    for t, s, e, c in by_entity:
        if (t, s) not in seen:
            seen.add((t, s))
            kept.append((t, s, e, c))
    return kept[:n]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), block=st.integers(1, 300))
def test_events_are_what_two_passes_over_all_draws_leave_whatever_the_block(seed, n, block):
    """The draws are made anew from the same stream: four uniform numbers each, by inversion."""
    sampler = EventSampler(universe=12, p=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FIRST_BLOCK", block)
        patch.setattr(module, "LARGEST_BLOCK", 4 * block)
        events = sampler.draw(rng(seed), n)
    again = rng(seed)
    chronology = again.permutation(12)
    assert np.array_equal(events.details, again.integers(N_DETAILS, size=n))
    edges = np.cumsum(sampler.popularity())[:-1]
    draws = np.searchsorted(edges, again.random((20_000, 4)), side="right")
    expected = [(chronology[t], s, e, c) for t, s, e, c in naive(draws.tolist(), n)]
    assert [tuple(row) for row in events.codes] == expected


def test_popular_times_are_not_the_early_ones():
    """Popularity falls on random ranks: their mean is 49.5, not the 9 of the most popular ones.

    In one universe it varies by sqrt(833 * sum P^2) = 6.6 at most, over 200 of them by .47.
    """
    ranks = [EventSampler().draw(rng(seed), 100).codes[:, TIME].mean() for seed in range(200)]
    assert np.mean(ranks) == pytest.approx(49.5, abs=1.5)


def test_presentation_is_chronological_where_asked_and_the_events_are_the_same():
    drawn = EventSampler().draw(rng(5), 50)
    ordered = EventSampler(order="chronological").draw(rng(5), 50)
    assert (np.diff(ordered.codes[:, TIME]) >= 0).all()
    assert (np.diff(drawn.codes[:, TIME]) < 0).any()
    assert sorted(map(tuple, ordered.codes)) == sorted(map(tuple, drawn.codes))


def test_a_seed_gives_the_same_events_and_another_seed_others():
    first, again, other = (EventSampler().draw(rng(seed), 40) for seed in (1, 1, 2))
    assert np.array_equal(first.codes, again.codes)
    assert np.array_equal(first.details, again.details)
    assert not np.array_equal(first.codes, other.codes)


def test_two_thousand_events_fit_into_the_default_universe():
    sampler = EventSampler()
    sampler.require(2000)
    codes = sampler.draw(rng(0), 2000).codes
    assert len(codes) == 2000
    assert repeated(codes, TIME, PLACE) == 0


def test_a_universe_that_holds_too_few_events_is_refused():
    """Of 10 x 10 (time, place) pairs at most 100 events: in expectation fewer."""
    with pytest.raises(InvalidParameter, match="events: a uniform universe of 10 values"):
        EventSampler(10, "uniform").require(101)
    with pytest.raises(InvalidParameter, match=r"gives about \d distinct events, got 5"):
        EventSampler(2, "uniform").draw(rng(0), 5)
