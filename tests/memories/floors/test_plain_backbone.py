"""A backbone alone in a table of token memories: no tokens, nothing remembered."""

from __future__ import annotations

import pytest
import torch

from memories.base import BackboneSlot, InvalidParameter
from memories.floors.plain_backbone import PlainBackbone


def test_it_gives_no_tokens_and_counts_its_passes() -> None:
    memory = PlainBackbone(8, 2, 16, 4)
    state = memory.init_state()
    after = memory.absorb_batch(state, torch.randn(3, 5, 2, 1))
    assert memory.tokens(after).shape == (0, 8)
    assert [int(s["count"]) for s in (state, after)] == [0, 3]
    assert memory.replaces == BackboneSlot("dlinear")
    assert not list(memory.parameters())


def test_it_says_what_takes_the_encoders_place() -> None:
    chosen = BackboneSlot("patchtst", {"patch": 4, "stride": 2})
    assert PlainBackbone(8, 2, 16, 4, backbone=chosen).replaces == chosen


def test_a_backbone_that_cannot_be_built_is_refused_with_its_own_words() -> None:
    chosen = BackboneSlot("patchtst", {"patch": 99})
    with pytest.raises(InvalidParameter, match="patch of patchtst must be <= lookback") as refused:
        PlainBackbone(8, 2, 16, 4, backbone=chosen)
    assert refused.value.parameter == "backbone"
