"""Quality, refinement, confidence and horizon weights against their equations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.forecasters.hmem.correction import Confidence, HorizonWeights, Quality, Refiner
from tests.reference import chrc as loop

CHANNELS, HORIZON, DIM, K = 2, 6, 8, 3


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


Z, ERROR, FORECAST = drawn(1, DIM), drawn(2, HORIZON, CHANNELS), drawn(3, HORIZON, CHANNELS)


def test_the_quality_is_its_equation():
    module = Quality(K, DIM, rng()).double()
    near = drawn(4, K)
    expected = loop.quality(near, Z, module.state_dict())
    torch.testing.assert_close(module(near, Z), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("blend", [True, False])
def test_a_refined_error_is_its_equation(blend):
    module = Refiner(CHANNELS, HORIZON, DIM, blend=blend, zero=False, generator=rng()).double()
    rho = torch.tensor(0.3, dtype=torch.float64)
    expected = loop.refined(ERROR, Z, rho if blend else None, module.state_dict())
    torch.testing.assert_close(module(ERROR, Z, rho), expected, rtol=0, atol=1e-12)


def test_a_refiner_that_starts_at_zero_leaves_the_share_without_quality():
    """(1 - r) E with a quality r, nothing at all without one; its last layer learns at once."""
    rho = torch.tensor(0.25, dtype=torch.float64)
    for blend, expected in ((True, 0.75 * ERROR), (False, 0 * ERROR)):
        module = Refiner(CHANNELS, HORIZON, DIM, blend=blend, zero=True, generator=rng()).double()
        seen = module(ERROR, Z, rho)
        torch.testing.assert_close(seen, expected, rtol=0, atol=1e-15)
        (seen - FORECAST).square().sum().backward()
        assert module.layers[-1].weight.grad.abs().max() > 0
        assert module.layers[0].weight.grad.abs().max() == 0


@pytest.mark.parametrize("stats", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_the_confidence_is_its_equation(stats, deep):
    module = Confidence(CHANNELS, HORIZON, DIM, stats=stats, deep=deep, generator=rng()).double()
    w = module.state_dict()
    expected = loop.confidence(FORECAST, ERROR, Z, w, stats=stats, deep=deep)
    torch.testing.assert_close(module(FORECAST, ERROR, Z), expected, rtol=0, atol=1e-9)


def test_the_confidence_of_a_flat_forecast_has_a_finite_gradient():
    """A standard deviation of exactly zero."""
    module = Confidence(CHANNELS, HORIZON, DIM, stats=True, deep=True, generator=rng()).double()
    flat = torch.zeros(HORIZON, CHANNELS, dtype=torch.float64, requires_grad=True)
    module(flat, flat, Z).backward()
    assert flat.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["none", "exp", "linear", "learned"])
@pytest.mark.parametrize("horizon", [1, 6, 96])
def test_horizon_weights_are_those_of_the_formula(kind, horizon):
    weights = HorizonWeights(horizon, kind)()
    expected = torch.tensor(loop.mask(horizon, kind))[:, None]
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)
    assert weights.requires_grad is (kind == "learned")


def test_fixed_weights_stop_at_a_fifth():
    """0.98^80 = 0.1986 is the first below; the linear one ends at 0."""
    assert HorizonWeights(96, "exp")()[79:82].flatten().tolist() == pytest.approx(
        [0.98**79, 0.2, 0.2], abs=1e-6
    )
    assert float(HorizonWeights(96, "linear")()[-1]) == pytest.approx(0.2)
