"""PatchTST against loops over channels, patches and heads; sizes; presets."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from memories.backbones.layers import ChannelLinear
from memories.backbones.patches import PatchEmbedding, sinusoid
from memories.backbones.patchtst import PatchTST
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, parameters, shaken, windows
from tests.reference import patchtst


def small(**settings: Any) -> PatchTST:
    """Every weight and statistic moved, so that nothing is at a special value."""
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 3, "patch": 6, "stride": 3}
    module = PatchTST(2, 20, 4, **sizes | settings, generator=generator(1))
    shaken(module)
    return module


VARIANTS: list[dict[str, Any]] = [
    {},
    {"pad_end": False},
    {"res_attention": False},
    {"norm": "layer"},
    {"position": "sinusoidal", "patch_bias": False, "final_norm": True},
    {"preset": "tsl"},
    {"stride": 6},
    {"individual": True},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_forecasts_equal_the_loop(variant):
    module = small(**variant)
    x = windows(3, 20, 2)
    settings = {"stride": 3, "pad_end": True} | variant
    for row, window in zip(module(x), x, strict=True):
        expected = patchtst.forecast(
            module.state_dict(),
            window,
            heads=2,
            layers=3,
            patch=6,
            stride=settings["stride"],
            pad_end=settings["pad_end"],
            res_attention=settings.get("res_attention", variant.get("preset") != "tsl"),
        )
        torch.testing.assert_close(row, expected, rtol=1e-9, atol=1e-9)


def test_residual_attention_changes_the_forecast():
    """The same weights with and without the scores of the layer below."""
    with_scores, without = small(), small(res_attention=False)
    x = windows(3, 20, 2)
    assert (with_scores(x) - without(x)).abs().max() > 0.01


@pytest.mark.parametrize(
    ("lookback", "pad_end", "count"),
    [(336, True, 42), (96, True, 12), (512, True, 64), (336, False, 41), (16, False, 1)],
)
def test_the_number_of_patches(lookback, pad_end, count):
    """(L - 16) // 8 + 1, and one more with the newest row repeated."""
    module = PatchTST(1, lookback, 3, pad_end=pad_end, generator=generator())
    assert module.embedding.count == count
    assert len(module.embedding(torch.randn(5, 1, lookback))) == 5 * count


@pytest.mark.parametrize(
    ("preset", "lookback", "horizon", "count"),
    [
        ("ett-hour", 336, 24, 272 + 672 + 3 * 5_392 + 16_152),
        ("ett-hour", 96, 96, 272 + 12 * 16 + 3 * 5_392 + (12 * 16 + 1) * 96),
        ("large", 336, 96, 17 * 128 + 42 * 128 + 3 * 132_480 + (42 * 128 + 1) * 96),
        ("mid", 336, 96, 17 * 64 + 42 * 64 + 3 * 33_472 + (42 * 64 + 1) * 96),
        ("tsl", 96, 96, 16 * 512 + 3_152_384 + 2 * 512 + (12 * 512 + 1) * 96),
    ],
)
def test_the_number_of_parameters(preset, lookback, horizon, count):
    """Patch map, positions, layers, last norm, head; a layer has 4 (d^2 + d) for attention,
    2 d d_ff + d_ff + d for the feed-forward part and 4 d for two norms: 5,392 at d 16, d_ff 128.
    The first is 33,272; the published 33,275 counts three constant scales of the scores.
    """
    module = PatchTST(7, lookback, horizon, preset=preset, generator=generator())
    assert parameters(module) == count


@pytest.mark.parametrize(("horizon", "heads"), [(96, 2), (192, 8), (336, 8), (720, 16), (24, 2)])
def test_the_heads_of_preset_tsl_follow_the_horizon(horizon, heads):
    module = PatchTST(1, 96, horizon, preset="tsl", generator=generator())
    assert module.layers[0].attention.heads == heads


def test_a_preset_gives_way_to_what_is_set():
    module = PatchTST(
        1, 96, 24, preset="tsl", width=32, heads=4, feedforward=8, layers=2, norm="batch",
        position="learned", patch_bias=True, final_norm=False, res_attention=True, dropout=0.0,
        attention_dropout=0.25, head_dropout=0.5, generator=generator(),
    )  # fmt: skip
    names = dict(module.named_parameters())
    assert names["layers.1.expand.weight"].shape == (8, 32)
    assert names["embedding.position"].shape == (12, 32)
    assert names["embedding.projection.bias"].shape == (32,)
    assert "layers.0.attention_norm.running_var" in dict(module.named_buffers())
    assert module.final_norm is None
    assert module.res_attention
    layer = module.layers[0]
    assert (layer.attention.heads, layer.attention.dropout) == (4, 0.25)
    assert (layer.dropout, layer.attended_dropout, module.head_dropout) == (0.0, 0.0, 0.5)


