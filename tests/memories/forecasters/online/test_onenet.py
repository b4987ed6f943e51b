"""OneNet: against loops over channels, its weights by hand, its limits, its training."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.audit import audit
from bench.lanes import Lanes
from memories.adam import flatten
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.onenet import OneNet
from memories.forecasters.online.onenet_weights import FLOOR, exponentiated, weighted
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    forecasts,
    generator,
    headed,
    stream,
    walk,
)
from tests.reference import onenet as reference

SIZE = (LOOKBACK, HORIZON)
SMALL: dict[str, Any] = {"width": 4, "features": 6, "depth": 2, "hidden": 5}
STILL = {"learning_rate": 0.0, "weight_rate": 0.0, "bias_rate": 0.0, "egd_rate": 0.0}


def onenet(seed: int = 0, backbone: nn.Module | None = None, **params: Any) -> OneNet:
    rng = generator(seed)
    given = (CHANNELS, LOOKBACK, HORIZON, backbone or headed(seed))
    return OneNet(*given, **{**SMALL, **params}, generator=rng)


def unbiased(memory: OneNet) -> OneNet:
    """With a small network that answers 0."""
    with torch.no_grad():
        memory.bias.last.weight.zero_()
        memory.bias.last.bias.zero_()
    return memory


def referred(memory: OneNet) -> reference.Ensemble:
    layers = [memory.bias.first, nn.Tanh(), memory.bias.second, nn.Tanh(), memory.bias.last]
    both = memory.backbone
    return reference.Ensemble(
        both.time, both.variable, both.rows, nn.Sequential(*copy.deepcopy(layers), nn.Flatten(0))
    )


@pytest.mark.parametrize(
    ("rows", "long_term"),
    [
        (5, "egd"),
        (60, "adam"),
        pytest.param(5, "adam", marks=pytest.mark.slow),
        pytest.param(60, "egd", marks=pytest.mark.slow),
    ],
)
def test_a_stream_is_learned_as_by_loops_over_channels_with_torchs_adam(long_term, rows):
    """70 steps in float64: what differs is the order of sums, and for egd that the reference
    multiplies weights and normalises them, hence 1e-8. Rates are powers of 2, the same in float32,
    in which scalars are kept.
    """
    rates = {"learning_rate": 2**-8, "weight_rate": 2**-5, "bias_rate": 2**-6}
    memory = onenet(rows=rows, long_term=long_term, egd_rate=0.25, **rates).double()
    assert memory.backbone.rows == min(rows, LOOKBACK)
    data = stream().double()
    egd = 0.25 if long_term == "egd" else None
    expected = reference.online(referred(memory), data, SIZE, **rates, egd_rate=egd)
    for (forecast, state), (known, logits) in zip(walk(memory, data), expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(state["logits"], logits, rtol=1e-8, atol=1e-8)
    assert state["logits"].abs().min() > 0.1
    assert state["biases"].abs().min() > 1e-3


@pytest.mark.parametrize("long_term", ["adam", "egd"])
def test_at_rate_zero_and_without_bias_it_is_the_mean_of_both_forecasters_bit_for_bit(long_term):
    memory = unbiased(onenet(long_term=long_term, **STILL))
    rows = stream()
    first = forecasts(Frozen(copy.deepcopy(memory.backbone.time)), rows)
    second = forecasts(Frozen(copy.deepcopy(memory.backbone.variable)), rows)
    half = torch.lerp(second, first, 0.5)
    assert torch.equal(forecasts(memory, rows), half)
    assert (first - second).abs().max() > 0.1


@pytest.mark.slow
def test_the_forecasters_learn_the_same_whatever_their_weights():
    """Decoupled: the weights of both forecasters do not depend on how they are weighed."""
    rows = stream()
    ends = []
    for params in ({}, {"weight_rate": 0.5, "bias_rate": 0.1}, {"long_term": "egd"}):
        *_, (forecast, state) = walk(onenet(learning_rate=1e-2, **params), rows)
        ends.append((forecast, state["weights"]))
    for forecast, weights in ends[1:]:
        assert torch.equal(weights, ends[0][1])
        assert not torch.allclose(forecast, ends[0][0], atol=1e-4)


def test_exponentiated_gradient_multiplies_weights_that_stay_on_the_simplex():
    """w = (1/4, 3/4), losses (1, 3), rate 1/2: w_1 / w_2 = e^(-1/2) / (3 e^(-3/2)) = e / 3."""
    logits = torch.tensor([math.log(1 / 3)], dtype=torch.float64)
    losses = (torch.tensor([1.0]).double(), torch.tensor([3.0]).double())
    after = exponentiated(logits, losses, torch.tensor(0.5))
    share, other = torch.sigmoid(after), torch.sigmoid(-after)
    torch.testing.assert_close(share / other, torch.tensor([math.e / 3]).double())
    torch.testing.assert_close(share + other, torch.ones(1).double(), rtol=0, atol=1e-12)


def test_a_forecaster_that_was_bad_for_long_keeps_a_ten_billionth_and_returns():
    """Against the bound, log 1e10 = 23.03; each of 24 rows with a lead of 2 at rate 1/2 takes 1."""
    logits = torch.zeros(1)
    bad, good = torch.tensor([2.0]), torch.tensor([0.0])
    for _ in range(1000):
        logits = exponentiated(logits, (bad, good), torch.tensor(0.5))
    torch.testing.assert_close(logits, torch.tensor([math.log(FLOOR)]))
    for _ in range(24):
        logits = exponentiated(logits, (good, bad), torch.tensor(0.5))
    assert 0.9 < logits.item() < 1


class Offset(nn.Module):
    """Forecasts the newest row, and 3 more in channel 1."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor([0.0, 3.0]))

    def forward(self, windows: Tensor) -> Tensor:
        return windows[:, -1:] + self.offset.expand(HORIZON, 2)


