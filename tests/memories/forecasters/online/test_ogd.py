"""Online gradient descent against torch's own optimiser, and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memories.adam import flatten
from memories.backbones.dlinear import DLinear
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.ogd import OGD
from tests.memories.forecasters.backbones import Newest, pieces

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2
FIRST = LOOKBACK + HORIZON


def dlinear() -> DLinear:
    rng = torch.Generator().manual_seed(1)
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng)


def stream(n: int = 60) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.randn(n, CHANNELS, generator=rng).cumsum(0)


def test_the_first_step_moves_each_weight_by_the_learning_rate():
    """`Newest` errs by row[past] - target: every offset's gradient has a sign, and Adam's first
    step is that sign times the rate, whatever the gradient's size.
    """
    forecaster = OGD(Newest(HORIZON, CHANNELS), learning_rate=0.25)
    past = torch.zeros(LOOKBACK, CHANNELS)
    target = torch.tensor([[1.0, -2.0], [1e-3, 50.0], [-7.0, 0.5]])
    state = forecaster.observe(forecaster.init_state(), target[-1], (past, target))
    forecast, _ = forecaster.predict(state, past)
    torch.testing.assert_close(forecast, 0.25 * target.sign(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("learning_rate", [1e-4, 1e-2])
def test_a_stream_is_learned_as_torchs_adam_would_learn_it(learning_rate):
    """One step per row on the newest complete pair; float32 over 49 steps, hence 1e-5."""
    rows = stream()
    forecaster = OGD(dlinear(), learning_rate=learning_rate)
    module: nn.Module = dlinear()
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    state = forecaster.init_state()
    for t in range(FIRST, len(rows)):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        optimiser.zero_grad()
        (module(past[None])[0] - target).square().mean().backward()
        optimiser.step()
        with torch.no_grad():
            state = forecaster.observe(state, row, (past, target))
            forecast, state = forecaster.predict(state, window)
            expected = module(window[None])[0]
        torch.testing.assert_close(forecast, expected, rtol=1e-5, atol=1e-5)
    assert int(state["step"]) == len(rows) - FIRST


def test_at_rate_zero_it_is_the_frozen_backbone_bit_for_bit():
    rows = stream()
    still, frozen = OGD(dlinear(), learning_rate=0.0), Frozen(dlinear())
    state = still.init_state()
    for t in range(FIRST, len(rows)):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        state = still.observe(state, row, (past, target))
        assert torch.equal(still.predict(state, window)[0], frozen.predict({}, window)[0])
    assert torch.equal(state["weights"], still.pretrained())
    assert state["first_moment"].abs().max() > 0


def test_adapted_weights_are_state_and_the_pre_trained_ones_stay():
    forecaster = OGD(dlinear(), learning_rate=0.1)
    before = flatten(forecaster.backbone).clone()
    rows = stream()
    row, past, target, _ = pieces(rows, 20, LOOKBACK, HORIZON)
    state = forecaster.observe(forecaster.init_state(), row, (past, target))
    assert torch.equal(flatten(forecaster.backbone), before)
    assert torch.equal(forecaster.init_state()["weights"], forecaster.pretrained())
    assert not torch.equal(state["weights"], forecaster.pretrained())


def test_it_keeps_the_backbone_in_evaluation_mode():
    backbone = nn.Sequential(Newest(HORIZON, CHANNELS), nn.Dropout(0.9)).train()
    assert not OGD(backbone).backbone.training
    assert not Frozen(nn.Sequential(backbone[0], nn.Dropout(0.9)).train()).backbone.training


def test_learning_lowers_the_error_on_a_biased_backbone():
    """`Newest` on a straight line errs by the lead; the offset learns it."""
    rows = torch.arange(400, dtype=torch.float32)[:, None] * torch.ones(CHANNELS) * 0.1
    forecaster = OGD(Newest(HORIZON, CHANNELS), learning_rate=1e-2)
    state = forecaster.init_state()
    for t in range(FIRST, 390):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        state = forecaster.observe(state, row, (past, target))
    forecast, _ = forecaster.predict(state, window)
    torch.testing.assert_close(forecast, rows[390 : 390 + HORIZON], rtol=0, atol=0.01)
