"""Sparse distributed memory, one event and one location at a time (Kanerva 1988)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def nearest(addresses: Tensor, top_k: int) -> Callable[[Tensor], Sequence[int]]:
    """The locations of largest inner product."""
    return lambda x: torch.topk(addresses @ x, top_k).indices.tolist()


def within(addresses: Tensor, radius: int) -> Callable[[Tensor], Sequence[int]]:
    """The locations whose bits differ from the signs of the key in at most `radius` places."""

    def active(x: Tensor) -> Sequence[int]:
        return [
            i
            for i, address in enumerate(addresses)
            if sum((c >= 0) != (a > 0) for c, a in zip(x, address, strict=True)) <= radius
        ]

    return active


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    locations: int,
    active: Callable[[Tensor], Sequence[int]],
    norm: str = "active",
) -> Tensor:
    sums = [torch.zeros_like(values[0]) for _ in range(locations)]
    hits = [0] * locations
    for k, v in zip(keys, values, strict=True):
        for i in active(k):
            sums[i] = sums[i] + v
            hits[i] += 1
    recalled = []
    for q in queries:
        chosen = active(q)
        weight = len(chosen) if norm == "active" else sum(hits[i] for i in chosen)
        total = sum((sums[i] for i in chosen), torch.zeros_like(values[0]))
        recalled.append(total / max(weight, 1))
    return torch.stack(recalled)
