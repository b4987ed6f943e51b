"""The drifting context as first sketched: the query, whatever was written."""

from __future__ import annotations

import torch
from torch import Tensor


def recall(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    """q cut or padded to V, since a context that no read has moved is zero."""
    recalled = torch.zeros(len(queries), values.shape[1], dtype=values.dtype)
    width = min(keys.shape[1], values.shape[1])
    for row, q in zip(recalled, queries, strict=True):
        row[:width] = q[:width]
    return recalled
