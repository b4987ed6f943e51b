"""Slots behind a hard gate, one event at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    decay: float,
    drift_in: Tensor,
    context_out: Tensor,
    gate: Any,
) -> Tensor:
    """softmax((q + c W_c) K^T) V over the events whose gate exceeded one half."""
    context = torch.zeros(drift_in.shape[1], dtype=keys.dtype)
    kept: list[tuple[Tensor, Tensor]] = []
    for k, v in zip(keys, values, strict=True):
        context = decay * context + k @ drift_in
        hidden = (gate[0].weight @ torch.cat([k, context]) + gate[0].bias).clamp(min=0)
        opened = (gate[2].weight @ hidden + gate[2].bias).sigmoid()
        if float(opened.detach()) > 0.5:
            kept = [*kept, (k, v)][-capacity:]
    recalled = []
    for q in queries:
        total = torch.zeros(values.shape[1], dtype=values.dtype)
        if kept:
            scores = torch.stack([(q + context @ context_out) @ k for k, _ in kept])
            for w, (_, v) in zip(scores.softmax(0), kept, strict=True):
                total = total + w * v
        recalled.append(total)
    return torch.stack(recalled)
