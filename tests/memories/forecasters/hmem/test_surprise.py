"""Encodings and surprise of the newest rows, and how surprise is normalised."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from memories.forecasters.hmem.surprise import (
    AutoregressiveEncoder,
    Encoded,
    ForecastEncoder,
    ReconstructionEncoder,
    running_statistics,
)

KINDS = [AutoregressiveEncoder, ReconstructionEncoder, ForecastEncoder]
ROWS, CHANNELS, WIDTH = 6, 3, 5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def scalar(x: float) -> Tensor:
    return torch.tensor(float(x))


def test_a_reconstruction_encoder_of_seven_channels_and_width_256_has_134144_weights():
    """7*256+256 + 2*256 + 2 (256*256+256) = 134144."""
    assert count(ReconstructionEncoder(7, 256, generator=rng())) == 134_144


def test_forecast_surprise_needs_no_weights_beyond_the_encoder():
    """7*256+256 + 2*256."""
    assert count(ForecastEncoder(7, 256, generator=rng())) == 2_560


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoding_does_not_depend_on_the_order_of_rows(kind):
    """Every row is encoded alone, then they are averaged (to float32's rounding)."""
    encoder = kind(CHANNELS, WIDTH, generator=rng())
    rows, order = draw(ROWS, CHANNELS, seed=1), torch.randperm(ROWS, generator=rng(2))
    straight, mixed = (encoder(r, torch.zeros_like(r)).encoding for r in (rows, rows[order]))
    torch.testing.assert_close(straight, mixed, rtol=1e-6, atol=1e-6)
    other = encoder(rows + draw(ROWS, CHANNELS, seed=3), torch.zeros_like(rows)).encoding
    assert (other - straight).abs().max() > 1e-2


def test_autoregressive_surprise_alone_sees_the_order_of_rows():
    """A ramp and its shuffle have the same encoding; predicting the next row differs."""
    rows = torch.arange(float(ROWS))[:, None].expand(ROWS, CHANNELS)
    mixed = rows[[3, 0, 5, 1, 4, 2]]
    errors = torch.zeros_like(rows)
    for kind, sees in zip(KINDS, (True, False, False), strict=True):
        encoder = kind(CHANNELS, WIDTH, generator=rng())
        apart = (encoder(rows, errors).rho - encoder(mixed, errors).rho).abs()
        assert bool(apart > 1e-3) is sees


def test_autoregressive_surprise_of_a_mute_predictor_is_the_size_of_the_later_rows():
    """Wp = 0: rho = sqrt(mean over rows 2..P of x^2 + 1e-8); its loss is that mean."""
    encoder = AutoregressiveEncoder(CHANNELS, WIDTH, generator=rng())
    with torch.no_grad():
        for parameter in encoder.predictor.parameters():
            parameter.zero_()
    rows = draw(ROWS, CHANNELS, seed=1)
    encoded = encoder(rows, torch.zeros_like(rows))
    mean = float((rows[1:] ** 2).mean())
    assert encoded.rho.item() == pytest.approx(math.sqrt(mean + 1e-8), rel=1e-6)
    assert encoded.loss.item() == pytest.approx(mean, rel=1e-6)


def test_one_row_predicts_nothing_and_surprises_by_zero():
    encoder = AutoregressiveEncoder(CHANNELS, WIDTH, generator=rng())
    encoded = encoder(draw(1, CHANNELS), torch.zeros(1, CHANNELS))
    assert encoded.rho.item() == 0 and encoded.loss.item() == 0


def test_reconstruction_surprise_is_a_sum_over_the_encoding():
    """q = 0: rho = ||e||_1 and the loss is mean e^2."""
    encoder = ReconstructionEncoder(CHANNELS, WIDTH, generator=rng())
    with torch.no_grad():
        for parameter in encoder.reconstruction.parameters():
            parameter.zero_()
    rows = draw(ROWS, CHANNELS, seed=1)
    encoded = encoder(rows, torch.zeros_like(rows))
    assert encoded.rho.item() == pytest.approx(encoded.encoding.abs().sum().item(), rel=1e-6)
    assert encoded.loss.item() == pytest.approx(encoded.encoding.square().mean().item(), rel=1e-6)


def test_the_reconstruction_loss_does_not_pull_the_encoding_towards_its_reconstruction():
    """With q = 0 the loss is mean e^2 and e counts as a constant: its derivative in the last bias
    is -2 e / de, and none reaches the encoder.
    """
    encoder = ReconstructionEncoder(CHANNELS, WIDTH, generator=rng())
    rows = draw(ROWS, CHANNELS, seed=1)
    parameters = {
        name: p.detach() * (0 if name.startswith("reconstruction") else 1)
        for name, p in encoder.named_parameters()
    }

    def run(weights: dict[str, Tensor]) -> Encoded:
        return functional_call(encoder, weights, (rows, torch.zeros_like(rows)))

    gradient = grad(lambda weights: run(weights).loss)(parameters)
    expected = -2 * run(parameters).encoding / WIDTH
    torch.testing.assert_close(gradient["reconstruction.2.bias"], expected)
    for name, part in gradient.items():
        if name.startswith("encoder"):
            assert bool((part == 0).all()), name


def test_forecast_surprise_is_the_root_mean_square_of_the_partial_error():
    """Errors of 3 and 4 in equal number: sqrt(12.5 + 1e-8); rows do not matter."""
    encoder = ForecastEncoder(2, WIDTH, generator=rng())
    error = torch.tensor([[3.0, -4.0], [-3.0, 4.0]])
    for seed in (1, 2):
        encoded = encoder(draw(2, 2, seed=seed), error)
        assert encoded.rho.item() == pytest.approx(math.sqrt(12.5 + 1e-8), rel=1e-6)
        assert encoded.loss.item() == 0


@pytest.mark.parametrize("kind", [AutoregressiveEncoder, ReconstructionEncoder])
def test_other_kinds_do_not_look_at_the_partial_error(kind):
    encoder = kind(CHANNELS, WIDTH, generator=rng())
    rows = draw(ROWS, CHANNELS, seed=1)
    one, two = (encoder(rows, torch.full_like(rows, value)) for value in (0.0, math.nan))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_first_surprise_is_finite_and_known():
    """rho = 10 from (0, 1) with momentum 0.9: mean 1, variance 0.9 + 0.1*100 = 10.9,
    s = 9 / sqrt(10.9) = 2.7260.
    """
    s, mean, variance = running_statistics(scalar(10), scalar(0), scalar(1), 0.9)
    assert float(mean) == pytest.approx(1, rel=1e-6)
    assert float(variance) == pytest.approx(10.9, rel=1e-6)
    assert float(s) == pytest.approx(9 / math.sqrt(10.9), rel=1e-6)
    assert float(s) == pytest.approx(2.7260, abs=5e-5)


@pytest.mark.parametrize("rho", [10.0, 1e-4, 1e6])
def test_a_constant_raw_surprise_stops_surprising(rho):
    """In float32 the mean stalls some roundings below rho; the floor keeps that from counting."""
    mean, variance = scalar(0), scalar(1)
    for _ in range(1000):
        s, mean, variance = running_statistics(scalar(rho), mean, variance, 0.9)
    assert 0 <= float(s) < 0.05


def test_surprise_is_never_negative():
    s, mean, variance = running_statistics(scalar(-5), scalar(3), scalar(1), 0.9)
    assert float(s) == 0
    assert float(mean) == pytest.approx(2.2) and float(variance) == pytest.approx(7.3)


def test_statistics_carry_no_gradient_and_surprise_does():
    """ds/drho = 1 / sd', as mean and sd are constants: 1 / sqrt(10.9)."""
    derivative = [
        grad(lambda rho, i=i: running_statistics(rho, scalar(0), scalar(1), 0.9)[i])(scalar(10))
        for i in range(3)
    ]
    assert float(derivative[0]) == pytest.approx(1 / math.sqrt(10.9), rel=1e-6)
    assert float(derivative[1]) == 0 and float(derivative[2]) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, ROWS])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_gradients_are_finite_on_constant_rows(kind, n, value):
    encoder = kind(CHANNELS, WIDTH, generator=rng())
    rows = torch.full((n, CHANNELS), value)
    parameters = {name: p.detach() for name, p in encoder.named_parameters()}

    def total(weights: dict[str, Tensor]) -> Tensor:
        encoded = functional_call(encoder, weights, (rows, torch.zeros_like(rows)))
        s, _, _ = running_statistics(encoded.rho, scalar(0), scalar(0), 0.9)
        return encoded.encoding.sum() + encoded.rho + encoded.loss + s

    for name, part in grad(total)(parameters).items():
        assert part.isfinite().all(), name
