"""Scaled rows and columns of a backbone's linear maps, by hand and in every registered backbone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from bench import registry
from bench.running import construct
from memories.base import InvalidParameter, Unsuitable
from memories.forecasters.online.modulation import Modulation
from tests.memories.forecasters.backbones import Newest
from tests.memories.forecasters.online.layered import RowsFirst, layered
from tests.memories.forecasters.online.walks import CHANNELS, HORIZON, LOOKBACK, generator

SIZES = {"channels": 3, "lookback": 32, "horizon": 4}


def built(name: str) -> nn.Module:
    return construct.build_backbone(name, {**SIZES, "generator": generator()}).eval()


def small() -> nn.Module:
    """One map with weight [[1, 2], [3, 4], [5, 6]] and bias [7, 8, 9]."""
    module = nn.Linear(2, 3)
    with torch.no_grad():
        module.weight.copy_(torch.arange(1.0, 7.0).view(3, 2))
        module.bias.copy_(torch.arange(7.0, 10.0))
    return nn.Sequential(module)


def with_offsets(backbone: nn.Module, offsets: Tensor) -> dict[str, Tensor]:
    modulation = Modulation(backbone)
    start = modulation.start(backbone, offsets)
    return modulation.parameters(start, modulation.unit().to(offsets))


def test_rows_columns_and_bias_are_scaled_as_worked_out_by_hand():
    """a = (0, 1, -1), c = (.5, 0), g = (10, 20, 30): rows times 1, 2, 0, the first column times
    1.5, so W' = [[1.5, 2], [9, 8], [0, 0]] and b' = (17, 28, 39).
    """
    offsets = torch.tensor([0.0, 1, -1, 0.5, 0, 10, 20, 30])
    named = with_offsets(small(), offsets)
    assert torch.equal(named["0.weight"], torch.tensor([[1.5, 2], [9, 8], [0, 0]]))
    assert torch.equal(named["0.bias"], torch.tensor([17.0, 28, 39]))


def test_a_generated_adaptation_adds_to_the_offsets():
    backbone = small()
    modulation = Modulation(backbone)
    own, generated = torch.linspace(-1, 1, 8), torch.linspace(0, 3, 8)
    start = modulation.start(backbone, own)
    named = modulation.parameters(start, modulation.unit() + generated)
    for name, expected in with_offsets(backbone, own + generated).items():
        torch.testing.assert_close(named[name], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", registry.names("backbone"))
def test_without_offsets_every_backbone_forecasts_bit_for_bit_as_it_is(name):
    backbone = built(name)
    modulation = Modulation(backbone)
    named = with_offsets(backbone, torch.zeros(modulation.size))
    assert named.keys() == dict(backbone.named_parameters()).keys()
    for own, parameter in backbone.named_parameters():
        assert torch.equal(named[own], parameter)
    windows = torch.randn(1, 32, 3, generator=generator(1))
    assert torch.equal(functional_call(backbone, named, (windows,)), backbone(windows))


@pytest.mark.parametrize("name", [*registry.names("backbone"), "layered"])
def test_samples_modulated_one_by_one_pass_as_through_a_backbone_of_their_own(name):
    """Scaling inputs and outputs rounds differently from scaling weights, hence 1e-4."""
    backbone = layered().eval() if name == "layered" else built(name)
    modulation = Modulation(backbone)
    adaptations = 0.3 * torch.randn(5, modulation.size, generator=generator(1))
    size = (LOOKBACK, CHANNELS) if name == "layered" else (32, 3)
    windows = torch.randn(5, *size, generator=generator(2))
    with modulation.per_sample(backbone, adaptations):
        together = backbone(windows)
    for sample in range(5):
        named = with_offsets(backbone, adaptations[sample])
        alone = functional_call(backbone, named, (windows[sample : sample + 1],))[0]
        torch.testing.assert_close(together[sample], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together, backbone(windows), atol=1e-2)
    modulation.require_samples_first(backbone, windows[0])


def test_gradients_of_samples_reach_their_own_adaptation_only():
    backbone = layered().eval()
    modulation = Modulation(backbone)
    adaptations = torch.zeros(3, modulation.size, requires_grad=True)
    with modulation.per_sample(backbone, adaptations):
        backbone(torch.randn(3, LOOKBACK, CHANNELS))[1].square().sum().backward()
    touched = adaptations.grad.abs().sum(1) > 0
    assert touched.tolist() == [False, True, False]


def test_the_backbone_is_left_as_it_was_even_where_a_pass_fails():
    backbone = layered().eval()
    modulation = Modulation(backbone)
    windows = torch.randn(2, LOOKBACK, CHANNELS)
    before = backbone(windows)
    adaptations = torch.ones(2, modulation.size)
    with pytest.raises(RuntimeError), modulation.per_sample(backbone, adaptations):
        backbone(windows[:, 1:])
    assert torch.equal(backbone(windows), before)


class Bypassing(nn.Module):
    """Uses a layer's weight without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, windows: Tensor) -> Tensor:
        return (windows @ self.layer.weight.T)[:, -HORIZON:]


