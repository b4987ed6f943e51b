"""The floors, event by event."""

from __future__ import annotations

import torch
from torch import Tensor


def zero(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return torch.zeros(len(queries), values.shape[1], dtype=values.dtype)


def mean_value(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    total = torch.zeros(values.shape[1], dtype=values.dtype)
    for v in values:
        total = total + v
    return torch.stack([total / max(1, len(values)) for _ in queries])


def last_value(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    last = torch.zeros(values.shape[1], dtype=values.dtype)
    for v in values:
        last = v
    return torch.stack([last for _ in queries])


def echo(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    recalled = torch.zeros(len(queries), values.shape[1], dtype=values.dtype)
    if len(keys):
        for row, q in zip(recalled, queries, strict=True):
            for i in range(min(len(q), len(row))):
                row[i] = q[i]
    return recalled
