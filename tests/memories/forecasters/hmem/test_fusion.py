"""The gate of SNMA's memory on a correction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.forecasters.hmem.chrc import Correction
from memories.forecasters.hmem.fusion import FusionGate
from tests.reference import chrc as loop

CHANNELS, HORIZON, WIDTH = 2, 3, 4


def drawn(seed: int, *shape: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def correction(confidence: float) -> Correction:
    kappa, one = (torch.tensor(x, dtype=torch.float64) for x in (confidence, 1.0))
    refined = drawn(1, HORIZON, CHANNELS)
    return Correction(kappa * refined, refined, kappa, kappa, one, one, torch.tensor(True))


@pytest.mark.parametrize(("power", "expected"), [(1, 0.4), (2, 0.16)])
def test_the_correction_is_scaled_by_the_gate_and_the_power_of_the_confidence(power, expected):
    """lambda = sigmoid(W2 GELU(LN(W1 [prediction; C; M]))); delta holds the confidence once."""
    rng = torch.Generator().manual_seed(0)
    fusion = FusionGate(CHANNELS, HORIZON, WIDTH, confidence_power=power, generator=rng).double()
    prediction, memory, given = drawn(2, HORIZON, CHANNELS), drawn(3, WIDTH), correction(0.4)
    w = fusion.state_dict()
    seen = torch.cat([prediction.flatten(), given.refined.flatten(), memory])
    hidden = loop.gelu(loop.norm(loop.affine(seen, w, "layers.0"), w, "layers.1"))
    gate = torch.sigmoid(loop.affine(hidden, w, "layers.3"))[0]
    fused = fusion(prediction, given, memory)
    torch.testing.assert_close(fused, gate * expected * given.refined, rtol=0, atol=1e-12)


def test_a_correction_of_zero_stays_zero():
    rng = torch.Generator().manual_seed(0)
    fusion = FusionGate(CHANNELS, HORIZON, WIDTH, generator=rng).double()
    nothing = correction(0.4)._replace(delta=torch.zeros(HORIZON, CHANNELS).double())
    fused = fusion(drawn(2, HORIZON, CHANNELS), nothing, torch.zeros(WIDTH).double())
    assert torch.equal(fused, nothing.delta)
