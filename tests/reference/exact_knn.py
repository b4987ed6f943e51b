"""Nearest neighbours by looking at every stored event, the newest first."""

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
    k: int = 1,
    similarity: str = "dot",
    prepare: Callable[[Tensor], Tensor] = unit,
    temperature: float = 0.1,
) -> Tensor:
    """Softmax-weighted mean of the k best values; a later event wins against an equal one."""
    events = ring.kept(keys, values, capacity, prepare)
    recalled = []
    for q in queries:
        probe = prepare(q)
        scored = [
            (probe @ key if similarity == "dot" else -((probe - key) ** 2).sum(), age, v)
            for age, (key, v) in enumerate(reversed(events))
        ]
        best = sorted(scored, key=lambda entry: (-entry[0].item(), entry[1]))[:k]
        total = torch.zeros(values.shape[1], dtype=values.dtype)
        if best:
            sims = torch.stack([entry[0] for entry in best])
            for w, (_, _, v) in zip((sims / temperature).softmax(0), best, strict=True):
                total = total + w * v
        recalled.append(total)
    return torch.stack(recalled)
