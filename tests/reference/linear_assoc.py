"""The linear associator, one outer product at a time."""

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
    decay: float = 1.0,
    write_strength: float = 1.0,
    normalise: bool = False,
) -> Tensor:
    """phi(q) S, divided by phi(q) z if normalised; `phi` includes the key preprocessing."""
    width = len(phi(queries[0]))
    memory = torch.zeros(width, values.shape[1], dtype=values.dtype)
    normaliser = torch.zeros(width, dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        feature = phi(k)
        memory = decay * memory + write_strength * torch.outer(feature, v)
        normaliser = decay * normaliser + write_strength * feature
    recalled = []
    for q in queries:
        feature = phi(q)
        scale = (feature @ normaliser).clamp(min=1e-6) if normalise else 1.0
        recalled.append(feature @ memory / scale)
    return torch.stack(recalled)
