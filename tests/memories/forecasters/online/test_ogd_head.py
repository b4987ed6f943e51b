"""Online gradient descent on the head, or the norms, alone."""

from __future__ import annotations

import pytest
import torch

from memories.adam import flatten
from memories.base import Unsuitable
from memories.forecasters.online.ogd import OGD
from memories.forecasters.online.ogd_head import OGDHead
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    FIRST,
    HORIZON,
    LOOKBACK,
    dlinear,
    forecasts,
    headed,
    stream,
    walk,
)


@pytest.mark.parametrize("scope", ["all", "head", "norm"])
def test_a_part_is_learned_as_torchs_adam_would_learn_that_part(scope):
    """Sixty-two steps in float32, hence 1e-5."""
    rows = stream()
    module = headed()
    learned = {"all": module, "head": module.projection, "norm": module.norm}[scope]
    optimiser = torch.optim.Adam(learned.parameters(), lr=0.01)
    steps = walk(OGD(headed(), scope=scope, learning_rate=0.01), rows)
    for t, (forecast, _) in enumerate(steps, FIRST):
        _, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        module.zero_grad()
        (module(past[None])[0] - target).square().mean().backward()
        optimiser.step()
        expected = module(window[None])[0].detach()
        torch.testing.assert_close(forecast, expected, rtol=1e-5, atol=1e-5)


def test_it_is_ogd_of_the_heads_scope():
    rows = stream()
    own = forecasts(OGDHead(headed(), learning_rate=0.01), rows)
    assert torch.equal(own, forecasts(OGD(headed(), scope="head", learning_rate=0.01), rows))
    assert not torch.equal(own, forecasts(OGD(headed(), learning_rate=0.01), rows))


def test_the_state_holds_the_head_alone_and_the_body_stays():
    forecaster = OGDHead(headed(), learning_rate=0.1)
    *_, (_, state) = walk(forecaster, stream())
    assert forecaster.adapted == ("projection.weight", "projection.bias")
    assert (state["weights"] - forecaster.pretrained()).abs().max() > 0.1
    assert torch.equal(flatten(forecaster.backbone), flatten(headed()))


def test_a_backbone_that_is_all_head_is_unsuitable():
    with pytest.raises(Unsuitable, match="to learn it is to learn all"):
        OGDHead(dlinear())
