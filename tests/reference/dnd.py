"""A differentiable neural dictionary as a list of slots (Pritzel et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass
class Slot:
    key: Tensor
    value: Tensor
    last_used: int


def squared(a: Tensor, b: Tensor) -> float:
    return float(((a - b) ** 2).sum().detach())


def written(
    keys: Tensor,
    values: Tensor,
    *,
    capacity: int,
    update_rate: float = 0.1,
    tolerance: float = 1e-6,
    prepare: Callable[[Tensor], Tensor] = lambda x: x,
) -> list[Slot]:
    """The slots in use, in the order in which they were first used."""
    slots: list[Slot] = []
    for t, (raw, v) in enumerate(zip(keys, values, strict=True)):
        k = prepare(raw)
        nearest = min(slots, key=lambda s: squared(s.key, k), default=None)
        if nearest is not None and squared(nearest.key, k) < tolerance:
            nearest.value = nearest.value + update_rate * (v - nearest.value)
            nearest.last_used = t
        elif len(slots) < capacity:
            slots.append(Slot(k, v, t))
        else:
            oldest = min(slots, key=lambda s: s.last_used)
            oldest.key, oldest.value, oldest.last_used = k, v, t
    return slots


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    top_k: int = 50,
    kernel_offset: float = 1e-3,
    update_rate: float = 0.1,
    tolerance: float = 1e-6,
    prepare: Callable[[Tensor], Tensor] = unit,
) -> Tensor:
    """Mean of the nearest values by 1 / (|q - h|^2 + kernel_offset)."""
    slots = written(
        keys,
        values,
        capacity=capacity,
        update_rate=update_rate,
        tolerance=tolerance,
        prepare=prepare,
    )
    recalled = []
    for raw in queries:
        q = prepare(raw)
        nearest = sorted(slots, key=lambda s: squared(s.key, q))[:top_k]
        total, out = 0.0, torch.zeros(values.shape[1], dtype=values.dtype)
        for slot in nearest:
            kernel = 1 / (((q - slot.key) ** 2).sum() + kernel_offset)
            total, out = total + kernel, out + kernel * slot.value
        recalled.append(out / total if slots else out)
    return torch.stack(recalled)
