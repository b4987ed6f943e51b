"""What every backbone promises of its two modes, and as lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from memories.backbones.base import Backbone, Training
from memories.backbones.dlinear import DLinear
from memories.backbones.itransformer import ITransformer
from memories.backbones.layers import BatchNorm
from memories.backbones.patchtst import PatchTST
from memories.backbones.spectral_former import SpectralFormer
from memories.backbones.spectral_former_v1 import SpectralFormerV1
from memories.backbones.tcn import TCN
from tests.memories.backbones.drawn import generator, shaken, windows

CHANNELS, LOOKBACK, HORIZON, BATCH = 3, 20, 4, 5
PATCHES = 6
Build = Callable[..., Backbone]


def patchtst(seed: int = 1, **settings: Any) -> PatchTST:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2, "patch": 6, "stride": 3}
    return PatchTST(CHANNELS, LOOKBACK, HORIZON, **sizes | settings, generator=generator(seed))


def tsl(seed: int = 1, **settings: Any) -> PatchTST:
    return patchtst(seed, preset="tsl", **settings)


def itransformer(seed: int = 1, **settings: Any) -> ITransformer:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2}
    return ITransformer(CHANNELS, LOOKBACK, HORIZON, **sizes | settings, generator=generator(seed))


def tcn(seed: int = 1, **settings: Any) -> TCN:
    sizes = {"width": 6, "features": 10, "depth": 5}
    return TCN(CHANNELS, LOOKBACK, HORIZON, **sizes | settings, generator=generator(seed))


def dlinear(seed: int = 1, **settings: Any) -> DLinear:
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=5, **settings, generator=generator(seed))


def former(seed: int = 1, **settings: Any) -> SpectralFormer:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2, "patch": 5}
    settings = sizes | settings
    return SpectralFormer(CHANNELS, LOOKBACK, HORIZON, **settings, generator=generator(seed))


def former_v1(seed: int = 1, **settings: Any) -> SpectralFormerV1:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2, "label_len": 3}
    settings = sizes | settings
    return SpectralFormerV1(CHANNELS, LOOKBACK, HORIZON, **settings, generator=generator(seed))


BACKBONES = [patchtst, tsl, itransformer, tcn, dlinear, former, former_v1]
DROPPED_TOKENS = [patchtst, tsl, itransformer, tcn, former]
WITH_DROPOUT = [*DROPPED_TOKENS, former_v1]
NO_DROPOUT = {
    patchtst: {"dropout": 0.0},
    tsl: {"dropout": 0.0, "attention_dropout": 0.0, "head_dropout": 0.0},
    itransformer: {"dropout": 0.0},
    tcn: {"dropout": 0.0},
    dlinear: {},
    former: {"dropout": 0.0},
    former_v1: {"dropout": 0.0},
}


def drawn(build: Build, **settings: Any) -> Backbone:
    module = build(**settings)
    shaken(module)
    return module


def noise(module: Backbone, seed: int = 9) -> Tensor:
    size = module.noise_size(windows(BATCH, LOOKBACK, CHANNELS))
    return torch.rand(size, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("build", BACKBONES)
def test_without_dropout_training_is_evaluation_but_for_the_batchs_statistics(build: Build):
    """Evaluated with the statistics of the very batch, which has 90 rows, it is the same."""
    module = drawn(build, **NO_DROPOUT[build])
    x = windows(BATCH, LOOKBACK, CHANNELS)
    training = Training()
    trained = module(x, training)
    assert training.used == 0
    batch_norms = [m for m in module.modules() if isinstance(m, BatchNorm)]
    assert set(training.statistics) == set(batch_norms)
    if batch_norms:
        assert (module(x) - trained).abs().max() > 1e-3
    rows = BATCH * CHANNELS * PATCHES
    for norm, own in training.statistics.items():
        mean = (own["running_mean"] - 0.9 * norm.running_mean) / 0.1
        var = (own["running_var"] - 0.9 * norm.running_var) / 0.1
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var * (rows - 1) / rows)
    torch.testing.assert_close(module(x), trained, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("build", BACKBONES)
def test_evaluation_changes_nothing_and_repeats_itself(build: Build):
    module = drawn(build)
    before = {name: w.clone() for name, w in module.state_dict().items()}
    x = windows(BATCH, LOOKBACK, CHANNELS)
    assert torch.equal(module(x), module(x))
    module(x, Training(noise(module)))
    assert all(torch.equal(before[name], w) for name, w in module.state_dict().items())


@pytest.mark.parametrize("build", WITH_DROPOUT)
def test_the_same_noise_gives_the_same_forecast_and_other_noise_another(build: Build):
    module = drawn(build)
    x = windows(BATCH, LOOKBACK, CHANNELS)
    training = Training(noise(module))
    first = module(x, training)
    assert training.used == len(training.noise)
    assert torch.equal(first, module(x, Training(noise(module))))
    assert not torch.equal(first, module(x, Training(noise(module, seed=10))))
    assert not torch.equal(first, module(x, Training()))


TOKENS = BATCH * CHANNELS * PATCHES
SIZES = [
    (patchtst, TOKENS * (8 + 2 * (8 + 12 + 8))),
    (tsl, TOKENS * (8 + 2 * (2 * PATCHES + 8 + 12 + 8)) + BATCH * CHANNELS * HORIZON),
    (itransformer, BATCH * CHANNELS * (8 + 2 * (2 * CHANNELS + 8 + 12 + 8))),
    (tcn, BATCH * 10),
    (dlinear, 0),
    (former, BATCH * CHANNELS * 4 * (8 + 2 * (2 * 4 + 8 + 12 + 8))),
    (former_v1, BATCH * LOOKBACK * 2 * (2 * LOOKBACK + 8 + 12 + 8)),
]


@pytest.mark.parametrize(("build", "size"), SIZES)
def test_the_noise_of_a_pass_is_one_number_per_element_that_may_be_dropped(build: Build, size: int):
    """Tokens; per layer what attention returns, d_ff and d, and heads x N attention weights a
    token where these are dropped; the forecast in preset tsl; the newest row's features in a TCN.
    """
    assert drawn(build).noise_size(windows(BATCH, LOOKBACK, CHANNELS)) == size


@pytest.mark.parametrize("build", DROPPED_TOKENS)
def test_where_everything_is_dropped_all_windows_look_the_same(build: Build):
    """Tokens, or the features of the newest row, are zeros; only the window's moments are left."""
    module = drawn(build)
    x = windows(BATCH, LOOKBACK, CHANNELS)
    cut = module(x, Training(torch.zeros_like(noise(module))))
    mean, spread = x.mean(1, keepdim=True), (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    normal = (cut - mean) / spread
    torch.testing.assert_close(normal, normal[:1].expand_as(normal), rtol=1e-6, atol=1e-6)
    whole = (module(x) - mean) / spread
    assert (whole - whole[:1]).abs().max() > 0.01


def forecasts(module: Backbone, values: Any, x: Tensor, draws: Tensor) -> Any:
    training = Training(draws)
    return functional_call(module, values, (x, training)), module.statistics(training)


@pytest.mark.parametrize("build", BACKBONES)
def test_lanes_in_evaluation_equal_each_alone_with_their_gradients(build: Build):
    modules = [drawn(build, seed=seed) for seed in range(3)]
    for lane, module in enumerate(modules):
        shaken(module, seed=lane)
    params, buffers = stack_module_state(modules)
    params = {name: p.detach() for name, p in params.items()}
    x = torch.stack([windows(1, LOOKBACK, CHANNELS, seed) for seed in range(3)])

    def loss(own, fixed, batch):
        out = functional_call(modules[0], (own, fixed), (batch,))
        return (out**2).mean(), out

    slopes, out = vmap(grad(loss, has_aux=True))(params, buffers, x)
    for lane, module in enumerate(modules):
        alone = module(x[lane])
        torch.testing.assert_close(out[lane], alone, rtol=1e-10, atol=1e-10)
        wanted = torch.autograd.grad((alone**2).mean(), list(module.parameters()))
        for (name, _), want in zip(module.named_parameters(), wanted, strict=True):
            torch.testing.assert_close(slopes[name][lane], want, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("build", BACKBONES)
def test_lanes_in_training_equal_each_alone_with_their_statistics(build: Build):
    modules = [drawn(build, seed=seed) for seed in range(3)]
    params, buffers = stack_module_state(modules)
    x = torch.stack([windows(BATCH, LOOKBACK, CHANNELS, seed) for seed in range(3)])
    draws = torch.stack([noise(modules[0], seed) for seed in range(3)])

    def loss(own, fixed, batch, numbers):
        out, kept = forecasts(modules[0], (own, fixed), batch, numbers)
        return (out**2).mean(), (out, kept)

    slopes, (out, kept) = vmap(grad(loss, has_aux=True))(params, buffers, x, draws)
    for lane, module in enumerate(modules):
        training = Training(draws[lane])
        alone = module(x[lane], training)
        torch.testing.assert_close(out[lane], alone, rtol=1e-9, atol=1e-9)
        own = module.statistics(training)
        assert own.keys() == kept.keys() <= dict(module.named_buffers()).keys()
        for name, value in own.items():
            torch.testing.assert_close(kept[name][lane], value, rtol=1e-10, atol=1e-10)
        wanted = torch.autograd.grad((alone**2).mean(), list(module.parameters()))
        for (name, _), want in zip(module.named_parameters(), wanted, strict=True):
            torch.testing.assert_close(slopes[name][lane], want, rtol=1e-6, atol=1e-6)
