"""Dense associative memory, one bit and one pattern at a time (Krotov & Hopfield 2016)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tests.reference import ring


def sign(x: Tensor) -> Tensor:
    return torch.tensor([-1.0 if c < 0 else 1.0 for c in x.tolist()], dtype=x.dtype)


def interaction(z: float, degree: int | str, rectified: bool) -> float:
    if degree == "exp":
        return math.exp(z)
    return (max(z, 0.0) if rectified else z) ** int(degree)


def bit(patterns: list[list[float]], state: list[float], i: int, **rule: object) -> float:
    """sign(sum_mu F(P_i + r) - F(-P_i + r)), r the overlap with the other bits."""
    field = size = 0.0
    for pattern in patterns:
        others = sum(p * s for j, (p, s) in enumerate(zip(pattern, state, strict=True)) if j != i)
        raised = interaction(pattern[i] + others, **rule)
        lowered = interaction(-pattern[i] + others, **rule)
        field += raised - lowered
        size += abs(raised) + abs(lowered)
    # sums of exponentials tie only up to rounding
    return state[i] if abs(field) <= 1e-13 * size else math.copysign(1.0, field)


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    degree: int | str = 3,
    rectified: bool = False,
    mode: str = "auto-concat",
    steps: int = 1,
) -> Tensor:
    """Bits after synchronous sweeps; with mode hetero a weighted mean of values."""
    events = ring.kept(keys, values, capacity, sign)
    rule = {"degree": degree, "rectified": rectified}
    if mode == "hetero":
        return torch.stack([_mean(events, sign(q), values.shape[1], **rule) for q in queries])
    if mode == "auto-concat":
        patterns = [torch.cat([key, sign(value)]).tolist() for key, value in events]
    else:
        patterns = [key.tolist() for key, _ in events]
    recalled = []
    for q in queries:
        probe = sign(q).tolist()
        state = probe + [0.0] * values.shape[1] if mode == "auto-concat" else probe
        free = range(len(probe) if mode == "auto-concat" else 0, len(state))
        for _ in range(steps):
            new = [bit(patterns, state, i, **rule) for i in free]
            state = state[: free.start] + new
        out = torch.tensor(state[free.start :], dtype=values.dtype)
        recalled.append(out if events else torch.zeros_like(out))
    return torch.stack(recalled)


def _mean(events: list[tuple[Tensor, Tensor]], probe: Tensor, width: int, **rule: object) -> Tensor:
    total, out = 0.0, torch.zeros(width, dtype=probe.dtype)
    for key, value in events:
        overlap = float(key @ probe)
        scaled = overlap if rule["degree"] == "exp" else overlap / len(probe)
        weight = interaction(scaled, **rule)
        total, out = total + weight, out + weight * value
    return out / total if total > 0 else 0 * out
