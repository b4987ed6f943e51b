"""The TCN against torch's convolutions over the whole window."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memories.backbones.tcn import TCN, DilatedConvolution
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, parameters, shaken, windows
from tests.reference import tcn


def small(**settings: Any) -> TCN:
    sizes = {"width": 6, "features": 10, "depth": 6}
    module = TCN(3, 20, 4, **sizes | settings, generator=generator(1))
    shaken(module)
    return module


@pytest.mark.parametrize("settings", [{}, {"depth": 2}, {"kernel": 5}, {"revin": False}], ids=str)
def test_forecasts_and_gradients_equal_the_convolutions_of_all_rows(settings):
    """Depth 6 has dilations up to 64 in a window of 20, of which only the newest row counts."""
    module = small(**settings)
    x = windows(3, 20, 3)
    named = dict(module.named_parameters())
    expected = tcn.forecast(
        named,
        x,
        depth=settings.get("depth", 6),
        kernel=settings.get("kernel", 3),
        revin=settings.get("revin", True),
    )
    seen = module(x)
    torch.testing.assert_close(seen, expected, rtol=1e-10, atol=1e-9)
    probe = torch.randn(seen.shape, generator=generator(3), dtype=torch.float64)
    slopes = torch.autograd.grad((seen * probe).sum(), list(named.values()))
    wanted = torch.autograd.grad((expected * probe).sum(), list(named.values()))
    for name, got, want in zip(named, slopes, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-8, msg=name)


@pytest.mark.parametrize(("dilation", "kernel"), [(1, 3), (4, 3), (9, 3), (10, 3), (11, 3), (3, 5)])
def test_a_convolution_is_torchs(dilation, kernel):
    """At and beyond the window's length of 10 every tap but the middle one sees zeros."""
    ours = DilatedConvolution(4, 3, kernel, dilation, generator(2)).double()
    x = torch.randn(2, 10, 4, generator=generator(5), dtype=torch.float64)
    weights = {f"it.{name}": w for name, w in ours.state_dict().items()}
    expected = tcn.convolution(weights, "it", x.transpose(1, 2), kernel, dilation)
    torch.testing.assert_close(ours(x), expected.transpose(1, 2), rtol=1e-12, atol=1e-12)


def test_the_number_of_parameters():
    """C = 7, H = 24: 8 * 64 for the rows; ten blocks of two 64 x 64 x 3 convolutions; a last one
    of 64 x 320 x 3, 320 x 320 x 3 and a 64 x 320 map; 321 * 168 for the head; 14 for gain, shift.
    """
    block = 2 * (3 * 64 * 64 + 64)
    last = (3 * 64 + 1) * 320 + (3 * 320 + 1) * 320 + 65 * 320
    module = TCN(7, 60, 24, generator=generator())
    assert parameters(module) == 8 * 64 + 10 * block + last + 321 * 168 + 14 == 691_574


def test_convolutions_start_as_torchs_do():
    """U(+-1/sqrt(inputs x taps)), here 1/sqrt(192)."""
    module = TCN(7, 60, 24, generator=generator(1))
    for drawn in module.blocks[3].first.parameters():
        assert 0.95 * 192**-0.5 < drawn.abs().max() <= 192**-0.5


def test_an_even_kernel_is_refused():
    with pytest.raises(InvalidParameter, match="kernel: must be odd, got 4"):
        TCN(1, 8, 2, kernel=4, generator=generator())


def test_the_head_is_the_last_linear_map():
    assert TCN.head is not None
    head = small().get_submodule(TCN.head)
    assert isinstance(head, nn.Linear)
    assert head.out_features == 4 * 3
