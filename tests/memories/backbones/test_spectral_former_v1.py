"""The first encoder of spectral memory against torch's, and what its decoder cannot do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.backbones.spectral_former_v1 import SpectralFormerV1
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, parameters, shaken, windows
from tests.reference import spectral_former


def small(horizon: int = 13, **settings: Any) -> SpectralFormerV1:
    sizes = {"width": 8, "heads": 2, "feedforward": 12, "layers": 2, "label_len": 5}
    module = SpectralFormerV1(2, 20, horizon, **sizes | settings, generator=generator(1))
    shaken(module)
    return module


def memory(*shape: int) -> Tensor:
    return torch.randn(*shape, 8, generator=generator(5), dtype=torch.float64)


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("horizon", [3, 10, 13])
def test_forecasts_and_hidden_states_equal_torchs_encoder(horizon, count):
    """Position codes are rounded to float32, hence 1e-5."""
    module = small(horizon)
    x, tokens = windows(3, 20, 2), memory(3, count)
    expected, states = spectral_former.forecast_v1(
        module.state_dict(), x, tokens, heads=2, layers=2, label_len=5, horizon=horizon
    )
    seen, hidden = module.with_tokens(x, tokens)
    assert hidden.shape == (3, 20, 1, 8)
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hidden[:, :, 0], states, rtol=1e-5, atol=1e-5)


def test_a_forecast_repeats_itself_every_48_steps():
    module = SpectralFormerV1(2, 96, 120, generator=generator(1))
    shaken(module)
    forecast, _ = module.with_tokens(windows(2, 96, 2), memory(4).repeat(1, 8))
    torch.testing.assert_close(forecast[:, 48:], forecast[:, :-48], rtol=1e-12, atol=0)
    assert (forecast[:, 1:48] - forecast[:, :1]).abs().amin(dim=(0, 2)).min() > 1e-6


def test_a_token_sees_memory_and_earlier_tokens_only():
    """Two rows that change places leave mean and spread of the window as they are."""
    module = small()
    x, tokens = windows(3, 20, 2), memory(4)
    order = [*range(15), 16, 15, *range(17, 20)]
    seen, other = (module.with_tokens(v, tokens)[1] for v in (x, x[:, order]))
    torch.testing.assert_close(seen[:, :15], other[:, :15], rtol=1e-9, atol=1e-9)
    assert (seen - other)[:, 15:].abs().amax(dim=(0, 2, 3)).min() > 1e-4
    _, unlike = module.with_tokens(x, -tokens)
    assert (seen - unlike).abs().amax(dim=(0, 2, 3)).min() > 1e-4


def test_gradients_do_not_come_from_later_rows_nor_turn_nan():
    module = small()
    x = windows(1, 20, 2)
    embedded = []
    module.embedding.register_forward_hook(lambda *call: embedded.append(call[-1]))
    _, hidden = module.with_tokens(x, memory(3))
    (slope,) = torch.autograd.grad(hidden[:, 11].sum(), embedded[0])
    assert slope[:12].abs().amin(dim=1).min() > 0
    assert torch.equal(slope[12:], torch.zeros_like(slope[12:]))


def test_channels_see_each_other():
    module = small()
    x = windows(2, 20, 2)
    changed = torch.cat([x[..., :1], x[..., 1:].flip(1)], dim=-1)
    assert (module(x)[..., 0] - module(changed)[..., 0]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 8 * 64 + 2 * 33_472 + 65 * 7),
        ({"preset": "paper"}, 8 * 512 + 2 * 3_152_384 + 513 * 7),
        ({"preset": "paper", "width": 64, "feedforward": 128, "layers": 1}, 34_439),
    ],
    ids=str,
)
def test_the_number_of_parameters_does_not_depend_on_the_horizon(settings, count):
    """Map of 7 channels, layers, map back. With the 786,432 of its memory's head: 7.1 million."""
    for horizon in (96, 720):
        module = SpectralFormerV1(7, 96, horizon, **settings, generator=generator())
        assert parameters(module) == count


def test_a_short_window_is_repeated_as_a_whole_unless_more_was_asked_for():
    module = SpectralFormerV1(2, 20, 50, generator=generator())
    assert module.label_len == 20
    assert SpectralFormerV1(2, 60, 50, generator=generator()).label_len == 48
    with pytest.raises(InvalidParameter, match=r"label_len: must be <= lookback \(20\), got 21"):
        small(label_len=21)


def test_the_head_is_the_last_linear_map():
    assert SpectralFormerV1.head is not None
    assert isinstance(small().get_submodule(SpectralFormerV1.head), nn.Linear)