@pytest.mark.parametrize("backbone", [RowsFirst(), Bypassing()], ids=["rows first", "bypassing"])
def test_a_backbone_whose_samples_cannot_be_told_apart_is_refused(backbone):
    window = torch.randn(LOOKBACK, CHANNELS, generator=generator())
    with pytest.raises(InvalidParameter, match="along their first axis, or are not called"):
        Modulation(backbone).require_samples_first(backbone, window)


def test_a_backbone_without_linear_maps_is_unsuitable():
    with pytest.raises(Unsuitable, match=r"no nn.Linear or nn.Conv1d layer"):
        Modulation(Newest(HORIZON, CHANNELS))


def test_layers_of_one_shape_and_groups_of_one_size_lie_side_by_side():
    names = [layer.name for layer in Modulation(layered()).layers]
    assert sorted(names) == sorted(
        name
        for name, module in layered().named_modules()
        if isinstance(module, nn.Linear | nn.Conv1d)
    )
    square = [name for name in names if name.endswith(("query", "key"))]
    assert square == ["first.key", "second.key", "first.query", "second.query"]
    shapes = [layer.shape for layer in Modulation(layered()).layers]
    assert len([s for s, t in zip(shapes, [None, *shapes], strict=False) if s != t]) == len(
        set(shapes)
    )


def test_biases_of_modulated_layers_are_learned_through_their_shift_alone():
    """Trained are every weight, the norm's two vectors, and a, c and g of each layer; a bias is
    part of its g.
    """
    backbone = layered()
    modulation = Modulation(backbone)
    offsets = torch.randn(modulation.size, generator=generator())
    start = modulation.start(backbone, offsets)
    biases = sum(
        module.bias.numel()
        for module in backbone.modules()
        if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None
    )
    everything = sum(p.numel() for p in backbone.parameters())
    trained = sum(math.prod(shape) for shape in modulation.packing.shapes)
    assert trained == everything - biases + modulation.size
    assert start.shape == (modulation.packing.size,)
    named = modulation.parameters(start, modulation.unit())
    at = 0
    for layer in modulation.layers:
        g = offsets[at + sum(layer.parts[:2]) : at + layer.size]
        at += layer.size
        if layer.biased:
            expected = backbone.get_parameter(f"{layer.name}.bias") + g
            torch.testing.assert_close(named[f"{layer.name}.bias"], expected)


def test_it_can_be_mapped_over_lanes_with_gradients_inside():
    backbone = layered().eval()
    modulation = Modulation(backbone)
    starts = torch.stack(
        [
            modulation.start(layered(seed), torch.randn(modulation.size, generator=generator(seed)))
            for seed in range(3)
        ]
    ).detach()
    scales = modulation.unit() + 0.1 * torch.randn(3, modulation.size, generator=generator(9))
    window = torch.randn(LOOKBACK, CHANNELS, generator=generator(8))

    def loss(start: Tensor, scales: Tensor) -> Any:
        named = modulation.parameters(start, scales)
        return functional_call(backbone, named, (window[None],)).square().sum()

    together = vmap(grad(loss))(starts, scales)
    for lane in range(3):
        alone = grad(loss)(starts[lane], scales[lane])
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)
