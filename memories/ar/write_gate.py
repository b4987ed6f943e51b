"""How much of an event is stored, by what is known when it arrives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.dense import Dense

OPEN_LOGIT = 2.0
"""Where a gate starts: 0.88 open, so that an untrained memory stores nearly everything."""
INITIAL_SHARE = 0.1
"""Of the usual scale, for the last layer's initial weights: untrained gates hardly differ."""
SURPRISE_FLOOR = 1e-6
MOST_SURPRISE = 2.0


class WriteGate(nn.Module):
    """sigmoid(MLP([key, context, surprise])) with one hidden layer of rectified units.

    Args:
        key_dim: D.
        context_dim: C.
        hidden: Units of the layer.
        generator: Source of the initial weights.
    """

    def __init__(
        self, key_dim: int, context_dim: int, hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = Dense(key_dim + context_dim + 1, hidden, generator)
        self.last = Dense(hidden, 1, generator, bias=False)
        self.bias = nn.Parameter(torch.tensor(OPEN_LOGIT))
        with torch.no_grad():
            self.last.weight.mul_(INITIAL_SHARE)

    def forward(self, key: Tensor, context: Tensor, surprised: Tensor) -> Tensor:
        """The gate in (0, 1) of an event with unit key [D], context [C] and scalar surprise."""
        features = self.first(torch.cat([key, context, surprised[None]])).relu()
        logit: Tensor = self.last(features)[0] + self.bias
        return logit.sigmoid()


def surprise(value: Tensor, recalled: Tensor) -> Tensor:
    """|v - r| / (|v| + 1e-6), at most 2, for a value [V] and what was recalled in its place."""
    ratio = _length(value - recalled) / (_length(value) + SURPRISE_FLOOR)
    return ratio.clamp(max=MOST_SURPRISE)


def _length(x: Tensor) -> Tensor:
    """The norm of x [V]; zero with zero gradient for zeros, where a root has none."""
    squared = (x * x).sum()
    return torch.where(squared > 0, torch.where(squared > 0, squared, 1.0).sqrt(), 0.0)
