"""Modern Hopfield retrieval, one query and one slot at a time (Ramsauer et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.reference import ring
from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    steps: int = 1,
    beta: float = 16.0,
    recency: float = 0.0,
    prepare: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """softmax(beta xi K^T - recency age) V after steps - 1 updates of xi."""
    events = ring.kept(keys, values, capacity, prepare)
    recalled = []
    for q in queries:
        xi = prepare(q)
        out = torch.zeros(values.shape[1], dtype=values.dtype)
        for step in range(steps):
            if not events:
                break
            logits = torch.stack(
                [
                    beta * (xi @ key) - recency * (len(events) - 1 - i)
                    for i, (key, _) in enumerate(events)
                ]
            )
            weights = logits.softmax(0)
            column = 1 if step == steps - 1 else 0
            out = torch.stack([w * e[column] for w, e in zip(weights, events, strict=True)]).sum(0)
            xi = out
        recalled.append(out)
    return torch.stack(recalled)
