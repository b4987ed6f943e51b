"""Rows and memories that the tests of spectral memories share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import registry


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, n: int, width: int, *, offset: float = 0.0) -> Tensor:
    """Rows [n, width] in float64 whose directions have separate variances."""
    scales = torch.linspace(3, 0.5, width, dtype=torch.float64)
    rows = torch.randn(n, width, generator=generator(seed), dtype=torch.float64)
    return rows * scales + offset


def build(name: str = "spectral", width: int = 8, *, seed: int = 0, **params: Any) -> Any:
    """A registered spectral memory in float64, recording no gradients."""
    memory = registry.get("memory", name).cls(width, generator=generator(seed), **params)
    return memory.double().requires_grad_(False)


def same_up_to_sign(seen: Any, expected: Any) -> float:
    """The largest difference after turning each row, relative to the largest entry."""
    a, b = np.asarray(seen), np.asarray(expected)
    turned = a * np.where((a * b).sum(1, keepdims=True) < 0, -1, 1)
    return float(np.abs(turned - b).max() / np.abs(b).max())
