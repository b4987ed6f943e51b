"""The memories under test with their parameters, and for each the loop that defines it.

Fractions are sums of powers of two, so that they are the same number in float32 and float64.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from bench import registry
from memories.base import AssociativeMemory
from tests.reference import (
    ar_fast_weights,
    ar_fast_weights_src,
    ar_rag,
    delta,
    exact_knn,
    features,
    floors,
    linear_assoc,
    ring_attention,
)

KEY_DIM, VALUE_DIM, MAX_EVENTS = 6, 5, 40

Recall = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """One memory with parameters; `reference` turns the built memory into its defining loop."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    reference: Callable[[Any], Recall] = lambda _memory: floors.zero

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.params.items())])

    def build(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> AssociativeMemory:
        return build(self.name, seed, **self.params).to(dtype)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(
    name: str,
    seed: int = 0,
    *,
    key_dim: int = KEY_DIM,
    value_dim: int = VALUE_DIM,
    max_events: int = MAX_EVENTS,
    **params: Any,
) -> Any:
    """A registered memory, given what its constructor asks for."""
    cls = registry.get("memory", name).cls
    dictated = {"max_events": max_events, "generator": generator(seed)}
    wanted = inspect.signature(cls).parameters
    taken = {key: value for key, value in dictated.items() if key in wanted}
    return cls(key_dim, value_dim, **taken, **params)


def events(
    seed: int,
    n: int,
    *,
    key_dim: int = KEY_DIM,
    value_dim: int = VALUE_DIM,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Keys [n, D] and values [n, V], standard normal."""
    rng = generator(seed)
    drawn = torch.randn(n, key_dim + value_dim, generator=rng, dtype=torch.float64).to(dtype)
    return drawn[:, :key_dim], drawn[:, key_dim:]


def unit_rows(seed: int, *shape: int) -> Tensor:
    """Random unit vectors along the last axis."""
    drawn = torch.randn(*shape, generator=generator(seed))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def orthonormal(seed: int, n: int, dim: int) -> Tensor:
    """n orthonormal rows of R^dim."""
    return torch.linalg.qr(torch.randn(dim, dim, generator=generator(seed))).Q[:n]


def feature_reference(memory: Any, *, unit_keys: bool = True, unit_features: bool = False) -> Any:
    """The loop form of a memory's feature map, key preprocessing included."""
    module = memory.feature_map
    loops = {
        "Identity": lambda x: x,
        "RandomProjection": lambda x: features.randproj(x, module.projection),
        "RandomFourier": lambda x: features.rff(x, module.frequencies, float(module.length_scale)),
        "RandomRelu": lambda x: features.relu(x, module.projection),
        "Dpfp": lambda x: features.dpfp(x, module.nu),
        "Taylor2": features.taylor2,
    }
    loop = loops[type(module).__name__]

    def phi(x: Tensor) -> Tensor:
        mapped = loop(features.unit(x) if unit_keys else x)
        return features.unit(mapped) if unit_features else mapped

    return phi


def _knn(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(exact_knn.recall, temperature=float(m.temperature), **params)


def _linear(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(linear_assoc.recall, phi=feature_reference(m), **params)


def _delta(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(delta.recall, phi=feature_reference(m, unit_features=True), **params)


def _fast_weights(m: Any) -> Recall:
    return partial(
        ar_fast_weights.recall,
        rule=m.rule,
        strength=softplus(m.strength_logit),
        decay=1.0 if m.decay_logit is None else m.decay_logit.sigmoid(),
        key_in=m.key_in,
        value_in=m.value_in,
        value_out=m.value_out,
        elu1=m.normalise,
    )


def _fast_weights_src(m: Any) -> Recall:
    return partial(
        ar_fast_weights_src.recall,
        key_in=m.key_in,
        value_in=m.value_in,
        query_in=m.query_in,
        strength=float(m.write_strength),
    )


def _none(x: Tensor) -> Tensor:
    return x


FLOORS = [
    Case("zero", reference=lambda _: floors.zero),
    Case("mean-value", reference=lambda _: floors.mean_value),
    Case("last-value", reference=lambda _: floors.last_value),
    Case("echo", reference=lambda _: floors.echo),
]
SLOTS = [
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
MATRICES = [
    Case("linear-assoc", {}, _linear()),
    Case(
        "linear-assoc",
        {"decay": 0.875, "write_strength": 0.5, "phi": "rff", "features": 8},
        _linear(decay=0.875, write_strength=0.5),
    ),
    Case(
        "linear-assoc",
        {"decay": 0.9375, "phi": "relu", "features": 9, "normalise": True},
        _linear(decay=0.9375, normalise=True),
    ),
    Case("linear-assoc", {"phi": "dpfp", "nu": 2, "normalise": True}, _linear(normalise=True)),
    Case("linear-assoc", {"phi": "taylor2"}, _linear()),
    Case("delta", {}, _delta()),
    Case("delta", {"write_strength": 0.5, "chunk": 7}, _delta(write_strength=0.5)),
    Case("delta", {"phi": "rff", "features": 10, "chunk": 1}, _delta()),
    Case("delta", {"phi": "randproj", "features": 4}, _delta()),
    Case("delta", {"phi": "taylor2", "chunk": 5}, _delta()),
]
TWO_PASSES = Case(
    "delta",
    {"passes": 2, "chunk": 8, "write_strength": 0.5},
    _delta(passes=2, write_strength=0.5),
)
AR = [
    Case("ar-fast-weights", {}, _fast_weights),
    Case("ar-fast-weights", {"rule": "delta", "write_strength": 0.7}, _fast_weights),
    Case(
        "ar-fast-weights", {"rule": "delta", "learn_decay": True, "proj": "learned"}, _fast_weights
    ),
    Case("ar-fast-weights", {"proj": "orthonormal", "learn_decay": True}, _fast_weights),
    Case("ar-fast-weights", {"feature": "elu1", "learn_decay": True}, _fast_weights),
    Case("ar-fast-weights-src", {}, _fast_weights_src),
    Case("ar-rag", {"capacity": 20}, lambda _: partial(ar_rag.recall, capacity=20)),
    Case(
        "ar-rag",
        {"capacity": 7, "top_k": 3, "proj": "learned"},
        lambda m: partial(ar_rag.recall, capacity=7, top_k=3, projection=m.projection),
    ),
]
COMPOSING = [*FLOORS, *SLOTS, *MATRICES, *AR]
CASES = [*COMPOSING, TWO_PASSES]
