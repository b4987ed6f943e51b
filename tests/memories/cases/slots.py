"""Memories of slots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from tests.memories.case import MAX_EVENTS, Case, Recall
from tests.reference import exact_knn, features, ring_attention


def _knn(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(exact_knn.recall, temperature=float(m.temperature), **params)


def _none(x: Tensor) -> Tensor:
    return x


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
]
