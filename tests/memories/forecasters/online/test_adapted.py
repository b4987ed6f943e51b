"""Which weights adapt, and what one step of learning does to the state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad

from bench.lanes import Lanes
from memories.backbones.dlinear import DLinear
from memories.backbones.layers import BatchNorm
from memories.base import Unsuitable
from memories.forecasters.online.adapted import (
    AdaptedForecaster,
    head_of,
    parameters_of,
    squared_errors,
)
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.ogd import OGD
from tests.memories.forecasters.backbones import Newest
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    HORIZON,
    LOOKBACK,
    dlinear,
    headed,
    stream,
    walk,
)


class Still(AdaptedForecaster):
    """Adapts nothing by itself."""

    def observe(self, state: Any, x_t: Tensor, recent: Any) -> Any:
        return state


def test_a_scope_names_the_parameters_of_the_whole_the_head_or_the_norms():
    everything = tuple(name for name, _ in headed().named_parameters())
    assert parameters_of(headed(), "all") == everything
    assert parameters_of(headed(), "head") == ("projection.weight", "projection.bias")
    assert parameters_of(headed(), "norm") == ("norm.weight", "norm.bias")


def test_a_module_whose_name_begins_like_the_heads_is_not_part_of_it():
    module = headed()
    module.add_module("projections", nn.Linear(2, 2))
    assert parameters_of(module, "head") == ("projection.weight", "projection.bias")


def test_norms_are_found_however_deep_and_of_whatever_kind():
    module = nn.Sequential(
        nn.Linear(4, 4), nn.Sequential(BatchNorm(4), nn.LayerNorm(4)), nn.BatchNorm1d(4)
    )
    names = ("1.0.weight", "1.0.bias", "1.1.weight", "1.1.bias", "2.weight", "2.bias")
    assert parameters_of(module, "norm") == names


def test_a_backbone_that_is_all_head_or_has_no_norms_is_unsuitable():
    with pytest.raises(Unsuitable, match="last linear map of DLinear is the whole of it"):
        parameters_of(dlinear(), "head")
    with pytest.raises(Unsuitable, match="DLinear has no weights to learn of the scope 'norm'"):
        parameters_of(dlinear(), "norm")


def test_the_head_is_what_a_backbone_declares_and_not_a_submodule_of_that_name():
    assert head_of(headed()) == "projection"
    assert head_of(dlinear()) is None
    module = Newest(HORIZON, CHANNELS)
    module.add_module("head", nn.Linear(2, 2))
    assert head_of(module) is None


def test_the_flat_vector_holds_each_parameter_at_a_multiple_of_64_bytes():
    """Head of 3 x 6 weights and 3 biases: 18 and 14 zeros, 3 and 13 zeros."""
    forecaster = Still(headed(), scope="head", learning_rate=0.1)
    flat, head = forecaster.pretrained(), headed().projection
    assert flat.shape == (48,)
    assert torch.equal(flat[:18], head.weight.flatten())
    assert torch.equal(flat[32:35], head.bias)
    assert flat.count_nonzero() == 21


@pytest.mark.parametrize("scope", ["all", "head", "norm"])
def test_a_forecast_uses_the_given_weights_and_the_pre_trained_others(scope):
    # a product with weights that want a gradient is summed in another order
    module = headed().requires_grad_(False)
    forecaster = Still(module, scope=scope, learning_rate=0.1)
    windows = torch.randn(4, LOOKBACK, CHANNELS, generator=torch.Generator().manual_seed(5))
    unchanged = module(windows)
    assert torch.equal(forecaster.forecast(forecaster.pretrained(), windows), unchanged)
    doubled = forecaster.forecast(2 * forecaster.pretrained(), windows)
    assert torch.equal(module(windows), unchanged)
    for name in forecaster.adapted:
        module.get_parameter(name).mul_(2)
    assert torch.equal(doubled, module(windows))
    assert not torch.equal(doubled, unchanged)


@pytest.mark.parametrize(("lookback", "horizon", "channels"), [(48, 13, 1), (97, 23, 3)])
@pytest.mark.parametrize("lanes", [1, 3])
def test_unchanged_weights_forecast_as_the_module_bit_for_bit(lookback, horizon, channels, lanes):
    """Sizes at which no parameter of DLinear but the first would be aligned by itself."""
    rng = torch.Generator().manual_seed(6)
    backbones = [DLinear(channels, lookback, horizon, generator=rng) for _ in range(lanes)]
    stacks = [Lanes([kind(b) for b in backbones]) for kind in (OGD, Frozen)]
    states = [stack.init_state() for stack in stacks]
    for _ in range(20):
        windows = torch.randn(lanes, lookback, channels, generator=rng)
        adapted, frozen = (
            stack.predict(state, windows)[0] for stack, state in zip(stacks, states, strict=True)
        )
        assert torch.equal(adapted, frozen)


def test_weights_that_are_shared_between_modules_move_together():
    """The second name of a tied weight would otherwise keep the pre-trained values."""
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    forecaster = Still(tied, learning_rate=0.1)
    assert forecaster.adapted == ("0.weight",)
    windows = torch.randn(1, 2, 3)
    doubled = forecaster.forecast(2 * forecaster.pretrained(), windows)
    torch.testing.assert_close(doubled, 4 * tied(windows))


def test_a_step_that_is_not_enabled_changes_nothing_at_all():
    forecaster = Still(dlinear(), learning_rate=0.1)
    state = forecaster.init_state()
    gradient = grad(lambda w: w.square().sum())(state["weights"])
    taken = forecaster.learned(state, gradient, where=torch.tensor(True))
    always = forecaster.learned(state, gradient)
    skipped = forecaster.learned(state, gradient, where=torch.tensor(False))
    for name, entry in state.items():
        assert torch.equal(skipped[name], entry)
        assert torch.equal(taken[name], always[name])
        assert not torch.equal(taken[name], entry)


def test_what_lies_between_parameters_stays_zero():
    rows = stream()
    forecaster = OGD(headed(), learning_rate=0.1)
    between = torch.ones_like(forecaster.pretrained(), dtype=torch.bool)
    for part in forecaster.packing.unpack(between):
        part.fill_(False)
    assert between.any()
    *_, (_, state) = walk(forecaster, rows)
    for name in ("weights", "first_moment", "second_moment"):
        assert (state[name][between] == 0).all()
        assert (state[name][~between] != 0).all()


def test_squared_errors_are_one_mean_for_each_forecast():
    """Errors 1 and 3 over two leads: (1 + 9) / 2 = 5."""
    forecasts = torch.tensor([[[1.0], [3.0]], [[0.0], [2.0]]])
    assert squared_errors(forecasts, torch.zeros(2, 1)).tolist() == [5.0, 2.0]
