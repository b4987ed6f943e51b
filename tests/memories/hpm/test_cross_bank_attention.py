"""The aggregator against torch's own attention, and which banks it sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memories.base import InvalidParameter
from memories.hpm.aggregator import CrossBankAttention, weighted_mean
from tests.memories.case import generator
from tests.memories.hpm.built import codes


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """Codes, answers of five banks and weights of which two are not zero."""
    z, answers = codes(1, 7).double(), codes(2, 35).double().reshape(7, 5, 16)
    weights = torch.rand(7, 5, generator=generator(3), dtype=torch.float64)
    chosen = weights >= weights.sort(-1, descending=True).values[:, 1:2]
    weights = torch.where(chosen, weights, 0.0)
    return z, answers, weights / weights.sum(-1, keepdim=True)


def as_torch(layer: CrossBankAttention) -> nn.MultiheadAttention:
    parity = nn.MultiheadAttention(16, 4, batch_first=True, dtype=torch.float64)
    maps = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        parity.in_proj_weight.copy_(torch.cat([m.weight.mT for m in maps]))
        parity.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
        parity.out_proj.weight.copy_(layer.output.weight.mT)
        parity.out_proj.bias.copy_(layer.output.bias)
    return parity


@pytest.mark.parametrize("scope", ["selected", "all"])
def test_the_result_is_that_of_torch_with_the_banks_left_out_masked(scope) -> None:
    layer = CrossBankAttention(16, scope=scope, generator=generator(0)).double()
    with torch.no_grad():
        for weights in layer.parameters():
            weights.add_(0.3 * torch.randn(weights.shape, generator=generator(5)).double())
    z, answers, weights = drawn()
    masked = (weights == 0) if scope == "selected" else None
    parity = as_torch(layer)
    attended, _ = parity(z[:, None], answers, answers, key_padding_mask=masked)
    share = layer.mix.sigmoid()
    mixed = (1 - share) * weighted_mean(answers, weights) + share * attended[:, 0]
    torch.testing.assert_close(
        layer(z, answers, weights), layer.normed(mixed), rtol=1e-10, atol=1e-10
    )


def test_banks_without_weight_reach_the_result_only_with_scope_all() -> None:
    z, answers, weights = drawn()
    other = torch.where((weights == 0)[..., None], answers + 5, answers)
    for scope, same in (("selected", True), ("all", False)):
        layer = CrossBankAttention(16, scope=scope, generator=generator(0)).double()
        result = layer(z, other, weights), layer(z, answers, weights)
        assert torch.equal(*result) is same


def test_nothing_to_attend_to_is_zero_before_the_last_map() -> None:
    layer = CrossBankAttention(16, scope="selected", generator=generator(0)).double()
    z, answers, weights = drawn()
    nothing = torch.zeros_like(weights)
    attended = layer.attend(z, torch.full_like(answers, 3.0), nothing.bool())
    torch.testing.assert_close(attended, layer.output.bias.expand(7, 16), rtol=0, atol=0)
    assert layer(z, answers, nothing).isfinite().all()


def test_the_mix_starts_at_its_sigmoid() -> None:
    """sigmoid(0.5) = 0.622459."""
    layer = CrossBankAttention(16, scope="all", generator=generator(0))
    assert float(layer.mix.detach().sigmoid()) == pytest.approx(0.622459, abs=1e-6)


def test_the_weights_are_drawn_as_torch_draws_them() -> None:
    """Uniform within sqrt(6 / (4 D)) for the three input maps, 1 / sqrt(D) for the last one."""
    layer = CrossBankAttention(64, scope="all", generator=generator(0))
    inputs = torch.cat([m.weight.flatten() for m in (layer.query, layer.key, layer.value)])
    for weights, bound in ((inputs, (6 / 256) ** 0.5), (layer.output.weight, 1 / 8)):
        # of 4,096 uniform draws the largest is within a thousandth of the bound
        assert float(weights.detach().abs().max()) == pytest.approx(bound, rel=2e-3)
    assert not any(m.bias.any() for m in (layer.query, layer.key, layer.value, layer.output))


def test_a_width_that_four_heads_cannot_share_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="use_cross_attention: needs codes whose width 4"):
        CrossBankAttention(18, scope="all", generator=generator(0))
