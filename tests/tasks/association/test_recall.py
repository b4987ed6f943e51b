"""Decoding against a codebook, information per item, and reading capacities off a curve."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.association import recall
from tasks.association.recall import (
    bits_per_item,
    chance_reciprocal_rank,
    code_sequence,
    codebooks,
    cosines,
    first_crossing,
    hits,
    reciprocal_ranks,
)

BOOK = torch.eye(4)[None]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("read", "target", "share"),
    [
        ([1.0, 0.0, 0.0, 0.0], 0, 1.0),
        ([1.0, 0.0, 0.0, 0.0], 1, 0.0),
        ([0.9, 0.1, 0.0, 0.0], 1, 0.0),
        ([1.0, 1.0, 0.0, 0.0], 1, 1 / 2),
        ([2.0, 2.0, 2.0, 0.0], 2, 1 / 3),
        ([2.0, 2.0, 2.0, 0.0], 3, 0.0),
        ([0.0, 0.0, 0.0, 0.0], 2, 1 / 4),
        ([-1.0, 0.0, 0.0, 0.0], 0, 0.0),
        ([-1.0, 0.0, 0.0, 0.0], 3, 1 / 3),
    ],
)
def test_k_tied_codes_share_one_hit_and_a_zero_read_ties_with_the_pool(read, target, share):
    """Scores against the unit vectors are the read's own entries: ties can be read off."""
    seen = hits(torch.tensor([[read]]), BOOK, torch.tensor([[target]]))
    assert seen.item() == pytest.approx(share, abs=1e-7)


@pytest.mark.parametrize(("gap", "share"), [(5e-7, 0.5), (5e-6, 1.0)])
def test_scores_tie_up_to_a_millionth_of_the_largest(gap, share):
    """The tolerance is relative: at a score of 1000 it is 1e-3."""
    for size in (1.0, 1000.0):
        read = torch.tensor([[[size, size * (1 - gap), 0.0, 0.0]]])
        assert hits(read, BOOK, torch.tensor([[0]])).item() == share


def test_the_tie_tolerance_counts_the_largest_absolute_score_even_if_it_is_negative():
    read = torch.tensor([[[1e-4, 0.0, 0.0, -1000.0]]])
    assert hits(read, BOOK, torch.tensor([[0]])).item() == pytest.approx(1 / 3)


def test_only_codes_of_the_pool_compete():
    read = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]])
    pool = torch.tensor([[False, True, True, True]])
    assert hits(read, BOOK, torch.tensor([[1]]), pool).item() == 1.0
    assert hits(read, BOOK, torch.tensor([[0]]), pool).item() == 0.0


def test_a_zero_read_scores_one_over_the_competing_codes():
    pool = torch.tensor([[True, False, True, False]])
    assert hits(torch.zeros(1, 1, 4), BOOK, torch.tensor([[2]]), pool).item() == 0.5


def test_decoding_in_blocks_of_lanes_changes_nothing(monkeypatch):
    """Five lanes one by one: each lane is decoded with its own codebook, pool and targets."""
    books = codebooks([generator(s) for s in range(5)], 16, 8)
    targets = torch.randint(16, (5, 7), generator=generator(9))
    reads = books.gather(1, targets[..., None].expand(-1, -1, 8))
    reads = reads + 0.5 * torch.randn(5, 7, 8, generator=generator(10))
    pool = torch.rand(5, 16, generator=generator(11)) < 0.7
    whole = hits(reads, books, targets, pool)
    assert 0 < whole.mean() < 1
    monkeypatch.setattr(recall, "BLOCK", 1)
    assert torch.equal(hits(reads, books, targets, pool), whole)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 0.5, 1e6]))
def test_hits_do_not_depend_on_the_length_of_a_read(seed, scale):
    book = codebooks([generator(seed)], 12, 5)
    reads = torch.randn(1, 6, 5, generator=generator(seed + 1))
    targets = torch.randint(12, (1, 6), generator=generator(seed + 2))
    assert torch.equal(hits(reads, book, targets), hits(scale * reads, book, targets))


def test_cosines_are_those_of_the_target_and_zero_for_a_zero_read():
    reads = torch.tensor([[[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -2.0, 0.0]]])
    seen = cosines(reads, BOOK, torch.tensor([[1, 1, 2]]))
    torch.testing.assert_close(seen, torch.tensor([[0.8, 0.0, -1.0]]), rtol=0, atol=1e-7)


def test_codebooks_hold_unit_vectors_of_their_own_generator():
    books = codebooks([generator(1), generator(2)], 50, 8)
    torch.testing.assert_close(books.norm(dim=-1), torch.ones(2, 50), rtol=0, atol=1e-6)
    assert torch.equal(books[1:], codebooks([generator(2)], 50, 8))
    assert not torch.equal(books[0], books[1])


