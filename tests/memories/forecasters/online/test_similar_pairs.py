"""Which past pairs count as similar: phase first, then distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.base import Unsuitable
from memories.forecasters.online.similar_pairs import SimilarPairs
from memories.forecasters.online.stream_history import StreamHistory
from tests.memories.forecasters.backbones import pieces
from tests.reference import solid as reference

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2
FIRST = LOOKBACK + HORIZON


def search(period: int = 5, candidates: int = 20, **options: object) -> SimilarPairs:
    options = {"neighbours": 4, "phase_tolerance": 0.2, "one_sided": False} | options
    return SimilarPairs(StreamHistory(candidates, LOOKBACK, HORIZON), period, **options)


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(80, CHANNELS, generator=torch.Generator().manual_seed(3))


def filled(similar: SimilarPairs, rows: Tensor, last: int) -> Tensor:
    held = similar.history.empty(CHANNELS, rows.device)
    for t in range(FIRST, last + 1):
        _, past, target, _ = pieces(rows, t, LOOKBACK, HORIZON)
        held = similar.history.extended(held, (past, target))
    return held


def test_candidates_are_near_in_phase_on_both_sides_or_behind_alone():
    """H = 3, P = 10, tolerance 2 rows: behind by 3 + j mod 10 in {8, 9, 0, 1, 2} or {0, 1, 2}."""
    two = search(period=10, candidates=20)
    assert two.ages.tolist() == [5, 6, 7, 8, 9, 15, 16, 17, 18, 19]
    one = search(period=10, candidates=20, one_sided=True)
    assert one.ages.tolist() == [7, 8, 9, 17, 18, 19]


def test_with_period_one_or_half_a_period_of_tolerance_every_pair_is_a_candidate():
    assert search(period=1).ages.tolist() == list(range(20))
    assert search(period=7, phase_tolerance=0.5).ages.tolist() == list(range(20))


def test_without_tolerance_only_whole_periods_are():
    assert search(period=6, phase_tolerance=0.0).ages.tolist() == [3, 9, 15]


def test_a_search_that_can_never_find_anything_is_unsuitable():
    with pytest.raises(Unsuitable, match="none of the newest 5 pairs is in phase"):
        search(period=24, candidates=5, phase_tolerance=0.1)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("last", [FIRST, FIRST + 2, FIRST + 9, FIRST + 40])
def test_the_nearest_are_those_of_a_search_origin_by_origin(rows, last, one_sided):
    similar = search(one_sided=one_sided)
    held = filled(similar, rows, last)
    window = pieces(rows, last, LOOKBACK, HORIZON)[3]
    windows, targets, share = similar.nearest(held, torch.tensor(last - FIRST + 1), window)
    origins = reference.similar(
        rows,
        last,
        (LOOKBACK, HORIZON),
        period=5,
        candidates=20,
        neighbours=4,
        tolerance=0.2,
        one_sided=one_sided,
    )
    n = len(origins)
    assert torch.equal(share, (torch.arange(4) < n) / max(1, n))
    for i, origin in enumerate(origins):
        _, expected, target, _ = pieces(rows, origin + HORIZON, LOOKBACK, HORIZON)
        assert torch.equal(windows[i], expected)
        assert torch.equal(targets[i], target)


def test_of_equally_near_pairs_the_newest_are_taken():
    """Constant rows: all distances are zero."""
    similar = search(period=1, neighbours=3)
    rows = torch.arange(60, dtype=torch.float32)[:, None].expand(-1, CHANNELS)
    held = filled(similar, rows, 50)
    flat = torch.zeros_like(held)
    flat[:, 0] = 7.0
    windows, _, share = similar.nearest(flat, torch.tensor(40), flat[-LOOKBACK:])
    assert torch.equal(windows, flat[:LOOKBACK].expand(3, -1, -1))
    assert share.tolist() == pytest.approx([1 / 3] * 3)
    ages = torch.sort(torch.zeros(20), stable=True).indices[:3]
    assert ages.tolist() == [0, 1, 2]


def test_more_neighbours_than_candidates_are_all_candidates(rows):
    similar = search(period=6, phase_tolerance=0.0, neighbours=9)
    held = filled(similar, rows, 60)
    windows, targets, share = similar.nearest(held, torch.tensor(50), held[-LOOKBACK:])
    assert windows.shape == (3, LOOKBACK, CHANNELS)
    assert targets.shape == (3, HORIZON, CHANNELS)
    assert float(share.sum()) == pytest.approx(1.0)
