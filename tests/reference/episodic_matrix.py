"""Episodic recall with keys as matrices, one row of one event at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tests.reference.episodic_linear import ask, cosine, cues, episodes, mixed


def kron(rows: int, left: Tensor, right: Tensor) -> Callable[[Tensor], Tensor]:
    """x as a matrix of `rows` rows, times `left` from the left and `right` from the right."""
    return lambda x: (left @ x.reshape(rows, -1) @ right).flatten()


def shares(width: int, parts: int) -> list[slice]:
    """Consecutive slices of a width, each at most one shorter than those before it."""
    bounds = [0]
    for part in range(parts):
        bounds.append(bounds[-1] + width // parts + (1 if part < width % parts else 0))
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def rowwise(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    times: Tensor | None = None,
    contexts: Tensor | None = None,
    query_times: Tensor | None = None,
    query_contexts: Tensor | None = None,
    *,
    rows: int,
    capacity: int,
    scale: Mapping[str, Tensor],
    top1: bool = False,
) -> Tensor:
    """Each row of a query recalls its share of the value."""
    held = episodes(keys, values, capacity, times, contexts)

    def answer(q: Tensor, time: Tensor | None, context: Tensor | None) -> Tensor:
        if not held:
            return torch.zeros(values.shape[1], dtype=values.dtype)
        parts = []
        for row, share in enumerate(shares(values.shape[1], rows)):
            scores = [
                scale["beta"] * cosine(q.reshape(rows, -1)[row], e.key.reshape(rows, -1)[row])
                + cues(e, len(keys), scale, time, context)
                for e in held
            ]
            parts.append(mixed(scores, [e.value[share] for e in held], top1=top1))
        return torch.cat(parts)

    return ask(answer, queries, query_times, query_contexts)
