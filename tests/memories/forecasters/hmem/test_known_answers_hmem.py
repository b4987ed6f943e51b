"""What must come out exactly: untouched backbones, perfect forecasts, banks of zeros."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.lanes import Lanes
from bench.running import construct
from memories.base import BackboneSlot, OnlineForecaster, State
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_adaptive import HMemAdaptive
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from memories.forecasters.hmem.hmem_multiscale import HMemMultiscale
from memories.forecasters.hmem.hmem_snma import HMemSNMA
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.retrieval.errorbank import ErrorBank
from memories.forecasters.retrieval.recent import Recent
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.hmem.streams import build

LOOKBACK, HORIZON, CHANNELS = 48, 13, 1
"""No parameter of DLinear but the first is aligned by itself at these sizes."""
LANES = 3
BACKBONES = {
    "dlinear": {},
    "patchtst": {"width": 8, "heads": 2, "feedforward": 12, "layers": 1},
    "itransformer": {"width": 24, "heads": 2, "feedforward": 20, "layers": 1},
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pretrained(name: str, seed: int) -> nn.Module:
    """A registered backbone none of whose weights is at its initial value."""
    sizes = {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON}
    slot = BackboneSlot(name, BACKBONES[name])
    module = construct.build_backbone(slot, {**sizes, "generator": rng(seed)})
    for parameter in module.requires_grad_(False).parameters():
        parameter += 0.05 * torch.randn(parameter.shape, generator=rng(seed + 7))
    return module


def of_lanes(cls: type[HMem], backbones: list[nn.Module], **options: Any) -> list[HMem]:
    sizes = {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON}
    return [
        build(cls, seed=seed, backbone=backbone, **sizes, **options)
        for seed, backbone in enumerate(backbones)
    ]


def first_forecasts(stack: Lanes, steps: int) -> Iterator[tuple[Tensor, State]]:
    """Forecasts [S, H, C] of the first steps of a random stream, and states after them."""
    n = LOOKBACK + HORIZON + steps
    rows = [torch.randn(n, CHANNELS, generator=rng(20 + s)) for s in range(stack.size)]
    state = stack.init_state()
    for step in range(steps):
        cut = [pieces(own, LOOKBACK + HORIZON + step, LOOKBACK, HORIZON) for own in rows]
        row, past, target, window = (torch.stack(part) for part in zip(*cut, strict=True))
        state = stack.observe(state, row, (past, target))
        forecast, state = stack.predict(state, window)
        yield forecast, state


UNTRAINED = {
    "hmem": (HMem, {}),
    "hmem-snma": (HMemSNMA, {}),
    "hmem-adaptive": (HMemAdaptive, {}),
    "hmem-multiscale": (HMemMultiscale, {}),
    "a backbone that learns with SNMA": (HMemSNMA, {"freeze": False}),
    "a backbone that learns alone": (HMemCHRC, {"freeze": False}),
}


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("kind", UNTRAINED)
def test_before_any_training_forecasts_are_the_frozen_backbones_bit_for_bit(name, kind):
    """B starts at zero, and W + 0 is W; weights that are state lie in memory as a module's do.
    Nothing is trained before the first target is known, H steps after the first forecast.
    """
    cls, options = UNTRAINED[kind]
    backbones = [pretrained(name, seed) for seed in range(LANES)]
    frozen = Lanes([Frozen(backbone) for backbone in backbones])
    stack = Lanes(of_lanes(cls, backbones, online_lr=0.1, warmup_steps=0, **options))
    for (ours, _), (theirs, _) in zip(
        first_forecasts(stack, 4), first_forecasts(frozen, 4), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n == "patchtst" else [pytest.mark.slow]) for n in BACKBONES],
)
def test_recorded_calls_start_at_the_frozen_backbone_bit_for_bit_too_and_then_leave_it(name):
    """Three steps past the first target the learning rate of 0.1 shows."""
    backbones = [pretrained(name, seed) for seed in range(LANES)]
    frozen = Lanes([Frozen(backbone) for backbone in backbones], traced=True)
    stack = Lanes(of_lanes(HMemSNMA, backbones, online_lr=0.1), traced=True)
    steps = HORIZON + 3
    same = [
        torch.equal(ours, theirs)
        for (ours, _), (theirs, _) in zip(
            first_forecasts(stack, steps), first_forecasts(frozen, steps), strict=True
        )
    ]
    assert same[:HORIZON] == [True] * HORIZON
    assert not same[-1]


@pytest.mark.parametrize("freeze", [True, False])
def test_lanes_leave_the_weights_of_the_modules_that_they_were_made_from(freeze):
    """A module found under two paths would be given weights twice and keep the first."""
    backbones = [pretrained("dlinear", seed) for seed in range(LANES)]
    before = [[*backbone.parameters()] for backbone in backbones]
    stack = Lanes(of_lanes(HMemSNMA, backbones, freeze=freeze))
    for _ in first_forecasts(stack, 2):
        for backbone, own in zip(backbones, before, strict=True):
            assert all(a is b for a, b in zip(backbone.parameters(), own, strict=True))
    Lanes([Frozen(backbone) for backbone in backbones]).init_state()


ROWS, BACK, AHEAD = 40, 8, 4


class Extrapolates(nn.Module):
    """A linear map that continues a ramp: x_{t+h} = x_t + h (x_t - x_{t-1}), without rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(BACK, AHEAD)
        leads = torch.arange(1.0, AHEAD + 1)
        with torch.no_grad():
            self.map.bias.zero_()
            self.map.weight.zero_()
            self.map.weight[:, -1], self.map.weight[:, -2] = 1 + leads, -leads

    def forward(self, windows: Tensor) -> Tensor:
        forecasts: Tensor = self.map(windows.mT).mT
        return forecasts


