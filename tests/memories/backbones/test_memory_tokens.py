"""What every encoder promises that takes memory tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from bench import registry
from memories.backbones.base import Training
from memories.backbones.itransformer import ITransformer
from memories.backbones.spectral_former import SpectralFormer
from memories.backbones.spectral_former_v1 import SpectralFormerV1
from memories.backbones.tokens import TokenBackbone
from tests.memories.backbones.drawn import generator, shaken, windows

BATCH, LOOKBACK, CHANNELS, HORIZON, TOKENS, WIDTH = 4, 20, 3, 6, 2, 8
SIZES = {"width": WIDTH, "heads": 2, "feedforward": 12, "layers": 2}
Build = Callable[..., TokenBackbone]


def former(seed: int = 1) -> TokenBackbone:
    sizes = (CHANNELS, LOOKBACK, HORIZON)
    return SpectralFormer(*sizes, patch=5, **SIZES, generator=generator(seed))


def former_v1(seed: int = 1) -> TokenBackbone:
    sizes = (CHANNELS, LOOKBACK, HORIZON)
    return SpectralFormerV1(*sizes, label_len=4, **SIZES, generator=generator(seed))


def itransformer(seed: int = 1) -> TokenBackbone:
    sizes = (CHANNELS, LOOKBACK, HORIZON)
    return ITransformer(*sizes, **SIZES, generator=generator(seed))


HIDDEN = {
    former: (BATCH, LOOKBACK // 5, CHANNELS, WIDTH),
    former_v1: (BATCH, LOOKBACK, 1, WIDTH),
    itransformer: (BATCH, 1, CHANNELS, WIDTH),
}
ENCODERS = list(HIDDEN)
encoders = pytest.mark.parametrize("build", ENCODERS)


def drawn(build: Build, seed: int = 1) -> TokenBackbone:
    module = build(seed)
    shaken(module, seed)
    return module


def x() -> Tensor:
    return windows(BATCH, LOOKBACK, CHANNELS)


def tokens(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, WIDTH, generator=generator(seed), dtype=torch.float64)


def test_these_are_all_that_ship():
    takes = [
        entry.cls
        for entry in registry.entries("backbone")
        if not entry.plugin and issubclass(entry.cls, TokenBackbone)
    ]
    assert {type(build()) for build in ENCODERS} == set(takes)


@encoders
def test_hidden_states_are_of_the_encoders_own_positions(build: Build):
    module = drawn(build)
    for count in (0, TOKENS):
        forecast, hidden = module.with_tokens(x(), tokens(count))
        assert forecast.shape == (BATCH, HORIZON, CHANNELS)
        assert hidden.shape == HIDDEN[build]


@encoders
def test_no_tokens_are_a_forecast_without_memory(build: Build):
    module = drawn(build)
    for none in (tokens(0), tokens(BATCH, 0)):
        assert torch.equal(module.with_tokens(x(), none)[0], module(x()))


@encoders
def test_tokens_for_every_window_are_those_shared_by_all(build: Build):
    """Products of the same numbers may be summed in another order, hence no equality of bits."""
    module = drawn(build)
    shared = tokens(TOKENS)
    seen = module.with_tokens(x(), shared)
    each = module.with_tokens(x(), shared.expand(BATCH, TOKENS, WIDTH))
    for got, want in zip(seen, each, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@encoders
def test_a_window_sees_its_own_tokens_only(build: Build):
    module = drawn(build)
    own, other = tokens(BATCH, TOKENS), tokens(BATCH, TOKENS)
    other[2] += tokens(TOKENS, seed=8)
    (seen, hidden), (changed, moved) = (module.with_tokens(x(), t) for t in (own, other))
    kept = [0, 1, 3]
    torch.testing.assert_close(seen[kept], changed[kept], rtol=1e-12, atol=1e-12)
    assert (seen[2] - changed[2]).abs().max() > 1e-3
    assert (hidden[2] - moved[2]).abs().max() > 1e-3


@encoders
def test_the_order_of_windows_does_not_matter(build: Build):
    module = drawn(build)
    own, order = tokens(BATCH, TOKENS), [2, 0, 3, 1]
    seen = module.with_tokens(x(), own)
    for got, want in zip(module.with_tokens(x()[order], own[order]), seen, strict=True):
        torch.testing.assert_close(got, want[order], rtol=1e-11, atol=1e-11)


@encoders
def test_forecasts_follow_shift_and_scale_and_hidden_states_do_not(build: Build):
    """Up to the 1e-5 beside variances of at least 1."""
    module = drawn(build)
    scale = torch.tensor([0.5, 2.0, 30.0], dtype=torch.float64)
    shift = torch.tensor([-100.0, 0.0, 7.0], dtype=torch.float64)
    own = tokens(TOKENS)
    seen, hidden = module.with_tokens(x(), own)
    moved, same = module.with_tokens(scale * x() + shift, own)
    torch.testing.assert_close(moved, scale * seen + shift, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(same, hidden, rtol=1e-4, atol=1e-4)


@encoders
def test_gradients_reach_tokens_and_every_weight(build: Build):
    module = drawn(build)
    own = tokens(BATCH, TOKENS).requires_grad_()
    forecast, _ = module.with_tokens(x(), own)
    slopes = torch.autograd.grad(forecast.square().sum(), [own, *module.parameters()])
    assert slopes[0].abs().amin(dim=-1).min() > 0
    names = ["tokens", *dict(module.named_parameters())]
    # the softmax takes no notice of what is added to all scores of a query
    blind = [name for name, s in zip(names, slopes, strict=True) if s.abs().max() < 1e-9]
    assert blind == [name for name in names if name.endswith("key.bias")]


@encoders
def test_an_addend_is_added_in_the_units_of_the_normalised_window(build: Build):
    """It is a map of hidden states, which are those that are handed out."""
    module = drawn(build)
    weight = torch.randn(WIDTH, HORIZON, generator=generator(3), dtype=torch.float64)
    given = []

    def addend(hidden: Tensor) -> Tensor:
        given.append(hidden)
        return hidden.mean(1) @ weight

    plain, _ = module.with_tokens(x(), tokens(TOKENS))
    seen, hidden = module.with_tokens(x(), tokens(TOKENS), None, addend)
    assert torch.equal(given[0], hidden)
    spread = (x().var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    extra = (hidden.mean(1) @ weight).transpose(1, 2)
    torch.testing.assert_close(seen, plain + extra * spread, rtol=1e-10, atol=1e-10)
    nothing, _ = module.with_tokens(x(), tokens(TOKENS), None, lambda hidden: None)
    assert torch.equal(nothing, plain)


@encoders
def test_a_pass_with_tokens_takes_as_much_noise_as_it_counts(build: Build):
    module = drawn(build)
    counting, without = Training(), Training()
    module.with_tokens(x(), tokens(TOKENS), counting)
    module(x(), without)
    assert counting.used > without.used
    draws = torch.rand(counting.used, generator=generator(9), dtype=torch.float64)
    taking = Training(draws)
    noisy, _ = module.with_tokens(x(), tokens(TOKENS), taking)
    assert taking.used == counting.used
    assert (noisy - module.with_tokens(x(), tokens(TOKENS))[0]).abs().max() > 1e-3


class Calls(nn.Module):
    """Makes `with_tokens` what a module is called for, as `functional_call` needs it."""

    def __init__(self, encoder: TokenBackbone) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *given: Any) -> Any:
        return self.encoder.with_tokens(*given)


@pytest.mark.parametrize("per_window", [False, True])
@encoders
def test_lanes_equal_each_alone_with_dropout_and_gradients(build: Build, per_window: bool):
    modules = [Calls(drawn(build, seed)) for seed in (1, 2, 3)]
    weights, _ = stack_module_state(modules)
    weights = {name: w.detach() for name, w in weights.items()}
    batches = torch.stack([windows(BATCH, LOOKBACK, CHANNELS, seed) for seed in range(3)])
    shape = (BATCH, TOKENS) if per_window else (TOKENS,)
    own = torch.stack([tokens(*shape, seed=seed) for seed in range(3)])
    counting = Training()
    modules[0](batches[0], own[0], counting)
    draws = torch.rand(3, counting.used, generator=generator(9), dtype=torch.float64)

    def loss(values, memory, batch, noise):
        forecast, hidden = functional_call(modules[0], values, (batch, memory, Training(noise)))
        return forecast.square().mean(), (forecast, hidden)

    slopes, made = vmap(grad(loss, argnums=(0, 1), has_aux=True))(weights, own, batches, draws)
    for lane, module in enumerate(modules):
        memory = own[lane].clone().requires_grad_()
        alone = module(batches[lane], memory, Training(draws[lane]))
        for got, want in zip(made, alone, strict=True):
            torch.testing.assert_close(got[lane], want, rtol=1e-9, atol=1e-9)
        mean = alone[0].square().mean()
        *wanted, into = torch.autograd.grad(mean, [*module.parameters(), memory])
        torch.testing.assert_close(slopes[1][lane], into, rtol=1e-6, atol=1e-8)
        for (name, _), want in zip(module.named_parameters(), wanted, strict=True):
            torch.testing.assert_close(slopes[0][name][lane], want, rtol=1e-6, atol=1e-7)
