"""Networks from a memory to low-rank weights: sizes, starts and where gradients arrive first."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from memories.backbones.dlinear import DLinear
from memories.forecasters.hmem.hypernetwork import FlatHypernetwork, LayerHypernetwork
from memories.forecasters.hmem.lora import Injection

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dlinear() -> DLinear:
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng(1))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def wide(layers: int) -> Injection:
    """Layers from 512 to 512, on the meta device: only their shapes matter."""
    with torch.device("meta"):
        return Injection(nn.Sequential(*[nn.Linear(512, 512) for _ in range(layers)]), rank=8)


def forecast_loss(network: nn.Module, injection: Injection, backbone: nn.Module):
    """Squared error of the adapted forecast, as a function of the network's parameters."""
    windows = torch.randn(2, LOOKBACK, CHANNELS, generator=rng(2))
    memory = torch.randn(6, generator=rng(3))

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        flat = functional_call(network, parameters, (memory,))
        return (injection.forecast(backbone, flat, windows) - 1).square().mean()

    return loss, {name: p.detach() for name, p in network.named_parameters()}


def test_the_flat_network_has_9344_weights_and_33_per_generated_number():
    """m=256, b=32: 256*32+32 + 2*32 + 32*32+32 = 9344; 33 T for T = 14*8*1024 = 114688."""
    injection = wide(14)
    assert injection.size == 114_688
    assert count(FlatHypernetwork(256, injection, generator=rng())) == 9_344 + 33 * 114_688
    assert 9_344 + 33 * 114_688 == 3_794_048


@pytest.mark.parametrize("layers", [1, 2])
def test_the_per_layer_network_has_a_shared_encoder_and_generators_per_layer(layers):
    """m=256, b=32: encoder 256*128+128 + 2*128 + 128*64+64 = 41408; 65*8*1024 = 532480 a layer."""
    network = LayerHypernetwork(256, wide(layers), generator=rng())
    assert count(network.encoder) == 41_408
    assert count(network) == 41_408 + layers * 532_480


@pytest.mark.parametrize("kind", [FlatHypernetwork, LayerHypernetwork])
def test_a_zero_start_generates_some_a_and_no_b(kind):
    injection = Injection(dlinear(), rank=2)
    network = kind(6, injection, bottleneck=4, generator=rng())
    flat = network(torch.randn(6, generator=rng(5)))
    for layer in injection.layers:
        a, b = injection.factors(flat, layer.name)
        assert a.abs().max() > 0
        assert bool((b == 0).all())


@pytest.mark.parametrize("kind", [FlatHypernetwork, LayerHypernetwork])
def test_from_a_zero_start_only_the_generators_of_b_have_a_gradient(kind):
    """The update is B A with B = 0: its derivative is A in B and 0 in A."""
    backbone = dlinear()
    injection = Injection(backbone, rank=2)
    network = kind(6, injection, bottleneck=4, generator=rng())
    loss, parameters = forecast_loss(network, injection, backbone)
    gradient = grad(loss)(parameters)
    for layer in injection.layers:
        for name in ("generators.weight", "generators.bias"):
            assert bool((gradient[name][layer.a.start : layer.a.stop] == 0).all())
            assert gradient[name][layer.b.start : layer.b.stop].abs().max() > 0
    assert all(bool((g == 0).all()) for n, g in gradient.items() if n.startswith("encoder"))


@pytest.mark.parametrize("kind", [FlatHypernetwork, LayerHypernetwork])
def test_after_one_step_all_weights_have_a_gradient(kind):
    backbone = dlinear()
    injection = Injection(backbone, rank=2)
    network = kind(6, injection, bottleneck=4, generator=rng())
    loss, parameters = forecast_loss(network, injection, backbone)
    gradient = grad(loss)(parameters)
    moved = {name: p - 0.1 * gradient[name] for name, p in parameters.items()}
    for name, part in grad(loss)(moved).items():
        assert part.isfinite().all() and part.abs().max() > 0, name


@pytest.mark.parametrize("kind", [FlatHypernetwork, LayerHypernetwork])
def test_a_default_start_changes_the_forecast(kind):
    backbone = dlinear()
    injection = Injection(backbone, rank=2)
    network = kind(6, injection, bottleneck=4, b_init="default", generator=rng())
    windows = torch.randn(2, LOOKBACK, CHANNELS, generator=rng(2))
    flat = network(torch.zeros(6))
    assert (injection.forecast(backbone, flat, windows) - backbone(windows)).abs().max() > 1e-3


def test_both_starts_draw_the_same_numbers():
    injection = Injection(dlinear(), rank=2)
    zero = FlatHypernetwork(6, injection, b_init="zero", generator=rng()).generators.weight
    default = FlatHypernetwork(6, injection, b_init="default", generator=rng()).generators.weight
    a = injection.layers[0].a
    assert torch.equal(zero[a.start : a.stop], default[a.start : a.stop])


def test_per_layer_factors_stay_between_minus_one_and_one_and_flat_ones_need_not():
    injection = Injection(dlinear(), rank=2)
    for kind, bounded in ((LayerHypernetwork, True), (FlatHypernetwork, False)):
        network = kind(6, injection, b_init="default", generator=rng())
        with torch.no_grad():
            network.generators.weight.mul_(100)
        largest = network(torch.ones(6)).abs().max()
        assert bool(largest <= 1) is bounded


def test_the_same_generator_gives_the_same_network_without_touching_the_global_one():
    before = torch.get_rng_state()
    injection = Injection(dlinear(), rank=2)
    one, two, other = (LayerHypernetwork(6, injection, generator=rng(s)) for s in (0, 0, 1))
    assert torch.equal(one(torch.ones(6)), two(torch.ones(6)))
    assert not torch.equal(one(torch.ones(6)), other(torch.ones(6)))
    assert torch.equal(torch.get_rng_state(), before)
