"""The delta rule, one event at a time (Widrow & Hoff 1960)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    phi: Callable[[Tensor], Tensor] = unit,
    write_strength: float = 1.0,
    passes: int = 1,
) -> Tensor:
    """phi(q) W; `phi` gives unit features, its key preprocessing included."""
    memory = torch.zeros(len(phi(queries[0])), values.shape[1], dtype=values.dtype)
    for _ in range(passes):
        for k, v in zip(keys, values, strict=True):
            feature = phi(k)
            error = v - feature @ memory
            memory = memory + write_strength * torch.outer(feature, error)
    return torch.stack([phi(q) @ memory for q in queries])
