"""A memory under test with its parameters, and the loop over events that defines it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench import registry
from memories.base import AssociativeMemory
from tests.reference import (
    features,
    floors,
)

KEY_DIM, VALUE_DIM, MAX_EVENTS = 6, 5, 40

Recall = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """One memory with parameters.

    Attributes:
        name: Registry name.
        params: Its parameters; fractions are sums of powers of two, so that they are the same
            number in float32 and float64.
        reference: Turns the built memory into its defining loop: (keys, values, queries) -> reads.
        composes: Whether writing in parts equals writing at once.
        differentiable: Whether reads have a gradient worth comparing (signs have none).
    """

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    reference: Callable[[Any], Recall] = lambda _memory: floors.zero
    composes: bool = True
    differentiable: bool = True

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
    context_dim: int = 0,
    **params: Any,
) -> Any:
    """A registered memory, given what its constructor asks for."""
    cls = registry.get("memory", name).cls
    dictated = {
        "max_events": max_events,
        "context_dim": context_dim,
        "generator": generator(seed),
    }
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
