"""Regularised least squares as its sums, and as recursive least squares, event by event."""

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
    ridge: float,
    phi: Callable[[Tensor], Tensor] = unit,
    decay: float = 1.0,
) -> Tensor:
    """phi(q) (A + ridge I)^-1 B; `phi` includes the key preprocessing."""
    width = len(phi(queries[0]))
    gram = torch.zeros(width, width, dtype=values.dtype)
    cross = torch.zeros(width, values.shape[1], dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        gram = decay * gram + torch.outer(phi(k), phi(k))
        cross = decay * cross + torch.outer(phi(k), v)
    weights = torch.linalg.inv(gram + ridge * torch.eye(width, dtype=values.dtype)) @ cross
    return torch.stack([phi(q) @ weights for q in queries])


def recall_recursively(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    ridge: float,
    phi: Callable[[Tensor], Tensor] = unit,
    decay: float = 1.0,
) -> Tensor:
    """Recursive least squares: gain g = P k / (decay + k P k), one event at a time."""
    width = len(phi(queries[0]))
    covariance = torch.eye(width, dtype=values.dtype) / ridge
    weights = torch.zeros(width, values.shape[1], dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        feature = phi(k)
        gain = covariance @ feature / (decay + feature @ covariance @ feature)
        weights = weights + torch.outer(gain, v - feature @ weights)
        covariance = (covariance - torch.outer(gain, feature @ covariance)) / decay
    return torch.stack([phi(q) @ weights for q in queries])
