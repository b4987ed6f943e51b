"""The fast weights as first sketched, one event at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    key_in: Tensor,
    value_in: Tensor,
    query_in: Tensor,
    strength: float = 0.01,
) -> Tensor:
    """softmax((q W_Q) F^T / sqrt(D)) F."""
    memory = torch.zeros(keys.shape[1], values.shape[1], dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        memory = memory + strength * torch.outer(k @ key_in, v @ value_in)
    recalled = []
    for q in queries:
        scores = torch.stack([(q @ query_in) @ row for row in memory]) / math.sqrt(keys.shape[1])
        recalled.append(scores.softmax(0) @ memory)
    return torch.stack(recalled)
