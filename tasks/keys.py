"""Keys and queries with exact similarities."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


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