def test_with_egd_the_better_forecaster_gets_the_weight_channel_by_channel():
    """Channel 0 climbs by 1 a row: the newest row is 1 to 3 off, errors of 14/3; the other
    forecaster, whose last map is zero, answers the window's mean, 3.5 rows back, errors of 4.5^2
    and more. Channel 1 is constant: the mean is right and the first forecaster is off by 3.
    """
    memory = unbiased(onenet(backbone=Offset(), long_term="egd", **{**STILL, "egd_rate": 0.5}))
    with torch.no_grad():
        memory.backbone.variable.projection.weight.zero_()
        memory.backbone.variable.projection.bias.zero_()
    climb = torch.arange(FIRST + 30.0)
    rows = torch.stack([climb, torch.ones_like(climb)], dim=1)
    *_, (forecast, state) = walk(memory, rows)
    shares = torch.sigmoid(state["logits"])
    assert shares[0] > 0.999
    assert shares[1] < 0.001
    torch.testing.assert_close(forecast, rows[-1:].expand(HORIZON, 2), rtol=0, atol=0.01)


def test_the_weighted_forecast_lies_between_both():
    one, other = torch.tensor([[0.0, 8.0]]), torch.tensor([[4.0, 0.0]])
    shares = torch.tensor([0.25, 0.75])
    found = weighted(torch.logit(shares), (one, other))
    torch.testing.assert_close(found, torch.tensor([[3.0, 6.0]]))


@pytest.mark.parametrize("long_term", ["adam", "egd"])
def test_lanes_of_other_seeds_and_rates_equal_single_runs(long_term):
    """Batched products may sum in another order, hence 1e-5 over 20 steps."""
    settings = [(0, 1e-3), (1, 1e-2), (2, 0.0)]
    memories = [
        onenet(seed, learning_rate=rate, weight_rate=3 * rate, egd_rate=rate, long_term=long_term)
        for seed, rate in settings
    ]
    streams = [stream(seed) for seed in (2, 3, 4)]
    lanes = Lanes(memories)
    state = lanes.init_state()
    for t in range(FIRST, FIRST + 20):
        cut = [pieces(rows, t, *SIZE) for rows in streams]
        row, window, target, newest = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (window, target))
        together, state = lanes.predict(state, newest, horizon=HORIZON)
    for lane, (memory, rows) in enumerate(zip(memories, streams, strict=True)):
        alone = forecasts(memory, rows[: FIRST + 20])[-1]
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)


def series(rows: int = 260) -> dict[str, Tensor]:
    """Rows of a noisy season of two channels, the last third for validation."""
    t = torch.arange(rows)[:, None]
    noise = torch.randn(rows, CHANNELS, generator=generator(5))
    made = torch.sin(2 * torch.pi * t / 12 + torch.tensor([0.0, 1.0])) + 0.1 * noise
    return {"train": made[:180], "validation": made[180:]}


def test_fitting_trains_the_second_forecaster_and_the_small_network_and_not_the_backbone():
    backbone, data = headed(), series()
    memory = onenet(backbone=backbone, width=8, fit_epochs=12, fit_learning_rate=1e-2)
    kept, bias = flatten(backbone).clone(), flatten(memory.bias).clone()
    rows = data["validation"]

    def error() -> float:
        with torch.no_grad():
            made = forecasts(Frozen(memory.backbone.variable), rows[:-HORIZON])
        origins = range(FIRST, len(rows) - HORIZON)
        truth = torch.stack([rows[t + 1 : t + HORIZON + 1] for t in origins])
        return float((made - truth).square().mean())

    before = error()
    memory.fit(data, generator(1))
    assert error() < 0.5 * before
    assert torch.equal(flatten(backbone), kept)
    assert not torch.allclose(flatten(memory.bias), bias, atol=1e-3)
    state = memory.init_state()
    assert torch.equal(state["bias_weights"], flatten(memory.bias))
    assert not state["logits"].any()


def test_fitting_does_not_depend_on_what_it_is_said_not_to_read():
    data = series()
    fitted = []
    others = {"learning_rate": 0.5, "weight_rate": 0.3, "egd_rate": 0.1, "long_term": "egd"}
    for params in ({}, others):
        memory = onenet(fit_epochs=2, **params)
        memory.fit(data, generator(1))
        fitted.append(torch.cat([flatten(memory.backbone), flatten(memory.bias)]))
    assert set(OneNet.after_fit) == set(others)
    assert torch.equal(*fitted)


def test_learning_online_changes_state_and_no_parameter():
    memory = onenet(learning_rate=0.1)
    before = {name: entry.clone() for name, entry in memory.state_dict().items()}
    forecasts(memory, stream())
    for name, entry in memory.state_dict().items():
        assert torch.equal(entry, before[name]), name


def test_it_reports_the_shares_of_the_backbone():
    memory = onenet()
    state = {**memory.init_state(), "logits": torch.tensor([0.0, math.log(3)])}
    state["biases"] = torch.tensor([0.0, -math.log(3)])
    report = memory.report(state)
    assert report["backbone_share"].item() == pytest.approx(0.5)
    assert report["backbone_share_long_term"].item() == pytest.approx((0.5 + 0.75) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("long_term", ["adam", "egd"])
def test_the_laws_hold_with_high_rates(long_term):
    params = {"learning_rate": 0.01, "weight_rate": 0.1, "long_term": long_term, "rows": 10}
    audited = audit("onenet", {**SMALL, "depth": 1, **params, "fit_epochs": 1})
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
    assert {v.law for v in audited.verdicts if v.outcome == "held"} >= {"causality", "lanes", "fit"}
