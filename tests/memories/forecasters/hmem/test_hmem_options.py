"""What H-Mem's options do: other memories as bank, averages, gates, buckets, what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import LaneMismatch, Lanes
from bench.reading import values
from bench.running import construct
from memories.adam import flatten
from memories.base import InvalidParameter, Unsuitable
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_adaptive import HMemAdaptive
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from memories.forecasters.hmem.hmem_snma import HMemSNMA
from memories.slots.exact_knn import ExactKnn
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.hmem.streams import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    PERIOD,
    build,
    dlinear,
    stream,
    walk,
)

PLAIN = {
    "quality": False,
    "use_refinement": False,
    "gate": "none",
    "similarity_gate": False,
    "horizon_mask": "none",
}
"""The recalled error as it is."""


def nearest(**dictated: Any) -> ExactKnn:
    given = {name: dictated[name] for name in ("key_dim", "value_dim", "max_events")}
    return ExactKnn(**given, k=1)


@pytest.mark.parametrize(
    "memory", ["delta", "exact-knn", "linear-assoc", "gated-delta", "sdm", "dnd"]
)
def test_any_associative_memory_can_be_the_bank(memory):
    """It is written once per target, corrects within the limit, and trains; in lanes as well."""
    entry = registry.get("memory", "hmem-chrc")
    given = {"bank": memory, "size": "small", "min_entries": 3, "online_lr": 1e-2, "capacity": 32}
    params, wrong = values.resolve(entry, given)
    assert not wrong
    dictated = {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON, "period": PERIOD}
    built = [
        construct.build_memory(
            "hmem-chrc",
            params,
            dictated | {"steps": 40, "backbone": dlinear(seed)},
            torch.Generator().manual_seed(seed),
        )
        for seed in range(2)
    ]
    lanes, rows = Lanes(built), stream()
    state = lanes.init_state()
    start = state["training/chrc/weights"]
    for step in range(1, 26):
        row, past, target, window = (
            part.expand(2, *part.shape)
            for part in pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
        )
        state = lanes.observe(state, row, (past, target))
        forecast, state = lanes.predict(state, window, horizon=HORIZON)
        base = torch.stack([m.backbone(window[0][None])[0] for m in built])
        correction = forecast - base
        assert correction.isfinite().all()
        assert correction.abs().max() <= 5 + 1e-5
        told = lanes.call("report", state)
        assert (told["correction_rms"] > 0).tolist() == [step >= HORIZON + 3] * 2
    assert state["bank/stored"].tolist() == [25 - HORIZON] * 2
    assert not torch.equal(state["training/chrc/weights"], start)
    assert told["bank_utilisation"].tolist() == [(25 - HORIZON) / 32] * 2
    assert "retrieved_age" not in told


@torch.no_grad()
def test_exact_search_in_the_slot_returns_the_error_of_the_most_similar_key():
    """A loop over past origins: the error under the key with the largest inner product."""
    rows = stream()
    forecaster = build(HMemCHRC, bank=nearest, min_entries=1, online_lr=0.0, **PLAIN)
    chrc = forecaster.adapter.chrc
    keys, errors = [], []
    for step, _, forecast, _ in walk(forecaster, rows, 40):
        _, past, target, window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
        base = forecaster.backbone(window[None])[0]
        if step > HORIZON:
            keys.append(chrc.key(chrc.encode(past[-2:]), base))
            errors.append(target - forecaster.backbone(past[None])[0])
            query = chrc.key(chrc.encode(window[-2:]), base)
            best = int(torch.stack([key @ query for key in keys]).argmax())
            torch.testing.assert_close(forecast, base + errors[best], rtol=0, atol=1e-5)
        else:
            assert torch.equal(forecast, base)


def raw_weights(rows: Tensor, steps: int, **options: Any) -> list[Tensor]:
    """The low-rank weights of each step, from a run that learns nothing."""
    forecaster = build(HMemSNMA, online_lr=0.0, b_init="default", **options)
    state, found = forecaster.adapter.snma.init_state(), []
    with torch.no_grad():
        for step in range(1, steps + 1):
            window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
            newest = forecaster.newest(window)
            flat, state, _ = forecaster.adapter.snma(state, newest, torch.zeros_like(newest))
            found.append(flat)
    return found


def test_averaged_low_rank_weights_follow_their_recurrence():
    """a_1 = x_1, a_n = 0.8 a_{n-1} + 0.2 x_n; the forecast is that of the average."""
    rows = stream()
    forecaster = build(HMemSNMA, online_lr=0.0, b_init="default", lora_ema=0.8)
    average = None
    for (step, _, forecast, state), flat in zip(
        walk(forecaster, rows, 12), raw_weights(rows, 12), strict=True
    ):
        average = flat if average is None else 0.8 * average + 0.2 * flat
        torch.testing.assert_close(state["lora_ema"], average, rtol=1e-5, atol=1e-6)
        window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
        with torch.no_grad():
            expected = forecaster.injection.forecast(forecaster.backbone, average, window[None])[0]
        torch.testing.assert_close(forecast, expected, rtol=1e-5, atol=1e-5)


def test_useful_low_rank_weights_sink_into_the_backbone_every_n_forecasts():
    """Nothing moves but after every fifth forecast of which adaptation has gained by then; the
    warm-up of 8 training steps ends with step H + 8.
    """
    rows = stream()
    options = {"consolidate": True, "consolidate_every": 5, "warmup_steps": 8}
    forecaster = build(HMemSNMA, online_lr=3e-3, **options)
    shift, moves = torch.zeros_like(forecaster.init_state()["consolidation/shift"]), []
    for step, observed, _, state in walk(forecaster, rows, 40):
        assert torch.equal(observed["consolidation/shift"], shift)
        if not torch.equal(state["consolidation/shift"], shift):
            moves.append(step)
            assert float(observed["consolidation/gain"]) > 0
        elif step % 5 == 0 and step >= HORIZON + 8:
            assert float(observed["consolidation/gain"]) <= 0
        shift = state["consolidation/shift"]
    assert moves
    assert all(step % 5 == 0 and step >= HORIZON + 8 for step in moves)


def test_the_surprise_of_a_forecast_is_its_error_on_the_rows_that_came_since():
    """rho = sqrt(mean e^2 + 1e-8) of the forecast issued P steps ago on its first P leads, zero
    error before there is one; then the running statistics with momentum 0.9.
    """
    rows = stream()
    forecaster = build(HMemSNMA, surprise="forecast", online_lr=0.0, b_init="default")
    issued, mean, variance = {}, torch.tensor(0.0), torch.tensor(1.0)
    for step, _, forecast, state in walk(forecaster, rows, 20):
        t, earlier = FIRST - 1 + step, issued.get(step - 2)
        error = torch.zeros(2, CHANNELS) if earlier is None else rows[t - 1 : t + 1] - earlier[:2]
        rho = (error.square().mean() + 1e-8).sqrt()
        mean, variance = (
            0.9 * mean + 0.1 * rho,
            0.9 * variance + 0.1 * (rho - mean).square(),
        )
        expected = torch.relu((rho - mean) / variance.sqrt())
        torch.testing.assert_close(state["report/surprise"], expected, rtol=1e-4, atol=1e-5)
        issued[step] = forecast


@pytest.mark.parametrize(("mode", "logit", "share"), [("hard", -0.1, 0.0), ("soft", 0.0, 0.5)])
def test_a_retrieve_gate_decides_how_much_of_a_recall_counts(mode, logit, share):
    """At weights zero the gate is its bias: closed below zero if hard, sigmoid of it if soft."""
    rows = stream()
    options = {"min_entries": 2, "online_lr": 0.0, **PLAIN}
    open_ = build(HMemCHRC, **options)
    gated = build(HMemCHRC, retrieve_gate=mode, **options)
    start = gated.init_state()
    chrc = copy.deepcopy(gated.adapter.chrc)
    torch.nn.init.constant_(chrc.switch.bias, logit)
    start = {**start, "training/chrc/weights": flatten(chrc).detach()}
    pairs = zip(walk(open_, rows, 20), walk(gated, rows, 20, state=start), strict=True)
    for (step, _, full, _), (_, _, forecast, state) in pairs:
        window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
        base = open_.backbone(window[None])[0]
        torch.testing.assert_close(forecast - base, share * (full - base), rtol=1e-4, atol=1e-5)
        if step >= HORIZON + 2:
            assert float(state["report/gate"]) == pytest.approx(share, abs=1e-6)


def test_buckets_keep_errors_of_one_part_of_the_season_apart():
    """Two runs of four rows: errors of steps with phase 0..3 lie in the first four slots."""
    forecaster = build(HMemCHRC, buckets=2, capacity=4, top_k=2, min_entries=1, online_lr=0.0)
    for step, observed, _, state in walk(forecaster, stream(), 40):
        for slot in torch.nonzero(observed["bank/index"] >= 0).flatten().tolist():
            origin = int(observed["bank/time"][slot]) - HORIZON
            assert (origin % PERIOD) // 4 == slot // 4
        here = [
            int(time) - HORIZON
            for time, index in zip(observed["bank/time"], observed["bank/index"], strict=True)
            if index >= 0 and ((int(time) - HORIZON) % PERIOD) // 4 == (step % PERIOD) // 4
        ]
        assert (float(state["report/correction_rms"]) > 0) == bool(here)


def test_reports_tell_what_happened():
    """Utilisation: held over slots. Age: of what was written at t and read at t, 1; correction:
    root mean square of what the issued forecast gained.
    """
    rows = stream()
    options = {"min_entries": 2, "top_k": 128, "capacity": 128, "online_lr": 0.0}
    forecaster = build(HMemCHRC, min_similarity=-1.0, **options)
    for step, _, forecast, state in walk(forecaster, rows, 20):
        told = forecaster.report(state)
        held = max(0, step - HORIZON)
        assert float(told["bank_utilisation"]) == pytest.approx(held / 128)
        window = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
        gained = forecast - forecaster.backbone(window[None])[0]
        rms = gained.square().mean().sqrt()
        torch.testing.assert_close(told["correction_rms"], rms, rtol=1e-3, atol=1e-6)
        expected = (held + 1) / 2 if held >= 2 else 0.0
        assert float(told["retrieved_age"]) == pytest.approx(expected)
        assert (0 < float(told["gate"]) < 1) == (held >= 2)
        assert all(value.dim() == 0 for value in told.values())
        assert told.keys() == {
            "n_nan", "gate", "correction_rms", "retrieved_age", "bank_utilisation"
        }  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"key_encoder": "shared", "feature_dim": None},
        {"dual_key": True},
        {"center_keys": True},
        {"key_encoder": "flat", "pad": "none"},
        {"pos": "post", "pooling": "attention"},
        {"pairing": "shifted"},
        {"fusion": True, "fusion_confidence_power": 2},
        {"scales": True, "combine": "attn"},
        {"surprise": "forecast", "pogt_lag": HORIZON},
        {"bank_preset": "recent"},
        {"adaptive": True, "top_k": 10},
        {"horizon_mask": "learned", "similarity_gate": True, "correction_ramp": 5},
        {"reset_each_step": True, "hypernet": "flat"},
        {"frozen_memory": True, "update": "surprise-lerp"},
        {"freeze": False, "schedule": "cosine"},
    ],
    ids=str,
)
def test_every_option_learns_and_stays_finite(options):
    given = {"min_entries": 2, "warmup_steps": 2, "online_lr": 1e-2, **options}
    forecaster = build(HMem, **given)
    *_, (_, observed, forecast, state) = walk(forecaster, stream(), 18)
    assert forecast.isfinite().all()
    assert float(state["report/correction_rms"]) > 0
    assert int(state["report/n_nan"]) == 0
    for part, start in forecaster.adapter.vectors().items():
        assert (observed[f"training/{part}/weights"] - start).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("cls", "options", "parameter"),
    [
        (HMem, {"snma": False, "chrc": False}, "chrc"),
        (HMemCHRC, {"lora_ema": 0.5}, "lora_ema"),
        (HMemCHRC, {"consolidate": True}, "consolidate"),
        (HMemCHRC, {"key_encoder": "shared"}, "key_encoder"),
        (HMemSNMA, {"fusion": True}, "fusion"),
        (HMemSNMA, {"bank": nearest}, "bank"),
        (HMem, {"bank": nearest, "replay": "masked"}, "replay"),
        (HMem, {"bank": nearest, "decay": 0.5}, "decay"),
        (HMem, {"bank": nearest, "buckets": 2}, "buckets"),
        (HMem, {"bank": nearest, "max_correction": None}, "max_correction"),
        (HMemAdaptive, {"bank": nearest}, "adaptive"),
        (HMemAdaptive, {"replay": "cached"}, "replay"),
        (HMem, {"buckets": PERIOD + 1}, "buckets"),
        (HMem, {"key_encoder": "shared", "feature_dim": 5}, "feature_dim"),
        (HMem, {"key_encoder": "shared", "feature_dim": None, "pairing": "shifted"}, "pairing"),
        (HMem, {"freeze": False, "consolidate": True}, "freeze"),
        (HMem, {"targets": ("nowhere",)}, "targets"),
    ],
    ids=lambda value: (
        value.__name__
        if isinstance(value, type)
        else "-".join(value)
        if isinstance(value, dict)
        else value
    ),
)
def test_options_that_contradict_each_other_are_refused_by_name(cls, options, parameter):
    with pytest.raises(InvalidParameter) as refused:
        build(cls, **options)
    assert refused.value.parameter == parameter


def test_a_window_shorter_than_the_newest_rows_suits_nothing():
    with pytest.raises(Unsuitable, match="looks at 2 rows that lag by 11, and a window has 12"):
        build(HMem, pogt_lag=11)


@pytest.mark.parametrize("differing", [{"clip": 0.5}, {"gain_penalty": 0.1}, {"alpha": 8.0}])
def test_lanes_refuse_settings_that_are_not_the_same(differing):
    with pytest.raises(LaneMismatch, match="differs between lanes"):
        Lanes([build(HMem), build(HMem, **differing)])


DEFAULTS = {
    "hmem": {"snma": True, "chrc": True, "surprise": "recon", "update": "smoothed",
             "hypernet": "per-layer", "b_init": "zero", "key_encoder": "pooled", "pos": "input",
             "bank_preset": "v1", "quality": True, "refiner_init": "zero", "gate": "flat",
             "horizon_mask": "none", "fusion": False, "max_correction": 5.0,
             "correction_scale": 1.0, "store": "adapted", "gain_penalty": 0.0, "clip": 1.0,
             "online_lr": 1e-5, "schedule": "const", "warmup_steps": 100, "warmup_chrc": "off",
             "weight_decay": 0.01, "lora_ema": 0.0, "pogt_ratio": 0.5, "pogt_lag": 0,
             "pairing": "exact", "train_every": 1, "surprise_loss_weight": 0.0, "buckets": 1,
             "dual_key": False, "importance": "raw", "momentum": 0.9},
    "hmem-v1": {"surprise": "ar", "update": "gated-momentum", "hypernet": "flat",
                "b_init": "default", "key_encoder": "flat", "pad": "horizon",
                "bank_preset": "guide", "quality": False, "refiner_init": "default",
                "gate": "flat", "fusion": True, "max_correction": None, "store": "final",
                "gain_penalty": 0.1, "clip": None, "online_lr": 1e-4, "schedule": "cosine",
                "warmup_steps": 100},
    "hmem-snma": {"snma": True, "chrc": False, "clip": 1.0, "warmup_steps": 100},
    "hmem-chrc": {"snma": False, "chrc": True, "gate": "stats", "similarity_gate": True,
                  "horizon_mask": "exp", "bank_preset": "v1", "warmup_steps": 0},
    "hmem-adaptive": {"adaptive": True, "top_k": 10, "bank_preset": "v1", "warmup_steps": 100},
    "hmem-multiscale": {"scales": True, "combine": "concat", "update": "smoothed"},
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_six_forms_differ_as_their_sources_do(name):
    resolved, wrong = values.resolve(registry.get("memory", name), {})
    assert not wrong
    assert {key: resolved[key] for key in DEFAULTS[name]} == DEFAULTS[name]


@pytest.mark.parametrize(
    ("size", "dims"), [("full", (256, 128, 128, 1000)), ("small", (32, 16, 16, 128))]
)
def test_a_size_sets_what_is_not_given(size, dims):
    """The scale alpha / rank of the low-rank update is 2 in both."""
    unset = {"feature_dim": None, "encoding_dim": None, "memory_dim": None}
    whole = build(HMem, size=size, **unset)
    bank = whole.store.bank
    assert (whole.memory_dim, whole.encoding_dim, bank.key_dim, bank.capacity) == dims
    assert whole.injection.scale == 2.0
    changed = build(HMem, size=size, rank=4, capacity=7, min_entries=7, top_k=3, **unset)
    assert (changed.injection.rank, changed.store.bank.capacity) == (4, 7)
    assert changed.memory_dim == dims[0]
