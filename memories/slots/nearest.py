"""The k best-scoring slots, with ties decided by recency and not by chance."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING_UNITS = 8
"""Scores this many units of rounding apart count as equal."""


def rounding(like: Tensor) -> float:
    """The relative difference that one dot product may show between two computations of it.

    A matrix product sums in another order in the last columns of a block, so that two slots with
    the same key can differ in the last bits of their scores.
    """
    return ROUNDING_UNITS * torch.finfo(like.dtype).eps


def nearest(scores: Tensor, k: int, slack: Tensor | float) -> Tensor:
    """Positions [Q, k] of the k largest scores; of equal ones, those that come first.

    Positions come in order, not by score. `topk` alone would choose freely among ties, and a
    full stable sort costs ten times as much.

    Args:
        scores: [Q, M], newest event first, -inf where a slot is not in use.
        k: At most M.
        slack: Differences up to this count as ties; broadcastable to `scores`.
    """
    if k == 1:
        best = scores.amax(-1, keepdim=True)
        return (scores >= best - slack).to(torch.int8).argmax(-1, keepdim=True)
    kth = scores.topk(k, dim=-1).values[:, -1:]
    above = scores > kth + slack
    tied = (scores >= kth - slack) & ~above
    room = k - above.sum(-1, keepdim=True)
    chosen = above | (tied & (tied.cumsum(-1) <= room))
    n_slots = scores.shape[-1]
    # in a lane gone NaN nothing compares as chosen: stay inside the range, the NaN shows anyway
    position = torch.where(chosen, torch.arange(n_slots, device=scores.device), n_slots - 1)
    return position.topk(k, dim=-1, largest=False).values
