"""One value from the values of the retrieved slots, invalid ones left out without a branch."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.slots.bank_presets import Aggregate
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import rounding

SUM_FLOOR = 1e-8
"""Smallest sum of similarities that weights are divided by."""
CONFIDENT_SPREAD = 5.0
"""Largest similarity, in spreads of the retrieved ones, at which `blend` is half a softmax."""


def weights(similarity: Tensor, valid: Tensor, how: Aggregate, temperature: Tensor) -> Tensor:
    """Weights [..., K] of retrieved values; zero where not valid.

    Args:
        similarity: [..., K]; anything where not valid.
        valid: Bool, of the same shape.
        how: The kind of weights.
        temperature: Of the softmax.

    Raises:
        NotImplementedError: If it is the median, which weights nothing.
    """
    match how:
        case "softmax":
            return softmax_weights(similarity, valid, temperature)
        case "weighted-mean":
            return similarity_weights(similarity, valid)
        case "max":
            return best_weights(similarity, valid, rounding(similarity))
        case "blend":
            return blended_weights(similarity, valid, temperature)
        case _:
            raise NotImplementedError("the median of values is no weighting of them")


def softmax_weights(similarity: Tensor, valid: Tensor, temperature: Tensor) -> Tensor:
    """Weights [..., K] proportional to e^(s / temperature) over the valid; zero without any."""
    return masked_softmax(similarity / temperature, valid)


def similarity_weights(similarity: Tensor, valid: Tensor) -> Tensor:
    """Weights [..., K] proportional to the similarities above zero; zero without any."""
    positive = torch.where(valid, similarity, 0.0).relu()
    return positive / (positive.sum(-1, keepdim=True) + SUM_FLOOR)


def best_weights(similarity: Tensor, valid: Tensor, slack: float) -> Tensor:
    """Weight one on the most similar valid entry, on the first of those within `slack` of it."""
    scores = torch.where(valid, similarity, -torch.inf)
    first = (scores >= scores.amax(-1, keepdim=True) - slack).to(torch.int8).argmax(-1)
    chosen = first[..., None] == torch.arange(similarity.shape[-1], device=similarity.device)
    return torch.where(chosen & valid, 1.0, 0.0).to(similarity.dtype)


def blended_weights(similarity: Tensor, valid: Tensor, temperature: Tensor) -> Tensor:
    """Softmax weights where one entry stands out, similarity weights where none does.

    b softmax + (1 - b) weighted mean, b = sigmoid(max s / (sd + 1e-8) - 5), with the standard
    deviation sd = sqrt(var + 1e-8) over the valid entries.
    """
    counted = valid.to(similarity.dtype)
    masked = torch.where(valid, similarity, 0.0)
    total = counted.sum(-1, keepdim=True).clamp(min=1)
    mean = masked.sum(-1, keepdim=True) / total
    spread = ((counted * (masked - mean).square()).sum(-1, keepdim=True) / total + 1e-8).sqrt()
    lowest = torch.finfo(similarity.dtype).min
    best = torch.where(valid, similarity, lowest).amax(-1, keepdim=True)
    best = torch.where(valid.any(-1, keepdim=True), best, 0.0)
    share = torch.sigmoid(best / (spread + 1e-8) - CONFIDENT_SPREAD)
    soft = softmax_weights(similarity, valid, temperature)
    return share * soft + (1 - share) * similarity_weights(similarity, valid)


def lower_median(values: Tensor, valid: Tensor) -> Tensor:
    """Component-wise lower median [..., V] of the valid rows of [..., K, V]; zero without any."""
    ordered = torch.where(valid[..., None], values, torch.inf).sort(dim=-2).values
    number = valid.sum(-1)
    middle = ((number - 1).clamp(min=0) // 2)[..., None, None]
    picked = ordered.gather(-2, middle.expand(*values.shape[:-2], 1, values.shape[-1]))[..., 0, :]
    return torch.where((number > 0)[..., None], picked, 0.0)
