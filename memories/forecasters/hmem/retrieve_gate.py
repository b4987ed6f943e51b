"""Whether a retrieval is used at all: a learned switch with a straight-through gradient."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.forecasters.hmem.adaptive import spread
from memories.forecasters.hmem.evidence import Evidence

FIRST_LOGIT = 2.0
"""The gate starts open, at sigmoid(2) = 0.881."""
MOST_SURPRISE = 2.0


class RetrieveGate(nn.Module):
    """Switches a correction on where p = sigmoid(w . [z; f] + b) exceeds a half.

    f: the largest and the mean valid similarity, the share of the bank in use, min(surprise, 2);
    w is zero and b is 2 at first. Forward the ``hard`` gate is 0 or 1, backward it has the
    gradient of p (the straight-through estimator of Bengio et al. 2013); ``soft`` is p itself.

    Args:
        dim: d.
        mode: Which of the two.
    """

    def __init__(self, dim: int, mode: Literal["hard", "soft"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim + 4))
        self.bias = nn.Parameter(torch.tensor(FIRST_LOGIT))
        self.mode = mode

    def forward(self, z: Tensor, evidence: Evidence, surprise: Tensor) -> Tensor:
        """The gate, a scalar, for an encoding z [d], what was recalled and the surprise."""
        mean, _, largest, _ = spread(evidence.similarity, evidence.valid)
        features = torch.stack([largest, mean, evidence.filled, surprise.clamp(max=MOST_SURPRISE)])
        p = torch.sigmoid((self.weight * torch.cat([z, features])).sum() + self.bias)
        if self.mode == "soft":
            return p
        return (p > 0.5).to(p.dtype) + (p - p.detach())