@pytest.mark.parametrize("n", [1, 10, 16, 17, 40])
def test_codes_are_permutations_of_the_pool_one_after_another(n):
    codes = code_sequence(generator(3), n, 16)
    assert len(codes) == n
    for start in range(0, n, 16):
        part = codes[start : start + 16].tolist()
        assert len(set(part)) == len(part)
        if len(part) == 16:
            assert sorted(part) == list(range(16))


def test_successive_permutations_of_the_pool_differ():
    codes = code_sequence(generator(4), 64, 32)
    assert not torch.equal(codes[:32], codes[32:])


@pytest.mark.parametrize(
    ("accuracy", "bits"), [(1.0, 10.0), (0.9, 8.531), (0.5, 4.001), (1 / 1024, 0.0), (0.0, 0.0)]
)
def test_bits_per_item_follow_fano_at_a_pool_of_1024(accuracy, bits):
    """log2 1024 = 10; at a = 0.5 one bit is lost to the split and log2(1023)/2 = 4.999 to the
    wrong answers; at chance nothing is left.
    """
    assert bits_per_item(accuracy, 1024) == pytest.approx(bits, abs=5e-4)


def test_bits_per_item_grow_with_accuracy_above_chance():
    grid = [bits_per_item(1 / 64 + k * (1 - 1 / 64) / 50, 64) for k in range(51)]
    assert grid[0] == 0
    assert all(b > a for a, b in pairwise(grid))
    assert grid[-1] == pytest.approx(math.log2(64))


@pytest.mark.parametrize(
    ("loads", "curve", "threshold", "capacity", "censored"),
    [
        ([1, 2, 4], [1.0, 1.0, 0.8], 0.9, 3.0, ""),
        ([1, 512], [1.0, 1.0], 0.9, 512.0, "right"),
        ([8, 16], [0.9, 0.9], 0.9, 16.0, "right"),
        ([8, 16], [0.89, 1.0], 0.9, 0.0, "left"),
        ([4], [1.0], 0.9, 4.0, "right"),
        ([4], [0.1], 0.9, 0.0, "left"),
        ([10, 20, 40, 80], [1.0, 0.5, 1.0, 0.0], 0.75, 15.0, ""),
        ([10, 20, 40], [1.0, 0.9, 0.0], 0.9, 20.0, ""),
        ([10, 20, 30, 40], [1.0, 0.6, 0.9, 0.4], 0.5, 35.0, ""),
    ],
)
def test_capacity_is_the_first_downward_crossing_of_the_running_minimum(
    loads, curve, threshold, capacity, censored
):
    """The last case: the running minimum is 1, .6, .6, .4, so the crossing of .5 lies halfway
    between 30 and 40; the raw .9 at 30 would have put it at 38.
    """
    assert first_crossing(loads, curve, threshold) == (pytest.approx(capacity), censored)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    curve=st.lists(st.floats(0, 1), min_size=2, max_size=8), low=st.floats(0, 1), up=st.floats(0, 1)
)
def test_capacity_lies_within_the_loads_and_falls_with_the_threshold(curve, low, up):
    loads = [2**k for k in range(len(curve))]
    low, up = sorted((low, up))
    at_low, at_up = (first_crossing(loads, curve, t)[0] for t in (low, up))
    assert 0 <= at_up <= at_low <= loads[-1]


@pytest.mark.parametrize(
    ("read", "target", "expected"),
    [
        ([0.9, 0.5, 0.1, 0.0], 0, 1.0),
        ([0.9, 0.5, 0.1, 0.0], 2, 1 / 3),
        ([0.9, 0.9, 0.1, 0.0], 1, (1 + 1 / 2) / 2),
        ([0.9, 0.5, 0.5, 0.5], 2, (1 / 2 + 1 / 3 + 1 / 4) / 3),
        ([0.0, 0.0, 0.0, 0.0], 3, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4),
        ([-1.0, 0.0, 0.0, 0.0], 0, 1 / 4),
    ],
)
def test_the_reciprocal_rank_of_a_tie_is_the_mean_over_its_ranks(read, target, expected):
    seen = reciprocal_ranks(torch.tensor([[read]]), BOOK, torch.tensor([[target]]))
    assert seen.item() == pytest.approx(expected, abs=1e-6)


def test_guessing_has_the_reciprocal_rank_of_a_zero_read():
    book = codebooks([generator()], 50, 8)
    seen = reciprocal_ranks(torch.zeros(1, 1, 8), book, torch.tensor([[17]]))
    assert seen.item() == pytest.approx(chance_reciprocal_rank(50), abs=1e-6)
    assert chance_reciprocal_rank(4) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_the_reciprocal_rank_is_one_exactly_where_the_code_is_hit_alone():
    book = codebooks([generator(1)], 30, 8)
    targets = torch.randint(30, (1, 200), generator=generator(2))
    reads = book[:, targets[0]] + 0.3 * torch.randn(1, 200, 8, generator=generator(3))
    ranks = reciprocal_ranks(reads, book, targets)
    assert torch.equal(ranks > 0.999, hits(reads, book, targets) == 1)
    assert 0 < (ranks > 0.999).float().mean() < 1
