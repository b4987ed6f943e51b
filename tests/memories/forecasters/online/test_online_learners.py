"""What all forecasters that learn online share: rates, lanes, purity, and the audit's laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.audit import audit
from bench.lanes import Lanes
from memories.adam import flatten
from memories.base import OnlineForecaster
from memories.forecasters.online.derpp import DERPP
from memories.forecasters.online.er import ER
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.mir import MIR
from memories.forecasters.online.ogd import OGD
from memories.forecasters.online.ogd_head import OGDHead
from memories.forecasters.online.solid import Solid
from memories.forecasters.online.solidpp import SolidPP
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    FIRST,
    HORIZON,
    LOOKBACK,
    PERIOD,
    STEPS,
    forecasts,
    generator,
    headed,
    sizes,
    stream,
    walk,
)

Make = Callable[..., OnlineForecaster]
SHORT = 44
"""Steps of most walks: banks of 12 and 20 overflow, searches of 30 forget."""


def replaying(kind: type, **params: Any) -> Make:
    def make(backbone: nn.Module, seed: int = 0, **more: Any) -> Any:
        dictated = sizes(steps=STEPS, backbone=backbone, generator=generator(seed))
        return kind(**dictated, **params, **more)

    return make


def searching(kind: type) -> Make:
    def make(backbone: nn.Module, seed: int = 0, **more: Any) -> Any:
        search = {"candidates": 30, "neighbours": 4, "phase_tolerance": 0.2}
        return kind(**sizes(period=PERIOD, backbone=backbone), **search, **more)

    return make


def plain(kind: type, **params: Any) -> Make:
    def make(backbone: nn.Module, seed: int = 0, **more: Any) -> Any:
        return kind(backbone, **params, **more)

    return make


LEARNERS = {
    "ogd": plain(OGD),
    "ogd-norm": plain(OGD, scope="norm"),
    "ogd-head": plain(OGDHead),
    "er": replaying(ER, capacity=12),
    "er-distinct": replaying(ER, capacity=12, replace=False),
    "der++": replaying(DERPP, capacity=12),
    "mir": replaying(MIR, capacity=20, candidates=12),
    "solid": searching(Solid),
    "solid++": searching(SolidPP),
}
learners = pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)


def lane_forecasts(lanes: Lanes, streams: list[Tensor], steps: int = SHORT) -> Tensor:
    """Forecasts [steps, S, H, C] of stacked forecasters, each on a stream of its own."""
    state = lanes.init_state()
    found = []
    for t in range(FIRST, FIRST + steps):
        cut = [pieces(rows, t, LOOKBACK, HORIZON) for rows in streams]
        row, past, target, window = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (past, target))
        forecast, state = lanes.predict(state, window, horizon=HORIZON)
        found.append(forecast)
    return torch.stack(found)


@learners
def test_at_rate_zero_it_is_the_frozen_backbone_bit_for_bit(make):
    rows = stream(steps=SHORT)
    still = forecasts(make(headed(), learning_rate=0.0), rows)
    assert torch.equal(still, forecasts(Frozen(headed()), rows))
    assert not torch.equal(still, forecasts(make(headed(), learning_rate=1e-3), rows))


@learners
def test_lanes_of_any_seed_and_rate_equal_single_runs(make):
    """Backbones, streams and draws differ; 1e-5 relative is the law of training."""
    streams, rates = [stream(seed, SHORT) for seed in (2, 3, 4)], [0.0, 1e-3, 1e-2]
    built = [make(headed(s), s, learning_rate=rate) for s, rate in enumerate(rates)]
    together = lane_forecasts(Lanes(built), streams)
    for lane, (forecaster, rows) in enumerate(zip(built, streams, strict=True)):
        alone = forecasts(forecaster, rows)
        torch.testing.assert_close(together[:, lane], alone, rtol=1e-5, atol=1e-5)
    last = forecasts(make(headed(2), 2, learning_rate=0.0), streams[2])
    assert (together[:, 2] - last).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "scalar"),
    [("er", "replay_weight"), ("mir", "replay_weight"), ("der++", "alpha"), ("der++", "beta")],
)
def test_lanes_may_differ_in_a_weight_of_the_loss(name, scalar):
    rows, values = stream(steps=SHORT), [0.0, 0.5]
    built = [LEARNERS[name](headed(), learning_rate=1e-2, **{scalar: v}) for v in values]
    together = lane_forecasts(Lanes(built), [rows] * 2)
    assert (together[:, 0] - together[:, 1]).abs().max() > 1e-3
    for lane, forecaster in enumerate(built):
        alone = forecasts(forecaster, rows)
        torch.testing.assert_close(together[:, lane], alone, rtol=1e-5, atol=1e-5)


@learners
def test_the_pre_trained_weights_stay_and_the_backbone_is_in_evaluation_mode(make):
    backbone = nn.Sequential(headed().train(), nn.Dropout(0.9)) if make is LEARNERS["ogd"] else None
    forecaster = make(backbone or headed().train(), learning_rate=0.1)
    assert not any(module.training for module in forecaster.backbone.modules())
    before = flatten(forecaster.backbone).clone()
    for _ in walk(forecaster, stream(steps=SHORT)):
        pass
    assert torch.equal(flatten(forecaster.backbone), before)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        pytest.param("er", {"capacity": 8, "replace": False}, marks=pytest.mark.slow),
        pytest.param("mir", {"capacity": 16, "candidates": 12}, marks=pytest.mark.slow),
        ("solid", {"candidates": 12, "one_sided": True}),
    ],
)
def test_the_laws_hold_beyond_the_defaults(name, params):
    """With reservoirs that overflow and searches that forget."""
    audited = audit(name, {"learning_rate": 0.01, **params})
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
    assert {v.law for v in audited.verdicts if v.outcome == "held"} >= {"causality", "lanes"}
