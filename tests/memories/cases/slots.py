"""Memories of slots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from tests.memories.case import MAX_EVENTS, Case, Recall
from tests.reference import (
    dense_am,
    dnd,
    error_memory_bank,
    exact_knn,
    features,
    ring_attention,
)


def _knn(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(exact_knn.recall, temperature=float(m.temperature), **params)


def _none(x: Tensor) -> Tensor:
    return x


def _dense(**params: Any) -> Case:
    return Case(
        "dense-am",
        params,
        lambda _: partial(dense_am.recall, **params),
        # signs have no gradient; the values of mode hetero do
        differentiable=params.get("mode") == "hetero",
    )


def _dnd(prepare: Callable[[Tensor], Tensor] = _none, **params: Any) -> Case:
    def reference(m: Any) -> Recall:
        rates = {n: float(getattr(m, n)) for n in ("update_rate", "kernel_offset", "tolerance")}
        sizes = {"capacity": m.capacity, "top_k": m.top_k}
        return partial(dnd.recall, **sizes, **rates, prepare=prepare)

    return Case("dnd", params, reference)


def _bank(loop: dict[str, Any], **params: Any) -> Case:
    """A bank; `loop` says what its preset comes to, `params` override it on both sides."""
    own = {"capacity": MAX_EVENTS, **loop, **params}
    own.pop("preset", None)

    def reference(m: Any) -> Recall:
        scalars = {n: float(getattr(m, n)) for n in ("temperature", "decay", "min_similarity")}
        return partial(error_memory_bank.recall, **{**own, **scalars})

    return Case("error-memory-bank", params, reference)


SOFT = {"top_k": 5, "aggregate": "softmax"}
GUIDE = SOFT | {
    "decay": 0.99,
    "min_similarity": 0.3,
    "evict_weights": (0.4, 0.3, 0.3),
    "offset": 1e-8,
}
V1 = SOFT | {
    "decay": 0.995,
    "min_similarity": 0.0,
    "min_entries": 10,
    "evict_weights": (0.4, 0.2, 0.4),
}

CASES = [
    Case("exact-knn", {}, _knn(capacity=MAX_EVENTS)),
    Case("exact-knn", {"capacity": 7}, _knn(capacity=7)),
    Case("exact-knn", {"k": 3}, _knn(capacity=MAX_EVENTS, k=3)),
    Case(
        "exact-knn",
        {"k": 4, "capacity": 9, "similarity": "sqeuclidean", "key_norm": "none"},
        _knn(capacity=9, k=4, similarity="sqeuclidean", prepare=_none),
    ),
    Case("ring-attention", {"capacity": 7}, lambda _: partial(ring_attention.recall, capacity=7)),
    Case(
        "ring-attention",
        {"capacity": 16, "steps": 3, "beta": 4.0, "recency": 0.25, "key_norm": "layernorm"},
        lambda _: partial(
            ring_attention.recall,
            capacity=16,
            steps=3,
            beta=4.0,
            recency=0.25,
            prepare=features.layernorm,
        ),
    ),
    _dense(capacity=7),
    _dense(capacity=20, degree=2, steps=3),
    _dense(capacity=9, degree=4, rectified=True, steps=2),
    _dense(capacity=16, degree="exp", steps=2),
    _dense(capacity=9, mode="hetero", rectified=True),
    _dense(capacity=16, mode="hetero", degree="exp"),
    _dnd(capacity=7),
    _dnd(capacity=16, top_k=3, update_rate=0.5),
    _dnd(features.unit, capacity=30, update_rate=1.0, tolerance=0.25, key_norm="unit"),
    _bank({}),
    _bank({}, capacity=7, overwrite_similarity=0.75),
    _bank(SOFT, preset="plain-soft", capacity=9, max_age=6),
    _bank(SOFT, preset="plain-soft", aggregate="median", center_keys=True),
    _bank(GUIDE, preset="guide", capacity=11),
    _bank(GUIDE, preset="guide", capacity=8, aggregate="blend", importance="unit"),
    _bank(V1, preset="v1", capacity=12),
    _bank(
        V1,
        preset="v1",
        capacity=16,
        min_entries=2,
        aggregate="weighted-mean",
        forget_decay=0.875,
        forget_threshold=0.25,
    ),
]
