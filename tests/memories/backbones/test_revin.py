"""Reversible instance normalisation: what it takes out, and that it puts it back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memories.backbones.dlinear import DLinear
from memories.backbones.itransformer import ITransformer
from memories.backbones.patchtst import PatchTST
from memories.backbones.revin import RevIN
from memories.backbones.spectral_former import SpectralFormer
from memories.backbones.spectral_former_v1 import SpectralFormerV1
from memories.backbones.tcn import TCN
from tests.memories.backbones.drawn import generator, shaken, windows


def series(seed: int = 7) -> Tensor:
    """[2, 3, 40] in float64."""
    return windows(2, 40, 3, seed).transpose(1, 2)


def test_a_normalised_series_has_mean_zero_and_variance_one():
    """Up to the 1e-5 in the variance, here at least 100."""
    normal, _ = RevIN(3).normalise(series())
    torch.testing.assert_close(normal.mean(-1), torch.zeros(2, 3).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(
        normal.var(-1, correction=0), torch.ones(2, 3).double(), rtol=0, atol=1e-5
    )


def test_by_hand():
    """Of 1, 3: mean 2, variance 1, so (-1, 1) / sqrt(1.00001); gain 2 and shift 5 on top."""
    norm = RevIN(1, affine=True).double()
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(5.0)
    normal, moments = norm.normalise(torch.tensor([[[1.0, 3.0]]], dtype=torch.float64))
    unit = 1.00001**-0.5
    assert normal.flatten().tolist() == pytest.approx([5 - 2 * unit, 5 + 2 * unit], abs=1e-12)
    lead = norm.denormalise(torch.tensor([[[9.0]]], dtype=torch.float64), moments)
    assert lead.item() == pytest.approx((9 - 5) / 2 / unit + 2, abs=1e-8)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("subtract_last", [False, True])
def test_what_is_taken_out_is_put_back(affine, subtract_last):
    """The original divides by gain + 1e-10, hence 1e-8 at values up to 100."""
    norm = RevIN(3, affine=affine, subtract_last=subtract_last)
    shaken(norm)
    there, moments = norm.normalise(series())
    torch.testing.assert_close(norm.denormalise(there, moments), series(), rtol=0, atol=1e-8)


def test_subtracting_the_last_row_centres_on_it_but_scales_by_the_whole_window():
    normal, moments = RevIN(3, subtract_last=True).normalise(series())
    assert torch.equal(moments.centre, series()[..., -1:])
    assert torch.equal(normal[..., -1], torch.zeros(2, 3).double())
    spread = (series().var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(moments.scale, spread, rtol=1e-12, atol=0)


def test_a_constant_window_is_centred_and_not_blown_up():
    normal, moments = RevIN(1).normalise(torch.full((1, 1, 8), 4.0))
    assert torch.equal(normal, torch.zeros(1, 1, 8))
    assert float(moments.scale) == pytest.approx(1e-5**0.5)


def test_no_gradient_flows_through_the_moments():
    """d u / d x is then the identity over sd."""
    x = series().requires_grad_()
    normal, moments = RevIN(3).normalise(x)
    (slope,) = torch.autograd.grad(normal.sum(), x)
    torch.testing.assert_close(slope, (1 / moments.scale).expand_as(x), rtol=1e-12, atol=0)
    assert not moments.centre.requires_grad
    assert not moments.scale.requires_grad


BACKBONES = [
    lambda: PatchTST(3, 24, 5, patch=8, stride=4, width=8, heads=2, generator=generator()),
    lambda: ITransformer(3, 24, 5, width=16, feedforward=16, generator=generator()),
    lambda: TCN(3, 24, 5, width=8, features=12, depth=5, generator=generator()),
    lambda: DLinear(3, 24, 5, revin=True, generator=generator()),
    lambda: SpectralFormer(3, 24, 5, width=8, heads=2, generator=generator()),
    lambda: SpectralFormerV1(3, 24, 5, width=8, heads=2, generator=generator()),
]


@pytest.mark.parametrize("build", BACKBONES)
def test_a_backbone_within_it_follows_shift_and_scale_of_its_window(build):
    """f(s x + m) = s f(x) + m per channel, up to the 1e-5 beside variances of at least 1."""
    backbone: nn.Module = build()
    shaken(backbone)
    x = windows(4, 24, 3)
    scale = torch.tensor([0.5, 2.0, 30.0], dtype=torch.float64)
    shift = torch.tensor([-100.0, 0.0, 7.0], dtype=torch.float64)
    torch.testing.assert_close(
        backbone(scale * x + shift), scale * backbone(x) + shift, rtol=1e-4, atol=1e-3
    )
    unlike = backbone(x + 1.0) - backbone(x) - 1.0
    assert unlike.abs().max() < 1e-6


@pytest.mark.parametrize("cls", [PatchTST, ITransformer, TCN, DLinear])
def test_without_it_a_shift_of_the_window_does_not_shift_the_forecast(cls):
    backbone = cls(3, 24, 5, revin=False, generator=generator())
    shaken(backbone)
    x = windows(2, 24, 3)
    assert (backbone(x + 50.0) - backbone(x) - 50.0).abs().max() > 1.0
