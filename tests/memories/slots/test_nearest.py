"""Selection of the k best slots with ties decided by recency."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.slots.blocks import QUERY_BLOCK, in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import nearest


@settings(max_examples=200, deadline=None, derandomize=True)
@given(scores=st.lists(st.integers(-2, 2), min_size=1, max_size=12), k=st.integers(1, 12))
def test_nearest_equals_a_stable_sort(scores: list[int], k: int) -> None:
    """Many ties; positions come in order."""
    k = min(k, len(scores))
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    found = nearest(torch.tensor([scores], dtype=torch.float32), k, 0.0)
    assert found.tolist() == [sorted(best)]


@pytest.mark.parametrize("k", [1, 2])
def test_scores_within_the_slack_count_as_equal(k: int) -> None:
    scores = torch.tensor([[0.0, 1.0 - 1e-7, 1.0, 1.0, 0.5]])
    assert nearest(scores, k, 1e-6).tolist() == [[1, 2][:k]]
    assert nearest(scores, k, 0.0).tolist() == [[2, 3][:k]]


@pytest.mark.parametrize("k", [1, 3, 4])
def test_every_valid_slot_is_found_before_an_unused_one(k: int) -> None:
    scores = torch.tensor([[-5.0, -9.0, -torch.inf, -torch.inf]])
    assert nearest(scores, k, 1e-6)[0, :2].tolist() == [0, 1][: min(k, 2)]


@pytest.mark.parametrize("k", [1, 3])
def test_a_row_of_nan_stays_inside_the_range(k: int) -> None:
    found = nearest(torch.full((2, 5), torch.nan), k, 0.0)
    assert ((found >= 0) & (found < 5)).all()


def test_masked_softmax_ignores_what_is_not_valid() -> None:
    logits = torch.tensor([[0.0, torch.nan, 0.0], [torch.inf, 5.0, torch.nan]])
    valid = torch.tensor([[True, False, True], [False, True, False]])
    assert masked_softmax(logits, valid).tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
    assert masked_softmax(logits, torch.zeros(3, dtype=torch.bool)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("n", [0, 1, QUERY_BLOCK, QUERY_BLOCK + 1, 2 * QUERY_BLOCK + 5])
def test_blocks_cover_every_query_once_and_are_never_too_large(n: int) -> None:
    sizes = []

    def read(block: torch.Tensor) -> torch.Tensor:
        sizes.append(len(block))
        return 2 * block

    queries = torch.arange(float(n))[:, None]
    assert torch.equal(in_blocks(read, queries), 2 * queries)
    assert max(sizes) <= QUERY_BLOCK
