"""Fast weights with shared projections, one event at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    rule: str = "hebb",
    strength: Tensor | float = 1.0,
    decay: Tensor | float = 1.0,
    key_in: Tensor | None = None,
    value_in: Tensor | None = None,
    value_out: Tensor | None = None,
    elu1: bool = False,
) -> Tensor:
    """(unit(q P_K) F) P_O, with elu + 1 features divided by their sum of matches."""
    eye = torch.eye(keys.shape[1], dtype=keys.dtype)
    key_in = eye if key_in is None else key_in
    value_eye = torch.eye(values.shape[1], dtype=values.dtype)
    value_in = value_eye if value_in is None else value_in
    value_out = value_eye if value_out is None else value_out

    def address(x: Tensor) -> Tensor:
        projected = unit(x @ key_in)
        if not elu1:
            return projected
        return torch.stack([c + 1 if c > 0 else c.exp() for c in projected])

    memory = torch.zeros(keys.shape[1], values.shape[1], dtype=values.dtype)
    normaliser = torch.zeros(keys.shape[1], dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        a, content = address(k), v @ value_in
        target = content - a @ memory if rule == "delta" else content
        memory = decay * memory + strength * torch.outer(a, target)
        normaliser = decay * normaliser + strength * a
    recalled = []
    for q in queries:
        a = address(q)
        scale = a @ normaliser + 1e-6 if elu1 else 1.0
        recalled.append((a @ memory / scale) @ value_out)
    return torch.stack(recalled)
