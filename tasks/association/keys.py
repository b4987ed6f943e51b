"""Keys and queries with exact similarities."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import normalize

KeyDist: TypeAlias = Literal["unit", "gauss", "orthonormal", "correlated"]
"""How keys are drawn, by the word a suite uses."""


def unit_keys(generator: torch.Generator, n: int, dim: int) -> Tensor:
    """Keys [n, D], independent and uniform on the unit sphere."""
    return normalize(torch.randn(n, dim, generator=generator), dim=-1)


def correlated_keys(generator: torch.Generator, n: int, dim: int, cosine: float) -> Tensor:
    """Unit keys [n, D] whose expected pairwise cosine is about `cosine`.

    sqrt(c) mu + sqrt(1-c) u, renormalised, with one mu for all of them.
    """
    mean = unit_keys(generator, 1, dim)
    own = unit_keys(generator, n, dim)
    return normalize(cosine**0.5 * mean + (1 - cosine) ** 0.5 * own, dim=-1)


def orthonormal_keys(generator: torch.Generator, n: int, dim: int) -> Tensor:
    """Keys [n, D] of length one at right angles; n is at most D."""
    columns: Tensor = torch.linalg.qr(torch.randn(dim, n, generator=generator)).Q
    return columns.mT


def draw_keys(kind: KeyDist, generator: torch.Generator, n: int, dim: int, cosine: float) -> Tensor:
    """Keys [n, D] of a kind; ``gauss`` is N(0, I), of length about sqrt(D), all others are unit.

    Args:
        kind: How they are drawn.
        generator: Source of the draw.
        n: Number of keys, at most D if ``orthonormal``.
        dim: D.
        cosine: Expected pairwise cosine, ``correlated`` only.
    """
    if kind == "gauss":
        return torch.randn(n, dim, generator=generator)
    if kind == "orthonormal":
        return orthonormal_keys(generator, n, dim)
    if kind == "correlated":
        return correlated_keys(generator, n, dim, cosine)
    return unit_keys(generator, n, dim)


def noisy(generator: torch.Generator, keys: Tensor, noise: float) -> Tensor:
    """Queries [n, D] of the keys' lengths, in the direction of unit(k) + noise n / sqrt(D).

    n is N(0, I), so that the expected cosine to the key is about 1 / sqrt(1 + noise^2). The keys
    themselves without noise.
    """
    if noise == 0:
        return keys
    drawn = torch.randn(keys.shape, generator=generator) / math.sqrt(keys.shape[-1])
    length: Tensor = keys.norm(dim=-1, keepdim=True)
    return length * normalize(keys / length + noise * drawn, dim=-1)


def orthogonal_to(generator: torch.Generator, keys: Tensor) -> Tensor:
    """For each unit key [n, D] a random unit vector orthogonal to it."""
    beside = torch.randn(keys.shape, generator=generator)
    # twice: where the noise happens to lie along the key, one projection leaves rounding behind
    for _ in range(2):
        beside = normalize(beside - (beside * keys).sum(-1, keepdim=True) * keys, dim=-1)
    return beside


def at_cosine(keys: Tensor, orthogonal: Tensor, cosine: float) -> Tensor:
    """Unit vectors [n, D] at exactly this cosine to each key, towards `orthogonal`."""
    sine = math.sqrt(1 - cosine**2)
    return cosine * keys + sine * orthogonal