def test_attention_outputs_are_dropped_twice_as_published_but_once_in_preset_tsl():
    """Two dropouts of 0.3 in a row keep 0.49 and scale by 1 / 0.49: one dropout of 0.51."""
    published = PatchTST(1, 96, 24, generator=generator())
    assert published.layers[0].attended_dropout == pytest.approx(0.51)
    tsl = PatchTST(1, 96, 96, preset="tsl", generator=generator())
    assert tsl.layers[0].attended_dropout == pytest.approx(0.1)


def test_positions_start_within_two_hundredths_and_linear_maps_within_one_over_root_inputs():
    module = PatchTST(1, 336, 24, generator=generator(5))
    position = module.embedding.position.detach()
    assert 0.0195 < position.abs().max() <= 0.02
    assert position.std() == pytest.approx(0.02 / 3**0.5, rel=0.1)
    for inputs, part in [(16, module.embedding.projection), (672, module.projection)]:
        for drawn in part.parameters():
            assert 0.8 * inputs**-0.5 < drawn.abs().max() <= inputs**-0.5
    again, other = (PatchTST(1, 336, 24, generator=generator(seed)) for seed in (5, 6))
    assert torch.equal(again.projection.weight, module.projection.weight)
    assert not torch.equal(other.embedding.position, position)


def test_fixed_positions_are_sines_and_cosines_side_by_side():
    """Width 4: rates 1 and 1/100."""
    code = sinusoid(3, 4).double()
    angle = torch.arange(3.0, dtype=torch.float64)
    columns = [angle.sin(), angle.cos(), (angle / 100).sin(), (angle / 100).cos()]
    torch.testing.assert_close(code, torch.stack(columns, dim=1), rtol=0, atol=1e-6)
    assert sinusoid(3, 5).shape == (3, 5)
    module = PatchTST(1, 96, 24, position="sinusoidal", generator=generator())
    assert "embedding.position" in dict(module.named_buffers())


def test_channels_do_not_see_each_other_in_evaluation():
    module = small()
    x = windows(2, 20, 2)
    changed = torch.cat([x[..., :1], 7 * x[..., 1:] + 5], dim=-1)
    assert torch.equal(module(x)[..., 0], module(changed)[..., 0])
    assert not torch.equal(module(x)[..., 1], module(changed)[..., 1])


def test_a_head_of_ones_own_per_channel():
    module = small(individual=True)
    assert isinstance(module.projection, ChannelLinear)
    with torch.no_grad():
        module.projection.weight[1].zero_()
        module.projection.bias[1].zero_()
    x = windows(2, 20, 2)
    expected = x[..., 1].mean(1, keepdim=True).expand(2, 4)
    torch.testing.assert_close(module(x)[..., 1], expected, rtol=1e-10, atol=1e-10)
    assert (module(x)[..., 0] - x[..., :1].mean(1)).abs().max() > 0.01


def test_the_head_is_the_last_linear_map():
    assert PatchTST.head is not None
    assert isinstance(small().get_submodule(PatchTST.head), nn.Linear)


def test_a_patch_longer_than_the_lookback_is_refused():
    with pytest.raises(InvalidParameter, match=r"patch: must be <= lookback \(12\), got 16"):
        PatchTST(1, 12, 3, generator=generator())


def test_heads_must_divide_the_width():
    with pytest.raises(InvalidParameter, match="heads: must divide the width 16, got 3"):
        PatchTST(1, 96, 24, heads=3, generator=generator())


def test_the_gradient_of_windows_is_taken_for_all_lanes_at_once():
    """TAFAS learns a map of the window; torch warns of an operation that lanes take in turn."""
    module, x = small(), windows(3, 20, 2)

    def loss(window: Tensor) -> Tensor:
        return module(window[None]).square().sum()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = vmap(grad(loss))(x)
    for own, window in zip(together, x, strict=True):
        torch.testing.assert_close(own, grad(loss)(window), rtol=1e-9, atol=1e-9)


def test_without_the_padding_newest_rows_that_fill_no_patch_are_left_out():
    """L = 20, patch 6, stride 3: the last patch ends at row 18 of 20."""
    embedding = PatchEmbedding(
        20, 4, patch=6, stride=3, pad_end=False, position="learned", bias=True, dropout=0.0,
        generator=generator(),
    )  # fmt: skip
    series = torch.randn(1, 1, 20, generator=generator(2))
    other = torch.cat([series[..., :18], series[..., 18:] + 1], dim=-1)
    assert torch.equal(embedding(series), embedding(other))
    assert embedding.count == 5
