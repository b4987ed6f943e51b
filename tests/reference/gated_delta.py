"""The gated delta rule, one event at a time (Yang, Kautz & Hatamizadeh 2024)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    phi: Callable[[Tensor], Tensor] = unit,
    decay: float = 0.99,
    write_strength: float = 1.0,
) -> Tensor:
    """phi(q) W; `phi` gives unit features, its key preprocessing included."""
    n = len(keys)
    memory = last(keys, values, [write_strength] * n, [decay] * n, phi)
    return torch.stack([phi(q) @ memory for q in queries])


def last(
    keys: Tensor,
    values: Tensor,
    write: Sequence[float] | Tensor,
    keep: Sequence[float] | Tensor,
    phi: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """W after all events, each with a strength and a decay of its own."""
    memory = torch.zeros(len(phi(keys[0])), values.shape[1], dtype=values.dtype)
    for k, v, strength, decay in zip(keys, values, write, keep, strict=True):
        memory = decay * memory
        error = v - phi(k) @ memory
        memory = memory + strength * torch.outer(phi(k), error)
    return memory
