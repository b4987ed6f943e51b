"""An encoder and a memory as one module: tokens in, a read-out of what is pooled, statistics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memories.backbones.base import Training
from memories.backbones.dlinear import DLinear
from memories.backbones.patchtst import PatchTST
from memories.backbones.tokens import TokenModel, WithoutTokens, tried
from memories.base import BackboneSlot, InvalidParameter
from memories.floors.plain_backbone import PlainBackbone
from tests.memories.token_training.small_models import (
    CHANNELS,
    HORIZON,
    LOOKBACK,
    WIDTH,
    Mean,
    batch,
    former,
    generator,
    mixer,
    model,
    spectral,
)

WINDOWS = batch(0, [0], size=5)[0][0]


def warm(seed: int, memory: object, encoder: object = former) -> tuple[TokenModel, dict]:
    """A model and a state after eight passes."""
    made = model(seed, memory, encoder)
    state = made.memory.init_state()
    for step in range(8):
        _, hidden = made.forecast(batch(step, [0])[0][0], made.memory.snapshot(state))
        state = made.memory.absorb_batch(state, hidden.detach())
    return made.requires_grad_(False), state


def test_a_model_forecasts_with_the_tokens_of_its_memory() -> None:
    made, state = warm(1, spectral())
    tokens = made.memory.tokens(state)
    assert float(tokens.abs().max()) > 0
    forecasts, hidden = made.forecast(WINDOWS, made.memory.snapshot(state))
    expected, own = made.encoder.with_tokens(WINDOWS, tokens)
    assert torch.equal(forecasts, expected)
    assert torch.equal(hidden, own)
    assert not torch.allclose(forecasts, made(WINDOWS))


def test_called_alone_it_forecasts_with_an_empty_memory() -> None:
    made, _ = warm(1, spectral())
    zeros = torch.zeros(2, WIDTH)
    assert torch.equal(made(WINDOWS), made.encoder.with_tokens(WINDOWS, zeros)[0])


def test_an_encoder_called_alone_has_no_tokens_at_all() -> None:
    """Not even one of zeros, on which attention could rest."""
    encoder = former(generator(0))
    alone = encoder(WINDOWS)
    assert torch.equal(alone, encoder.with_tokens(WINDOWS, torch.zeros(0, WIDTH))[0])
    assert not torch.allclose(alone, encoder.with_tokens(WINDOWS, torch.zeros(1, WIDTH))[0])


def test_every_window_may_have_a_snapshot_of_its_own() -> None:
    """Three warm windows and two with an empty memory; float32 in another shape: 1e-6."""
    made, state = warm(1, spectral())
    full = made.memory.snapshot(state)
    empty = made.memory.snapshot(made.memory.init_state())
    each = [full, empty, full, full, empty]
    stacked = {name: torch.stack([s[name] for s in each]) for name in full}
    seen, _ = made.forecast(WINDOWS, stacked)
    for place, snapshot in enumerate(each):
        alone, _ = made.forecast(WINDOWS[place : place + 1], snapshot)
        torch.testing.assert_close(seen[place : place + 1], alone, rtol=1e-5, atol=1e-6)


def test_only_memories_that_pool_for_the_forecast_have_a_read_out() -> None:
    assert model(0, spectral()).readout is None
    assert model(0, spectral(pool="attn-frozen")).readout is None
    made = model(0, spectral(pool="attn-trained"), former)
    assert isinstance(made.readout, nn.Linear)
    assert (made.readout.in_features, made.readout.out_features) == (WIDTH, HORIZON)
    bound = WIDTH**-0.5
    assert float(made.readout.weight.detach().abs().max()) <= bound


def test_what_is_read_from_pooled_states_is_added_in_the_windows_units() -> None:
    made, state = warm(1, spectral(pool="attn-trained"))
    snapshot = made.memory.snapshot(state)
    forecasts, hidden = made.forecast(WINDOWS, snapshot)
    without, _ = made.encoder.with_tokens(WINDOWS, made.memory.tokens(state))
    assert made.readout is not None
    added = made.readout(made.memory.pooled(hidden)).mT
    spread = (WINDOWS.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(forecasts - without, added * spread, rtol=1e-4, atol=1e-5)
    assert float(added.abs().max()) > 0.01


def test_dropout_is_counted_in_memory_and_encoder() -> None:
    made = model(0, Mean, mixer)
    counting = Training()
    made.forecast(WINDOWS, made.memory.init_state(), counting)
    assert counting.used == WIDTH + 5 * CHANNELS * WIDTH
    assert made.noise_size(WINDOWS) == counting.used


def test_batch_statistics_are_named_as_the_models_buffers() -> None:
    made = model(0, Mean, mixer)
    training = Training(torch.rand(made.noise_size(WINDOWS), generator=generator(0)))
    made.forecast(WINDOWS, made.memory.init_state(), training)
    names = dict(made.named_buffers())
    assert made.statistics(training).keys() <= names.keys()
    assert "encoder.norm.running_mean" in made.statistics(training)


@pytest.mark.parametrize("kind", ["backbone", "module"])
def test_a_backbone_without_tokens_forecasts_as_it_is(kind: str) -> None:
    """One that knows of training is trained as such; a plug-in's module is called with windows."""
    plain: nn.Module
    if kind == "backbone":
        plain = PatchTST(CHANNELS, LOOKBACK, HORIZON, patch=4, stride=2, dropout=0.5,
                         generator=generator(0))  # fmt: skip
    else:
        plain = nn.Sequential(nn.Flatten(), nn.Linear(LOOKBACK * CHANNELS, HORIZON * CHANNELS),
                              nn.Unflatten(1, (HORIZON, CHANNELS)))  # fmt: skip
    made = WithoutTokens(plain)
    forecasts, hidden = made.with_tokens(WINDOWS, torch.zeros(0, 1))
    assert torch.equal(forecasts, plain(WINDOWS))
    assert hidden.shape == (5, 1, CHANNELS, 1)
    assert not hidden.any()
    noise = torch.rand(100_000, generator=generator(0))
    dropped, _ = made.with_tokens(WINDOWS, torch.zeros(0, 1), Training(noise))
    if kind == "backbone":
        assert torch.equal(dropped, plain(WINDOWS, Training(noise)))
        assert not torch.equal(dropped, forecasts)
    else:
        assert torch.equal(dropped, forecasts)


def test_a_model_of_a_plain_backbone_is_that_backbone() -> None:
    plain = DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=generator(0))
    memory = PlainBackbone(WIDTH, CHANNELS, LOOKBACK, HORIZON)
    made = TokenModel(WithoutTokens(plain), memory, HORIZON, generator(0))
    assert torch.equal(made(WINDOWS), plain(WINDOWS))
    assert sum(p.numel() for p in made.parameters()) == sum(p.numel() for p in plain.parameters())


def test_a_choice_is_tried_with_its_parameters_and_sizes() -> None:
    sizes = {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON}
    built = tried("encoder", BackboneSlot("dlinear", {"kernel": 3}), **sizes)
    assert isinstance(built, DLinear)
    assert built(WINDOWS).shape == (5, HORIZON, CHANNELS)
    chosen = BackboneSlot("spectral-former", {"patch": 3})
    with pytest.raises(InvalidParameter, match="patch of spectral-former must divide") as refused:
        tried("encoder", chosen, **sizes)
    assert refused.value.parameter == "encoder"
    assert refused.value.help
