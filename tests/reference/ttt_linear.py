"""Test-time training of a linear model by autograd, batch by batch (Sun et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    weights: list[Tensor],
    step: Callable[[Tensor, Tensor], Tensor],
    chunk: int,
    mean: bool,
    norm: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """f(q) after all mini-batches.

    Args:
        keys: [N, D].
        values: [N, V].
        queries: [Q, D].
        weights: W, and b if there is a layer norm.
        step: Step size of an event (k, v).
        chunk: Events per mini-batch.
        mean: Whether the steps of a mini-batch are divided by its events.
        norm: Scale and shift of the layer norm; None for the plain model.
    """

    def inner(weights: list[Tensor], x: Tensor) -> Tensor:
        if norm is None:
            return x @ weights[0]
        return layer_norm(x @ weights[0] + weights[1], x.shape, *norm, eps=1e-6)

    def loss(weights: list[Tensor], k: Tensor, v: Tensor) -> Tensor:
        if norm is None:
            return ((inner(weights, k) - v) ** 2).sum()
        return ((inner(weights, k) - (v - k)) ** 2).sum() / 2

    for start in range(0, len(keys), chunk):
        batch = list(zip(keys[start : start + chunk], values[start : start + chunk], strict=True))
        at_start = [w if w.requires_grad else w.clone().requires_grad_() for w in weights]
        for k, v in batch:
            share = step(k, v) / len(batch) if mean else step(k, v)
            surprise = torch.autograd.grad(loss(at_start, unit(k), v), at_start, create_graph=True)
            weights = [w - share * g for w, g in zip(weights, surprise, strict=True)]
    recalled = [inner(weights, unit(q)) for q in queries]
    if norm is not None:
        recalled = [unit(q) + r for q, r in zip(queries, recalled, strict=True)]
    return torch.stack(recalled)
