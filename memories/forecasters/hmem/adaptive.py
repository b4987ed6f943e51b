"""How many of the retrieved errors count, and how much each: learned, without a branch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear
from memories.slots.bank_search import Recalled

FIRST_SHARE = 4 / 9
"""Where the number counted starts between 1 and K: at 5 of 10."""
STEP_WIDTH = 0.25
"""Width, in ranks, of the step from what counts to what does not."""
SUM_FLOOR = 1e-8


class AdaptiveRetrieval(nn.Module):
    """Weights of the K retrieved errors by learned attention over a learned number of them.

    l_j = (Wq z) . (Wk k_j) / sqrt(d) + s_j / T, with Wq zero at first, so that it starts as the
    softmax over similarities; k = 1 + (K - 1) sigmoid(w . [z; f] + b), f the mean, standard
    deviation, largest and range of the valid similarities and the share of the bank in use, w
    zero at first. Of rank j the weight is proportional to sigmoid((k - j + 1/2) / 0.25) e^(l_j).

    Args:
        evidence: K, at least 2.
        dim: d.
        generator: Draws Wk.
    """

    rank: Tensor

    def __init__(self, evidence: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.query = linear(dim, dim, generator, bias=False)
        self.key = linear(dim, dim, generator, bias=False)
        self.number = linear(dim + 5, 1, generator)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.number.weight)
        nn.init.constant_(self.number.bias, math.log(FIRST_SHARE / (1 - FIRST_SHARE)))
        self.register_buffer("rank", torch.arange(1.0, evidence + 1))
        self.scale = 1 / math.sqrt(dim)

    def forward(self, recalled: Recalled, z: Tensor, filled: Tensor, temperature: Tensor) -> Tensor:
        """Weights [K] of what was recalled for an encoding z [d]; zero where not valid."""
        similarity, valid = recalled.similarity, recalled.valid
        counted = self.counted(similarity, valid, z, filled)
        gate = torch.sigmoid((counted - self.rank + 0.5) / STEP_WIDTH)
        match = self.key(recalled.keys) @ self.query(z)
        lowest = torch.finfo(similarity.dtype).min
        logits = torch.where(valid, match * self.scale + similarity / temperature, lowest)
        raw = torch.where(valid, gate * (logits - logits.detach().amax()).exp(), 0.0)
        return raw / raw.sum().clamp(min=SUM_FLOOR)

    def counted(self, similarity: Tensor, valid: Tensor, z: Tensor, filled: Tensor) -> Tensor:
        """How many of the retrieved count, k: between 1 and K."""
        features = torch.stack([*spread(similarity, valid), filled])
        share = torch.sigmoid(self.number(torch.cat([z, features])))[0]
        return 1 + (len(self.rank) - 1) * share


def spread(similarity: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean, standard deviation, largest and range of the valid of K; zeros without any."""
    counted = valid.to(similarity.dtype)
    number = counted.sum().clamp(min=1)
    masked = torch.where(valid, similarity, 0.0)
    mean = masked.sum() / number
    std = ((counted * (masked - mean).square()).sum() / number + 1e-12).sqrt()
    highest = torch.finfo(similarity.dtype).max
    largest = torch.where(valid, similarity, -highest).amax()
    smallest = torch.where(valid, similarity, highest).amin()
    found = valid.any()
    largest, smallest = (torch.where(found, x, 0.0) for x in (largest, smallest))
    return mean, torch.where(found, std, 0.0), largest, largest - smallest
