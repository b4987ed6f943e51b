"""iTransformer against torch's own encoder; sizes; presets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memories.backbones.itransformer import ITransformer
from tests.memories.backbones.drawn import generator, parameters, shaken, windows
from tests.reference import itransformer, spectral_former


def small(**settings: Any) -> ITransformer:
    sizes = {"width": 16, "heads": 4, "feedforward": 12, "layers": 2}
    module = ITransformer(3, 20, 5, **sizes | settings, generator=generator(1))
    shaken(module)
    return module


def test_forecasts_and_gradients_equal_torchs_encoder():
    module = small()
    x = windows(4, 20, 3).requires_grad_()
    weights = {name: w.detach() for name, w in module.state_dict().items()}
    expected = itransformer.forecast(weights, x.detach(), heads=4, layers=2)
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("revin", [True, False])
def test_with_memory_tokens_channels_follow_them_in_torchs_encoder(revin):
    """Hidden states are the channels' normalised tokens; those of memory are dropped."""
    module = small(revin=revin)
    x = windows(4, 20, 3)
    tokens = torch.randn(4, 2, 16, generator=generator(6), dtype=torch.float64)
    weights = module.state_dict()
    normal, mean, spread = spectral_former.normalised(x) if revin else (x, 0.0, 1.0)
    rows = torch.cat([tokens, module.embedding(normal.transpose(1, 2))], dim=1)
    for number in range(2):
        rows = itransformer.torch_layer(weights, f"layers.{number}", 4)(rows)
    states = module.final_norm(rows[:, 2:])
    seen, hidden = module.with_tokens(x, tokens)
    torch.testing.assert_close(hidden[:, 0], states, rtol=1e-10, atol=1e-10)
    expected = module.projection(states).transpose(1, 2) * spread + mean
    torch.testing.assert_close(seen, expected, rtol=1e-10, atol=1e-10)


def test_channels_see_each_other():
    module = small()
    x = windows(2, 20, 3)
    changed = torch.cat([x[..., :2], x[..., 2:].flip(1)], dim=-1)
    assert (module(x)[..., 0] - module(changed)[..., 0]).abs().max() > 1e-3


def test_it_does_not_depend_on_the_order_of_channels():
    module = small()
    x = windows(2, 20, 3)
    order = [2, 0, 1]
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 43_136 + 2 * 99_584 + 256 + 3_096),
        ({"preset": "etth1"}, 337 * 256 + 2 * 395_776 + 512 + 257 * 24),
        ({"preset": "weather"}, 337 * 512 + 3 * 1_577_984 + 1_024 + 513 * 24),
        ({"preset": "traffic"}, 337 * 512 + 4 * 1_577_984 + 1_024 + 513 * 24),
        ({"preset": "small"}, 337 * 64 + 2 * 33_472 + 128 + 65 * 24),
        ({"preset": "traffic", "width": 128, "feedforward": 128, "layers": 2}, 245_656),
    ],
)
def test_the_number_of_parameters(settings, count):
    """L = 336, H = 24: embedding, layers, last norm, head; 245,656 in all with preset ett.

    A layer has 4 (d^2 + d) for attention, 2 (d^2 + d) for the feed-forward part with d_ff = d and
    4 d for two norms: 6 d^2 + 10 d; 33,472 in preset small, with d 64 and d_ff 128.
    """
    module = ITransformer(7, 336, 24, **settings, generator=generator())
    assert parameters(module) == count


@pytest.mark.parametrize(("settings", "heads"), [({}, 8), ({"preset": "small"}, 4)], ids=str)
def test_the_heads_follow_the_preset_unless_they_are_set(settings, heads):
    for given, wanted in [({}, heads), ({"heads": 2}, 2)]:
        module = ITransformer(2, 20, 4, **settings | given, generator=generator())
        assert module.layers[0].attention.heads == wanted


def test_linear_maps_start_within_one_over_root_inputs_and_follow_the_generator():
    module = ITransformer(7, 400, 24, generator=generator(3))
    for drawn in module.embedding.parameters():
        assert 0.95 / 20 < drawn.abs().max() <= 1 / 20
    again, other = (ITransformer(7, 400, 24, generator=generator(seed)) for seed in (3, 4))
    assert torch.equal(again.embedding.weight, module.embedding.weight)
    assert not torch.equal(other.embedding.weight, module.embedding.weight)


def test_the_head_is_the_last_linear_map():
    assert ITransformer.head is not None
    assert isinstance(small().get_submodule(ITransformer.head), nn.Linear)
