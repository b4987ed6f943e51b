"""SpectralFormer against torch's encoder, one channel at a time; sizes; presets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.backbones.spectral_former import SpectralFormer
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, parameters, shaken, windows
from tests.reference import spectral_former


def small(**settings: Any) -> SpectralFormer:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2, "patch": 5}
    module = SpectralFormer(2, 20, 4, **sizes | settings, generator=generator(1))
    shaken(module)
    return module


def memory(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, 8, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("settings", [{}, {"patch": 1}, {"layers": 1, "heads": 4}], ids=str)
def test_forecasts_and_hidden_states_equal_torchs_encoder(settings, count):
    module = small(**settings)
    x, tokens = windows(3, 20, 2), memory(3, count)
    sizes = {"heads": 2, "layers": 2, "patch": 5} | settings
    expected, states = spectral_former.forecast(module.state_dict(), x, tokens, **sizes)
    seen, hidden = module.with_tokens(x, tokens)
    torch.testing.assert_close(seen, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(hidden, states, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("settings", "horizon", "count"),
    [
        ({}, 96, 8 * 64 + 64 + 12 * 64 + 2 * 33_472 + 12 * 64 * 96 + 96),
        ({"preset": "small-steps"}, 96, 64 + 64 + 96 * 64 + 2 * 33_472 + 96 * 64 * 96 + 96),
        ({"preset": "paper"}, 96, 1_024 + 96 * 512 + 2 * 3_152_384 + 4_718_688),
        ({"preset": "paper", "layers": 1}, 24, 1_024 + 96 * 512 + 3_152_384 + 96 * 512 * 24 + 24),
    ],
    ids=str,
)
def test_the_number_of_parameters(settings, horizon, count):
    """Patch map, positions, layers, head of L d H + H, here 4,718,688 at the published size.

    A layer has 4 (d^2 + d) for attention, 2 d d_ff + d_ff + d for the feed-forward part and 4 d for
    two norms: 33,472 at d 64, d_ff 128, and 3,152,384 as published.
    """
    module = SpectralFormer(7, 96, horizon, **settings, generator=generator())
    assert parameters(module) == count


def test_a_preset_gives_way_to_what_is_set():
    module = SpectralFormer(
        1, 96, 24, preset="paper", width=32, heads=2, feedforward=8, layers=3, patch=12,
        dropout=0.25, generator=generator(),
    )  # fmt: skip
    names = dict(module.named_parameters())
    assert module.token_dim == 32
    assert names["layers.2.expand.weight"].shape == (8, 32)
    assert names["embedding.weight"].shape == (32, 12)
    assert names["position"].shape == (8, 32)
    assert (module.layers[0].attention.heads, module.layers[0].attention.dropout) == (2, 0.25)


def test_the_heads_of_the_presets():
    for preset, heads in {"small": 4, "small-steps": 4, "paper": 8}.items():
        sizes = {"preset": preset, "feedforward": 8, "layers": 1}
        module = SpectralFormer(1, 24, 2, **sizes, generator=generator())
        assert module.layers[0].attention.heads == heads


def test_a_patch_must_divide_the_lookback():
    with pytest.raises(InvalidParameter, match=r"patch: must divide the lookback \(20\), got 8"):
        SpectralFormer(1, 20, 3, generator=generator())


def test_heads_must_divide_the_width():
    with pytest.raises(InvalidParameter, match="heads: must divide the width 64, got 3"):
        SpectralFormer(1, 96, 24, heads=3, generator=generator())


def test_positions_start_normal_and_linear_maps_within_one_over_root_inputs():
    """6,144 draws of N(0, 0.02^2): standard error of the spread 0.9 %."""
    module = SpectralFormer(1, 96, 24, preset="small-steps", generator=generator(5))
    position = module.position.detach()
    assert position.std() == pytest.approx(0.02, rel=0.05)
    assert position.abs().max() > 0.05
    assert 0.95 * 6_144**-0.5 < module.projection.weight.abs().max() <= 6_144**-0.5
    again, other = (
        SpectralFormer(1, 96, 24, preset="small-steps", generator=generator(seed))
        for seed in (5, 6)
    )
    assert torch.equal(again.projection.weight, module.projection.weight)
    assert not torch.equal(other.position, module.position)


def test_channels_do_not_see_each_other():
    module = small()
    x, tokens = windows(2, 20, 2), memory(3)
    changed = torch.cat([x[..., :1], 7 * x[..., 1:].flip(1) + 5], dim=-1)
    seen, other = (module.with_tokens(v, tokens)[0] for v in (x, changed))
    torch.testing.assert_close(seen[..., 0], other[..., 0], rtol=1e-12, atol=1e-12)
    assert (seen[..., 1] - other[..., 1]).abs().max() > 1


def test_the_order_of_memory_tokens_does_not_matter_for_they_have_no_position():
    module = small()
    x, tokens = windows(2, 20, 2), memory(3)
    seen, other = (module.with_tokens(x, t)[0] for t in (tokens, tokens.flip(0)))
    torch.testing.assert_close(seen, other, rtol=1e-11, atol=1e-11)


def test_a_zero_token_acts_as_any_other_without_variation_through_the_bias_of_the_norms():
    """LN(c 1 + z) = LN(z), so in a pre-norm encoder tokens of constants are zero tokens.

    Up to rounding; the 1e-5 inside the norm is the same in both. It still takes attention.
    """
    module = small()
    x = windows(2, 20, 2)
    zero = memory(3).new_zeros(3, 8)
    constant = zero + torch.tensor([[1.0], [-4.0], [9.0]])
    forecasts = [module.with_tokens(x, t)[0] for t in (zero, constant, zero[:0])]
    torch.testing.assert_close(forecasts[0], forecasts[1], rtol=1e-9, atol=1e-9)
    assert (forecasts[0] - forecasts[2]).abs().max() > 1e-2


def test_the_head_is_the_last_linear_map():
    assert SpectralFormer.head is not None
    assert isinstance(small().get_submodule(SpectralFormer.head), nn.Linear)
