"""The reservoir is an equal sample of what was seen, and so is what is drawn from it."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy import stats

from memories.forecasters.online.reservoir import Reservoir
from tests.reference import reservoir as reference


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(capacity: int = 5, draws: int = 3, steps: int = 40, seed: int = 0, **options: bool):
    options = {"replace": True} | options
    return Reservoir(capacity, draws, steps, generator=generator(seed), **options)


def contents(reservoir: Reservoir) -> set[int]:
    """The items held after all steps, by what each wrote."""
    slots = dict(zip(reservoir.slots[:, 0].tolist(), range(len(reservoir.slots)), strict=True))
    slots.pop(len(reservoir.positions), None)
    return set(slots.values())


def test_after_n_items_each_is_held_with_probability_m_over_n():
    """Chi-square over 2,000 seeds, M = 10, n = 50.

    A run holds exactly M of n, so counts of items have variance p (1-p) n/(n-1) per run about
    their mean and the sum of squares over it has n-1 degrees of freedom. The bound is passed by
    chance once in a thousand choices of seeds.
    """
    runs, capacity, n = 2000, 10, 50
    counts = torch.zeros(n)
    for seed in range(runs):
        held = contents(made(capacity, 1, n, seed))
        assert len(held) == capacity
        counts[list(held)] += 1
    p = capacity / n
    variance = runs * p * (1 - p) * n / (n - 1)
    statistic = float((counts - runs * p).square().sum() / variance)
    assert statistic < stats.chi2.ppf(0.999, n - 1)


@pytest.mark.parametrize("replace", [True, False])
def test_slots_are_those_of_a_list_filled_item_by_item(replace):
    """The same uniforms, drawn one row at a time."""
    steps, draws = 60, 4
    reservoir = made(7, draws, steps, replace=replace)
    expected, rng = reference.Reservoir(7), generator()
    items = reservoir.empty()
    for n in range(steps):
        uniforms = torch.rand(1 + draws, generator=rng).tolist()
        here, drawn, share = reservoir.at(torch.tensor(n))
        used = items[drawn[share > 0]].tolist()
        assert used == expected.draw(uniforms[1:], replace=replace)
        expected.add(n, uniforms[0])
        items = torch.where(here, n, items)
        assert items[: len(expected.items)].tolist() == expected.items
        assert bool(here.any()) == (n in expected.items)
    assert contents(reservoir) == set(expected.items)


def test_a_longer_stream_begins_with_the_same_choices():
    short, long = made(steps=20), made(steps=400)
    assert torch.equal(short.slots, long.slots[:20])
    assert not torch.equal(short.slots, made(steps=20, seed=1).slots)


@pytest.mark.parametrize("replace", [True, False])
def test_shares_are_a_mean_over_as_many_draws_as_there_are_items(replace):
    reservoir = made(5, 3, replace=replace)
    shares = [reservoir.at(torch.tensor(n))[2] for n in (0, 1, 2, 3, 30)]
    third = 1 / 3
    expected = [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [third] * 3, [third] * 3]
    torch.testing.assert_close(torch.stack(shares), torch.tensor(expected))


@pytest.mark.parametrize("replace", [True, False])
def test_only_slots_that_hold_an_item_count(replace):
    reservoir = made(5, 5, 50, replace=replace)
    for n in range(50):
        _, drawn, share = reservoir.at(torch.tensor(n))
        assert (drawn[share > 0] < min(n, 5)).all()
        assert (drawn < 5).all()


def test_without_replacement_nothing_is_drawn_twice_and_every_set_alike():
    """All 10 pairs of 5 slots over 4,000 steps: chi-square with 9 degrees of freedom."""
    reservoir = made(5, 2, 4005, replace=False)
    drawn = reservoir.slots[5:, 1:].sort(1).values.tolist()
    counts = [drawn.count(list(pair)) for pair in itertools.combinations(range(5), 2)]
    assert sum(counts) == 4000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_with_replacement_each_slot_is_drawn_alike():
    """12,000 draws from 5 slots: chi-square with 4 degrees of freedom."""
    reservoir = made(5, 3, 4005)
    counts = torch.bincount(reservoir.slots[5:, 1:].flatten().long(), minlength=5)
    assert int(counts.sum()) == 12000
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert (reservoir.slots[5:, 1] == reservoir.slots[5:, 2]).any()


def test_more_items_than_announced_are_an_error_and_no_silent_repetition():
    reservoir = made(steps=10)
    reservoir.at(torch.tensor(9))
    with pytest.raises(IndexError):
        reservoir.at(torch.tensor(10))
