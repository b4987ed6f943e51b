"""Consolidation: how much of a useful update sinks in, when, and how far at most."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.backbones.dlinear import DLinear
from memories.forecasters.hmem.consolidation import Consolidation
from memories.forecasters.hmem.lora import Injection

ON = torch.tensor(True)
CPU = torch.device("cpu")


def dlinear() -> DLinear:
    rng = torch.Generator().manual_seed(0)
    module = DLinear(2, 12, 4, kernel=3, generator=rng)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    return module.requires_grad_(False)


def low_rank(injection: Injection, scale: float = 1.0) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    return scale * torch.randn(injection.size, generator=rng)


def useful(consolidation: Consolidation) -> dict[str, Tensor]:
    return consolidation.init_state(CPU) | {"gain": torch.tensor(0.5)}


def shifts(shift: Tensor, backbone: DLinear) -> dict[str, Tensor]:
    """The shift vector by layer: both weights [4, 12], in the order of the modules."""
    season, trend = shift.split(48)
    assert [name for name, _ in backbone.named_children()] == ["season", "trend"]
    return {"season": season.view(4, 12), "trend": trend.view(4, 12)}


def test_one_consolidation_takes_over_a_hundredth_of_each_update():
    backbone = dlinear()
    injection = Injection(backbone, rank=2, alpha=4.0)
    consolidation = Consolidation(backbone, injection, every=100)
    flat = low_rank(injection, 0.1)
    state = consolidation.absorb(useful(consolidation), backbone, flat, ON)
    for name, shift in shifts(state["shift"], backbone).items():
        a, b = injection.factors(flat, name)
        torch.testing.assert_close(shift, 0.01 * 2.0 * b @ a, rtol=0, atol=1e-7)
        assert shift.abs().max() > 0


def test_a_shift_grows_to_a_tenth_of_its_layers_norm_and_no_further():
    backbone = dlinear()
    injection = Injection(backbone, rank=2, alpha=4.0)
    consolidation = Consolidation(backbone, injection, every=100)
    flat = low_rank(injection)
    state = useful(consolidation)
    norms = []
    for _ in range(60):
        state = consolidation.absorb(state, backbone, flat, ON)
        found = shifts(state["shift"], backbone)
        norms.append([float(found[n].norm() / getattr(backbone, n).weight.norm()) for n in found])
    assert norms[-1] == pytest.approx([0.1, 0.1], rel=1e-5)
    assert all(x <= 0.1 + 1e-6 for pair in norms for x in pair)
    for n, pair in enumerate(norms[:2], start=1):
        for name, share in zip(("season", "trend"), pair, strict=True):
            a, b = injection.factors(flat, name)
            update = 0.02 * (b @ a).norm() / getattr(backbone, name).weight.norm()
            assert share == pytest.approx(min(0.1, float(n * update)), rel=1e-4)


def test_nothing_sinks_in_out_of_turn_or_while_adaptation_does_not_pay():
    backbone = dlinear()
    injection = Injection(backbone, rank=2)
    consolidation = Consolidation(backbone, injection, every=100)
    flat = low_rank(injection)
    poor = useful(consolidation) | {"gain": torch.tensor(0.0)}
    broken = flat.clone()
    broken[3] = torch.nan
    for state, update, enable in (
        (poor, flat, ON),
        (useful(consolidation), flat, ~ON),
        (useful(consolidation), broken, ON),
    ):
        after = consolidation.absorb(state, backbone, update, enable)
        assert torch.equal(after["shift"], torch.zeros(96))


def test_the_gain_is_a_running_mean_over_revealed_targets():
    """gain' = 0.99 gain + 0.01 g: after g = 1, 1 it is 0.0199; others do not count."""
    backbone = dlinear()
    consolidation = Consolidation(backbone, Injection(backbone), every=100)
    state = consolidation.init_state(CPU)
    for gain, complete in ((1.0, True), (5.0, False), (torch.nan, True), (1.0, True)):
        state = consolidation.credit(state, torch.tensor(gain), torch.tensor(complete))
    assert float(state["gain"]) == pytest.approx(0.0199, rel=1e-5)


def test_forecasts_use_the_shifted_weights_with_the_update_on_top():
    backbone = dlinear()
    injection = Injection(backbone, rank=2, alpha=4.0)
    consolidation = Consolidation(backbone, injection, every=100)
    flat = low_rank(injection)
    shift = 0.05 * torch.randn(96, generator=torch.Generator().manual_seed(3))
    windows = torch.randn(3, 12, 2, generator=torch.Generator().manual_seed(4))
    for update in (None, flat):
        moved = dlinear()
        for name, own in shifts(shift, backbone).items():
            layer = getattr(moved, name)
            layer.weight += own
            if update is not None:
                a, b = injection.factors(update, name)
                layer.weight += 2.0 * b @ a
        forecast = consolidation.forecast(backbone, shift, update, windows)
        torch.testing.assert_close(forecast, moved(windows), rtol=1e-5, atol=1e-5)
    still = consolidation.forecast(backbone, torch.zeros(96), None, windows)
    assert torch.equal(still, backbone(windows))
