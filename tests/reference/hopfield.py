"""Hopfield networks, one pattern, one query and one bit at a time (Hopfield 1982; Kosko 1988)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sign(x: float | Tensor) -> float:
    return 1.0 if x >= 0 else -1.0


def bits(x: Tensor) -> Tensor:
    return torch.tensor([sign(c) for c in x], dtype=x.dtype)


def hebb(patterns: Sequence[Tensor]) -> Tensor:
    """(1/n) sum x x^T without its diagonal."""
    n = len(patterns[0])
    couplings = sum((torch.outer(x, x) for x in patterns), torch.zeros(n, n).to(patterns[0]))
    return (couplings - torch.diag(couplings.diagonal())) / n


def projection(patterns: Sequence[Tensor], ridge: float) -> Tensor:
    """The projection on the patterns' span, up to the ridge: X^T (X X^T + ridge I)^-1 X."""
    x = torch.stack(list(patterns))
    return x.mT @ torch.linalg.inv(x @ x.mT + ridge * torch.eye(len(x), dtype=x.dtype)) @ x


def settle(
    couplings: Tensor,
    state: Tensor,
    free: Sequence[int],
    steps: int,
    *,
    sequential: bool = False,
    tie: float = 1e-12,
) -> Tensor:
    """The state [n] after all steps; only bits in `free` ever change."""
    for _ in range(steps):
        seen = state
        for i in free:
            if sequential:
                seen = state
            field = sum(float(couplings[j, i]) * float(seen[j]) for j in range(len(seen)))
            if abs(field) > tie:
                state = state.clone()
                state[i] = sign(field)
    return state


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    rule: str = "hebb",
    readout: str = "sign",
    steps: int = 20,
    sequential: bool = False,
    ridge: float = 1e-4,
) -> Tensor:
    """The value's bits of [key; value] patterns, the key's bits held fixed."""
    width = keys.shape[1]
    patterns = [torch.cat([bits(k), bits(v)]) for k, v in zip(keys, values, strict=True)]
    couplings = hebb(patterns) if rule == "hebb" else projection(patterns, ridge)
    free = range(width, width + values.shape[1])
    recalled = []
    for q in queries:
        state = torch.cat([bits(q), torch.zeros_like(values[0])])
        last = steps if readout == "sign" else steps - 1
        tie = 1e-12 if rule == "hebb" else 1e-10
        state = settle(couplings, state, free, last, sequential=sequential, tie=tie)
        recalled.append((state if readout == "sign" else state @ couplings)[width:])
    return torch.stack(recalled)


def recall_hetero(
    keys: Tensor, values: Tensor, queries: Tensor, *, readout: str = "sign"
) -> Tensor:
    """sign(sign(q) J) with J = (1/D) sum sign(k)^T sign(v), or without the signs of values."""
    stored = values if readout == "linear" else torch.stack([bits(v) for v in values])
    couplings = torch.zeros(keys.shape[1], values.shape[1], dtype=values.dtype)
    for k, v in zip(keys, stored, strict=True):
        couplings = couplings + torch.outer(bits(k), v) / keys.shape[1]
    fields = torch.stack([bits(q) @ couplings for q in queries])
    if readout == "linear":
        return fields
    return torch.where(fields.abs() < 1e-12, 0.0, torch.where(fields > 0, 1.0, -1.0)).to(fields)
