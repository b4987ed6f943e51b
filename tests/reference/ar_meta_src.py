"""Fast weights written by a network, one event at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    network: Any,
    scale: Tensor,
    value_aware: bool = False,
) -> Tensor:
    """q F with F the sum of scale tanh(G(k))."""
    memory = torch.zeros(keys.shape[1], values.shape[1], dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        x = torch.cat([k, v]) if value_aware else k
        for layer in (network[0], network[2]):
            x = (layer.weight @ x + layer.bias).clamp(min=0)
        update = (network[4].weight @ x + network[4].bias).tanh()
        memory = memory + scale * update.reshape(memory.shape)
    return torch.stack([q @ memory for q in queries])
