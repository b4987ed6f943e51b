"""H-Mem against a loop over origins with torch's own optimiser, and lane by lane."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.lanes import Lanes
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_adaptive import HMemAdaptive
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from memories.forecasters.hmem.hmem_multiscale import HMemMultiscale
from memories.forecasters.hmem.hmem_snma import HMemSNMA
from memories.forecasters.hmem.hmem_v1 import HMemV1
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.hmem.streams import (
    FIRST,
    HORIZON,
    LOOKBACK,
    build,
    stream,
    walk,
)
from tests.reference.hmem import Reference, Settings

KINDS = (HMem, HMemV1, HMemSNMA, HMemCHRC, HMemAdaptive, HMemMultiscale)
V1 = {"decay": 0.995, "min_similarity": 0.0, "weights": (0.4, 0.2, 0.4), "offset": 1.0}
GUIDE = {"decay": 0.99, "min_similarity": 0.3, "weights": (0.4, 0.3, 0.3), "offset": 1e-8}
CURRENT = {"store": "adapted", "gain_penalty": 0.0, "clip": 1.0, "cosine": False, **V1}
STEPS, LANE_STEPS = 40, 10


def settings(defaults: dict[str, Any], **changed: Any) -> Settings:
    """The settings of a run of `STEPS` steps with a bank of 16, from which errors are evicted."""
    fixed = {
        "horizon": HORIZON,
        "rows": HORIZON // 2,
        "capacity": 16,
        "min_entries": 3,
        "top_k": 5,
        "total": STEPS - HORIZON,
        "warmup": 0,
        "online_lr": 1e-3,
    }
    return Settings(**{**fixed, **defaults, **changed})


def runs() -> dict[str, tuple[type[HMem], dict[str, Any], Settings]]:
    """By name: the class, what its constructor is given, what the loop is told."""
    common = {"capacity": 16, "min_entries": 3, "online_lr": 1e-3, "warmup_steps": 0}
    guide = {"store": "final", "gain_penalty": 0.1, "clip": None, "cosine": True, **GUIDE}
    return {
        "hmem": (HMem, common, settings(CURRENT)),
        "hmem with a warm-up": (
            HMem,
            common | {"warmup_steps": 20, "refiner_init": "default"},
            settings(CURRENT, warmup=20),
        ),
        "hmem with cached replay": (
            HMem,
            common | {"replay": "cached", "store": "final"},
            settings(CURRENT, cached=True, store="final"),
        ),
        "hmem trained at every third target": (
            HMem,
            common | {"train_every": 3, "store": "base"},
            settings(CURRENT, train_every=3, store="base"),
        ),
        "hmem-v1": (HMemV1, common, settings(guide)),
        "hmem-chrc": (HMemCHRC, common, settings(CURRENT)),
        "hmem-snma": (HMemSNMA, common, settings(CURRENT)),
    }


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if " " in name else []) for name in runs()],
)
def test_forty_steps_equal_a_loop_over_origins_with_torchs_optimiser(name):
    """Steps of 1e-3 over 36 targets; float32 in another order of summation, hence 1e-5."""
    cls, options, told = runs()[name]
    forecaster, rows = build(cls, steps=STEPS, **options), stream()
    reference = Reference(forecaster, told)
    moved, weights = [], forecaster.adapter.vectors()
    for step, observed, forecast, _ in walk(forecaster, rows, STEPS):
        weights = {part: observed[f"training/{part}/weights"] for part in weights}
        _, past, target, window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
        expected = reference.step(step, window, past, target)
        torch.testing.assert_close(forecast, expected, rtol=1e-5, atol=1e-5)
        moved.append((forecast - forecaster.backbone(window[None])[0]).abs().max())
    assert max(moved) > 1e-2
    for part, learned in reference.adapter.vectors().items():
        torch.testing.assert_close(weights[part], learned, rtol=1e-4, atol=1e-5)
    assert reference.trained == (STEPS - HORIZON) // told.train_every


@pytest.mark.parametrize("cls", KINDS)
def test_lanes_equal_single_runs(cls):
    """Three seeds, each with a backbone, a stream and a learning rate of its own."""
    rates = (0.0, 1e-4, 1e-2)
    built = [
        build(cls, seed=s, online_lr=rate, warmup_steps=3, min_entries=2)
        for s, rate in enumerate(rates)
    ]
    streams = [stream(seed=s) for s in range(3)]
    alone = [
        torch.stack([f for _, _, f, _ in walk(m, rows, LANE_STEPS)])
        for m, rows in zip(built, streams, strict=True)
    ]
    lanes = Lanes(built)
    state, together = lanes.init_state(), []
    for step in range(1, LANE_STEPS + 1):
        cut = [pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON) for rows in streams]
        row, past, target, window = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (past, target))
        forecast, state = lanes.predict(state, window, horizon=HORIZON)
        together.append(forecast)
    seen = torch.stack(together, dim=1)
    for lane, expected in enumerate(alone):
        torch.testing.assert_close(seen[lane], expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(state["training/trained"], torch.full((3,), LANE_STEPS - HORIZON))


@pytest.mark.parametrize("cls", KINDS)
def test_two_futures_share_forecasts_and_states_up_to_the_present(cls):
    """Rows after the present are replaced by others, and by none."""
    rows, present = stream(), 12
    options = {"warmup_steps": 3, "min_entries": 2, "online_lr": 1e-2}
    last = FIRST - 1 + present
    futures = [rows, torch.cat([rows[: last + 1], 50 - rows[last + 1 :]])]
    futures.append(torch.cat([rows[: last + 1], torch.full_like(rows[last + 1 :], torch.nan)]))
    runs = [list(walk(build(cls, **options), future, present)) for future in futures]
    for other in runs[1:]:
        for (_, _, a, _), (_, _, b, _) in zip(runs[0], other, strict=True):
            assert torch.equal(a, b)
        first, second = runs[0][-1][3], other[-1][3]
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_all_steps_off_leaves_the_frozen_backbone_bit_for_bit():
    """B starts at zero, so that without a learning rate the adapted forecast is the backbone's."""
    for cls in (HMemSNMA, HMemMultiscale):
        options = {} if cls is HMemSNMA else {"chrc": False}
        forecaster, rows = build(cls, online_lr=0.0, **options), stream()
        for step, _, forecast, _ in walk(forecaster, rows, 20):
            window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
            assert torch.equal(forecast, forecaster.backbone(window[None])[0])


@torch.no_grad()
def test_a_bank_of_zeros_leaves_the_adapted_forecast():
    """Without refinement a recalled error of zero corrects nothing, however much was learned: the
    run is that of SNMA alone. Stored errors are set to zero before they are ever read.
    """
    rows = stream()
    options = {"online_lr": 1e-3, "warmup_steps": 0, "clip": None}
    both = build(HMem, use_refinement=False, min_entries=1, **options)
    alone = [forecast for _, _, forecast, _ in walk(build(HMemSNMA, **options), rows, 30)]
    state = both.init_state()
    for step in range(1, 31):
        row, past, target, window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
        state = both.observe(state, row, (past, target))
        assert bool(state["bank/values"].any()) == (step > HORIZON)
        state = {**state, "bank/values": torch.zeros_like(state["bank/values"])}
        forecast, state = both.predict(state, window)
        torch.testing.assert_close(forecast, alone[step - 1], rtol=0, atol=1e-6)
    assert float(state["report/gate"]) > 0
