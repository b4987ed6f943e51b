"""Test-time training of a small network by autograd, one event at a time (Behrouz et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import gelu

from tests.reference.features import unit

Gates: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Momentum, step and forget of an event (k, v)."""


def mlp(weights: list[Tensor], x: Tensor) -> Tensor:
    for matrix in weights[:-1]:
        x = gelu(x @ matrix)
    return x @ weights[-1]


def trained(
    keys: Tensor, values: Tensor, *, weights: list[Tensor], gates: Gates, chunk: int = 1
) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and momenta after all events; gradients at the start of each chunk."""
    momenta = [torch.zeros_like(w) for w in weights]
    for start in range(0, len(keys), chunk):
        at_start = [w if w.requires_grad else w.clone().requires_grad_() for w in weights]
        for k, v in zip(keys[start : start + chunk], values[start : start + chunk], strict=True):
            loss = ((mlp(at_start, unit(k)) - v) ** 2).sum()
            surprise = torch.autograd.grad(loss, at_start, create_graph=True)
            momentum, step, forget = gates(k, v)
            momenta = [momentum * m - step * g for m, g in zip(momenta, surprise, strict=True)]
            weights = [(1 - forget) * w + m for w, m in zip(weights, momenta, strict=True)]
    return weights, momenta


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    weights: list[Tensor],
    gates: Gates,
    chunk: int = 1,
) -> Tensor:
    """f(q) with the trained weights."""
    weights, _ = trained(keys, values, weights=weights, gates=gates, chunk=chunk)
    return torch.stack([mlp(weights, unit(q)) for q in queries])