def ramps() -> Tensor:
    """Two channels of whole numbers, of slopes 1 and -2."""
    return torch.arange(float(ROWS))[:, None] * torch.tensor([1.0, -2.0])


def small(cls: Any, **options: Any) -> OnlineForecaster:
    """A forecaster of any of these kinds around a perfect backbone."""
    backbone = Extrapolates().requires_grad_(False)
    if issubclass(cls, HMem):
        given = {"lookback": BACK, "horizon": AHEAD, "backbone": backbone, "warmup_steps": 0}
        return build(cls, **{**given, "online_lr": 0.1, "min_entries": 2, **options})
    made: OnlineForecaster = cls(2, BACK, AHEAD, backbone, generator=rng(), **options)
    return made


def led(forecaster: OnlineForecaster, rows: Tensor) -> Iterator[tuple[int, State, Tensor]]:
    """Origin, state after observing its row, and forecast."""
    state = forecaster.init_state()
    for t in range(BACK + AHEAD, ROWS - AHEAD):
        row, past, target, window = pieces(rows, t, BACK, AHEAD)
        with torch.no_grad():
            state = observed = forecaster.observe(state, row, (past, target))
            forecast, state = forecaster.predict(state, window)
        yield t, observed, forecast


PERFECT = {
    "errorbank": (ErrorBank, {}),
    "recent": (Recent, {"min_entries": 2}),
    "hmem": (HMem, {}),
    "hmem storing what was issued": (HMem, {"store": "final"}),
    "hmem-chrc": (HMemCHRC, {}),
    "hmem-adaptive": (HMemAdaptive, {"top_k": 3}),
}


@pytest.mark.parametrize("name", PERFECT)
def test_around_a_perfect_forecaster_stored_errors_are_zero_and_forecasts_stay_perfect(name):
    """Whole numbers below 2^24 make no rounding errors. Zero errors have zero gradients, so that
    AdamW at a rate of 0.1 leaves B and the last layer of the refiner at their zeros.
    """
    cls, options = PERFECT[name]
    forecaster, rows = small(cls, **options), ramps()
    for t, observed, forecast in led(forecaster, rows):
        assert torch.equal(forecast, rows[t + 1 : t + AHEAD + 1])
        assert not observed["bank/values"].any()
    assert int(observed["bank/count"]) == t - AHEAD - (BACK + AHEAD) + 1


@pytest.mark.parametrize("name", PERFECT)
def test_a_backbone_that_is_wrong_by_one_stores_minus_one_where_nothing_is_trained(name):
    """The same walk with an error in it: the test above does not pass for want of writing."""
    cls, options = PERFECT[name]
    wrong = {"online_lr": 0.0, "store": "base"} if issubclass(cls, HMem) else {}
    forecaster = small(cls, **(options | wrong))
    with torch.no_grad():
        forecaster.backbone.map.bias += 1
    *_, (_, observed, _) = led(forecaster, ramps())
    held = min(int(observed["bank/count"]), len(observed["bank/values"]))
    assert held > 0
    assert (observed["bank/values"][:held] == -1).all()


@pytest.mark.parametrize("cls", [HMem, HMemAdaptive, HMemMultiscale])
def test_a_bank_full_of_zeros_adds_nothing_to_the_adapted_forecast(cls):
    """Without refinement, in the middle of a run whose weights have moved: bit for bit."""
    rows = ramps() / 10 + torch.randn(ROWS, 2, generator=rng(3))
    forecaster = small(cls, use_refinement=False)
    *_, (t, observed, corrected) = led(forecaster, rows)
    window = rows[t - BACK + 1 : t + 1]
    zeros = {**observed, "bank/values": torch.zeros_like(observed["bank/values"])}
    empty = {**observed, "bank/index": torch.full_like(observed["bank/index"], -1)}
    with torch.no_grad():
        with_zeros, adapted = (forecaster.predict(s, window)[0] for s in (zeros, empty))
        frozen = forecaster.backbone(window[None])[0]
    assert torch.equal(with_zeros, adapted)
    assert not torch.allclose(adapted, frozen, atol=1e-3)
    assert not torch.equal(adapted, corrected)
