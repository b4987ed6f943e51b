"""H-Mem's options: each changes the forecasts, and one that would not is refused by name."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad

from bench import registry
from bench.reading import values
from memories.base import InvalidParameter
from memories.forecasters.hmem.adapting import Adapted
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_adaptive import HMemAdaptive
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from memories.forecasters.hmem.hmem_v1 import HMemV1
from memories.slots.dnd import Dnd
from memories.slots.exact_knn import ExactKnn
from tests.memories.forecasters.hmem.streams import CHANNELS, HORIZON, LOOKBACK, build, stream, walk

QUICK = {
    "warmup_steps": 3,
    "min_entries": 2,
    "online_lr": 1e-2,
    "capacity": 8,
    "b_init": "default",
    "refiner_init": "default",
}
"""Both stages at work, and the bank full, within a few steps."""


def knn(**settings: Any) -> Any:
    """Exact search for a slot."""

    def make(**dictated: Any) -> ExactKnn:
        given = {name: dictated[name] for name in ("key_dim", "value_dim", "max_events")}
        return ExactKnn(**given, **settings)

    return make


CHANGES: dict[str, Any] = {
    "size": "full", "chrc": False, "snma": False, "surprise": "forecast",
    "update": "clamped", "hypernet": "flat", "b_init": "zero", "rank": 3,
    "alpha": 2.0, "targets": ("season",), "memory_dim": 12,
    "encoding_dim": 12, "bottleneck": 4, "momentum": 0.5,
    "smooth_form": "centered", "frozen_memory": True, "reset_each_step": True,
    "scales": True, "combine": "attn", "lora_ema": 0.5,
    "consolidate": True,
    "consolidate_every": 3, "pogt_ratio": 1.0, "pogt_lag": 3,
    "bank": knn(k=2), "bank_preset": "guide", "capacity": 12, "top_k": 3,
    "temperature": 0.5, "decay": 0.9, "min_similarity": 0.9,
    "min_entries": 8, "aggregate": "median", "evict_weights": (1.0, 0.0, 0.0),
    "importance": "unit", "buckets": 2, "bucket_mode": "mod",
    "center_keys": True, "feature_dim": 4, "key_encoder": "flat",
    "pos": "post", "pooling": "max", "pad": "none",
    "dual_key": True, "adaptive": True, "quality": False,
    "use_refinement": False, "refiner_init": "zero", "gate": "stats",
    "similarity_gate": True, "horizon_mask": "exp", "max_correction": 0.01,
    "correction_scale": 0.5, "correction_ramp": 20, "retrieve_gate": "soft",
    "fusion": True, "fusion_confidence_power": 2, "store": "final",
    "pairing": "shifted", "replay": "cached", "gain_penalty": 10.0,
    "surprise_loss_weight": 1.0, "online_lr": 1e-3, "weight_decay": 0.5,
    "clip": 0.01, "schedule": "cosine", "warmup_steps": 6,
    "warmup_chrc": "frozen", "joint_training": False, "train_every": 2,
    "freeze": False,
}  # fmt: skip
"""By option another value than the default."""
BESIDE: dict[str, dict[str, Any]] = {
    "combine": {"scales": True},
    "consolidate_every": {"consolidate": True},
    "bucket_mode": {"buckets": 2},
    "pad": {"key_encoder": "flat"},
    "fusion_confidence_power": {"fusion": True},
}
"""By option what it needs, before it is changed and after."""


def forecasts(**options: Any) -> Tensor:
    """What 32 steps forecast, the bank being full from step 12 on."""
    given = QUICK | options
    return torch.stack([f for _, _, f, _ in walk(build(HMem, **given), stream(), 32)])


@cache
def unchanged() -> Tensor:
    """The same with nothing else set."""
    return forecasts()


def test_every_option_is_tried():
    resolved, wrong = values.resolve(registry.get("memory", "hmem"), {})
    assert not wrong
    assert CHANGES.keys() == resolved.keys()


@pytest.mark.slow
@pytest.mark.parametrize("option", CHANGES)
def test_every_option_changes_the_forecasts(option):
    changed = BESIDE.get(option, {}) | {option: CHANGES[option]}
    if option == "consolidate":  # which by default takes place every 100 forecasts
        changed["consolidate_every"] = 5
    before = forecasts(**BESIDE[option]) if option in BESIDE else unchanged()
    after = forecasts(**changed)
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("cls", "options", "parameter"),
    [
        (HMem, {"fusion_confidence_power": 2}, "fusion_confidence_power"),
        (HMem, {"consolidate_every": 10}, "consolidate_every"),
        (HMem, {"combine": "attn"}, "combine"),
        (HMem, {"bucket_mode": "mod"}, "bucket_mode"),
        (HMem, {"pad": "none"}, "pad"),
        (HMemV1, {"pooling": "max"}, "pooling"),
        (HMemV1, {"pos": "post"}, "pos"),
        (HMemV1, {"smooth_form": "centered"}, "smooth_form"),
        (HMem, {"surprise": "ar", "momentum": 0.5}, "momentum"),
        (HMem, {"surprise": "forecast", "surprise_loss_weight": 0.1}, "surprise_loss_weight"),
        (HMemCHRC, {"surprise_loss_weight": 0.1}, "surprise_loss_weight"),
        (HMemCHRC, {"warmup_chrc": "frozen"}, "warmup_chrc"),
        (HMemAdaptive, {"aggregate": "max"}, "aggregate"),
        (HMem, {"aggregate": "max", "temperature": 0.5}, "temperature"),
        (HMem, {"bank_preset": "recent", "center_keys": True}, "center_keys"),
        (HMem, {"evict_weights": (0.0, 0.0, 1.0), "importance": "unit"}, "importance"),
        (HMem, {"bank": knn(), "importance": "unit"}, "importance"),
        (HMem, {"capacity": 9}, "min_entries"),
        (HMem, {"bank": knn(capacity=9)}, "min_entries"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_option_that_would_change_nothing_is_refused_by_name(cls, options, parameter):
    with pytest.raises(InvalidParameter) as refused:
        build(cls, **options)
    assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (HMemV1, {"snma": False}),
        (HMemV1, {"chrc": False, "fusion": False}),
        (HMemAdaptive, {"temperature": 0.5}),
        (HMemCHRC, {"momentum": 0.5}),
    ],
)
def test_a_stage_that_is_off_takes_its_options_with_it(cls, options):
    build(cls, **options)


def without_slots(**dictated: Any) -> Dnd:
    return Dnd(dictated["key_dim"], dictated["value_dim"])


@pytest.mark.parametrize(
    ("bank", "comparable"),
    [
        (knn(), True),
        (knn(similarity="sqeuclidean"), False),
        (without_slots, False),
    ],
    ids=["cosine", "distance", "without-slots"],
)
def test_only_cosines_are_taken_for_similarities(bank, comparable):
    """A negative distance would close the similarity gate, whose threshold is a cosine of 0.5."""
    forecaster = build(HMemCHRC, bank=bank)
    assert forecaster.store.comparable == comparable


def test_a_backbone_that_learns_gains_nothing_by_being_worse():
    """With an adapted forecast that is fixed the penalty has no gradient for the backbone."""
    forecaster = build(HMem, freeze=False, gain_penalty=10.0)
    state, rows = forecaster.init_state(), stream()
    window, target = rows[:LOOKBACK], rows[LOOKBACK : LOOKBACK + HORIZON]
    far, nothing = torch.full((HORIZON, CHANNELS), 9.0), torch.zeros(())
    adapted = Adapted(far, None, {}, nothing, nothing, None, nothing)

    def loss(backbone: Tensor) -> Tensor:
        return forecaster.adapter.run(
            {"backbone": backbone},
            lambda _: forecaster._loss(state, adapted, far, window, target, nothing > 0)[0],
        )

    weights = state["training/backbone/weights"]
    assert float(loss(weights)) > 100
    assert torch.equal(grad(loss)(weights), torch.zeros_like(weights))
