"""Softmax over the slots that are in use."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_softmax(logits: Tensor, valid: Tensor) -> Tensor:
    """Weights [..., M] that sum to one over the valid entries; all zero where none is valid.

    Args:
        logits: [..., M]; anything, NaN included, where not valid.
        valid: Bool, broadcastable to `logits`.
    """
    # the lowest finite number, not -inf: a row without valid entries stays free of NaN
    lowest = torch.finfo(logits.dtype).min
    weights = torch.where(valid, logits, lowest).softmax(-1)
    return torch.where(valid, weights, 0.0)
