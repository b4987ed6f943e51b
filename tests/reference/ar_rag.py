"""Retrieval of the nearest pairs, one query at a time."""

from __future__ import annotations

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
    top_k: int = 5,
    beta: float = 16.0,
    projection: Tensor | None = None,
) -> Tensor:
    """Softmax over the top_k cosines, weighting untouched values; later events win ties."""

    def address(x: Tensor) -> Tensor:
        return unit(x if projection is None else x @ projection)

    events = ring.kept(keys, values, capacity, address)
    recalled = []
    for q in queries:
        probe = address(q)
        cosines = [(probe @ key, age, v) for age, (key, v) in enumerate(reversed(events))]
        best = sorted(cosines, key=lambda entry: (-entry[0].item(), entry[1]))[:top_k]
        total = torch.zeros(values.shape[1], dtype=values.dtype)
        if best:
            weights = (beta * torch.stack([entry[0] for entry in best])).softmax(0)
            for w, (_, _, v) in zip(weights, best, strict=True):
                total = total + w * v
        recalled.append(total)
    return torch.stack(recalled)
