"""Ranks with ties, against a count over all orders in which ties could stand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.arc.retrieval_ranks import Ranks, chance_within, cosine_scores


def test_a_query_that_is_the_stored_key_is_found_first() -> None:
    codes = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    ranks = Ranks.of(cosine_scores(codes, codes), np.eye(50, dtype=bool))
    assert ranks.within(1).all()
    assert ranks.reciprocal().tolist() == [1] * 50


def test_where_all_codes_are_equal_nothing_counts_as_found() -> None:
    """One of 40 equals: none within the first 39; the middle rank is 1 + 39/2."""
    same = np.ones((40, 4), dtype=np.float32) / 2
    ranks = Ranks.of(cosine_scores(same, same), np.eye(40, dtype=bool))
    assert not ranks.within(1).any()
    assert not ranks.within(39).any()
    assert ranks.within(40).all()
    assert ranks.reciprocal() == pytest.approx(1 / 20.5)


def test_a_zero_read_ties_with_everything() -> None:
    codes = np.eye(3, dtype=np.float32)
    ranks = Ranks.of(cosine_scores(np.zeros((3, 3), np.float32), codes), np.eye(3, dtype=bool))
    assert ranks.equal.tolist() == [2, 2, 2]


def test_scores_within_a_billionth_are_equal_and_others_are_not() -> None:
    right = np.array([[True, False]])
    assert Ranks.of(np.array([[0.5, 0.5 + 9e-10]]), right).equal.tolist() == [1]
    assert Ranks.of(np.array([[0.5, 0.5 + 2e-9]]), right).better.tolist() == [1]


def test_a_query_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no rank"):
        Ranks.of(np.zeros((1, 2)), np.zeros((1, 2), dtype=bool))


tied = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6).filter(
    lambda items: any(right for _, right in items)
)


@given(tied, st.integers(1, 6))
def test_a_find_is_certain_and_the_rank_is_the_middle_of_all_orders(
    items: list[tuple[int, bool]], k: int
) -> None:
    """Of all orders by falling score, the best right item is within the first k in every one or
    the find does not count. Against one right item alone, its mean place is the middle rank.
    """
    scores = np.array([[float(score) for score, _ in items]])
    right = np.array([[own for _, own in items]])
    ranks = Ranks.of(scores, right)
    best = max(score for score, own in items if own)
    wrong = [score for score, own in items if not own]
    first = [
        1 + sum(other[0] > best or (other[0] == best and other[1] < 1) for other in order)
        for order in (
            list(zip(wrong, places, strict=True))
            for places in itertools.product((0, 2), repeat=len(wrong))
        )
    ]
    assert bool(ranks.within(k)[0]) == (max(first) <= k)
    assert ranks.reciprocal()[0] == pytest.approx(2 / (max(first) + min(first)))


def test_the_chance_of_a_find_is_that_of_drawing_without_replacement() -> None:
    """All k-subsets of M items, counted."""
    for items, right, k in itertools.product((1, 4, 7), (1, 2, 3), (1, 2, 5)):
        if right > items:
            continue
        draws = list(itertools.combinations(range(items), min(k, items)))
        expected = sum(any(item < right for item in draw) for draw in draws) / len(draws)
        assert chance_within(k, items, right) == pytest.approx(expected)
    assert chance_within(1, 400, 1) == pytest.approx(1 / 400)
    assert math.isclose(chance_within(5, 400, 1), 5 / 400)
