"""Scores of slots by importance, use and recency, and the slot that goes."""

from __future__ import annotations

import pytest
import torch

from memories.base import InvalidParameter
from memories.slots.bank_presets import PRESETS
from memories.slots.eviction import Eviction, lowest, scores


@pytest.mark.parametrize(
    ("preset", "expected"), [("v1", [0.78, 0.28, 0.56]), ("guide", [0.69, 0.35, 0.53])]
)
def test_scores_are_the_weighted_sums_worked_out_by_hand(preset, expected):
    """Factors (I, R, F) of three slots: (.9, 1, .1), (.2, .1, .8), (.5, .7, .4).

    v1 weighs .4 I + .4 R + .2 F: .36 + .4 + .02, .08 + .04 + .16, .2 + .28 + .08; the guide
    .4 I + .3 R + .3 F: .36 + .3 + .03, .08 + .03 + .24, .2 + .21 + .12. A fourth slot holds the
    maxima, chosen so that maximum + offset is 1000. float32, hence 1e-6.
    """
    own = PRESETS[preset]
    most = 1000 - own.offset
    importance = torch.tensor([0.9, 0.2, 0.5, 1.0])
    hits = torch.tensor([100.0, 800.0, 400.0, most])
    age = torch.tensor([0.0, 900.0, 300.0, most])
    held = torch.ones(4, dtype=torch.bool)
    seen = scores(held, importance, hits, age, own.evict_weights, own.offset)
    torch.testing.assert_close(seen[:3], torch.tensor(expected), rtol=0, atol=1e-6)


def test_maxima_are_those_of_the_slots_that_compete():
    """A slot out of the race, NaN included, changes no other's score."""
    entries = [torch.tensor([1.0, 2.0, 4.0]) for _ in range(3)]
    held = torch.tensor([True, True, False])
    weights = (0.4, 0.2, 0.4)
    seen = scores(held, *entries, weights, 1.0)[:2]
    strange = [torch.cat([entry[:2], torch.tensor([torch.nan])]) for entry in entries]
    assert torch.equal(scores(held, *strange, weights, 1.0)[:2], seen)
    alone = scores(torch.ones(2, dtype=torch.bool), *(e[:2] for e in entries), weights, 1.0)
    assert torch.equal(alone, seen)


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_the_first_of_the_lowest_among_the_allowed_slots_goes(kind):
    priority = torch.tensor([3, 1, 1, 0]).to(kind)
    assert lowest(priority, None).tolist() == [3]
    assert lowest(priority, torch.tensor([True, True, True, False])).tolist() == [1]
    assert lowest(priority, torch.tensor([True, False, True, False])).tolist() == [2]


@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (1.0, -0.1, 0.0)])
def test_weights_that_rank_nothing_or_are_negative_are_refused(weights):
    with pytest.raises(InvalidParameter, match="none negative and one positive"):
        Eviction(weights, 1.0)


def test_a_decay_of_importances_that_nothing_reads_is_refused():
    with pytest.raises(InvalidParameter, match="forget_decay"):
        Eviction((0.0, 0.0, 1.0), 1.0, forget_decay=0.9)
    assert Eviction((0.0, 0.0, 1.0), 1.0, forget_decay=0.9, forget_threshold=0.1).tracks_use
