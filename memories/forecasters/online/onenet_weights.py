"""How two forecasts are weighted, channel by channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.backbones.base import Training
from memories.backbones.layers import dropped, linear

FLOOR = 1e-10
"""Least ratio of the two weights: without it, one that was bad for long would need as long to
return."""


class ShortTermBias(nn.Module):
    """What a newest complete pair adds to the logits of the weights, one number a channel.

    Three linear maps, 3H to hidden to hidden to 1, with hyperbolic tangents between them (Zhang et
    al. 2023); all channels share them.

    Args:
        horizon: H.
        hidden: Width of the hidden layers.
        dropout: Rate on both hidden layers, in training.
        generator: Draws the weights.
    """

    def __init__(
        self, horizon: int, hidden: int, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = linear(3 * horizon, hidden, generator)
        self.second = linear(hidden, hidden, generator)
        self.last = linear(hidden, 1, generator)

    def forward(
        self,
        logits: Tensor,
        forecasts: tuple[Tensor, Tensor],
        targets: Tensor,
        training: Training | None = None,
    ) -> Tensor:
        """Biases [B, C] from what both forecasts contributed to a mean, and the truth.

        Args:
            logits: [C].
            forecasts: Both [B, H, C].
            targets: [B, H, C].
            training: Dropout, in training.
        """
        share = torch.sigmoid(logits)
        one, other = forecasts
        seen = torch.cat([share * one, (1 - share) * other, targets], dim=-2).mT
        for layer in (self.first, self.second):
            seen = torch.tanh(dropped(layer(seen), self.dropout, training))
        biases: Tensor = self.last(seen)
        return biases[..., 0]


def weighted(logits: Tensor, forecasts: tuple[Tensor, Tensor]) -> Tensor:
    """Weighted forecasts [..., H, C], s y1 + (1 - s) y2 with s = sigmoid(logits).

    Args:
        logits: Broadcasts over [..., H, C].
        forecasts: y1 and y2.
    """
    one, other = forecasts
    return torch.lerp(other, one, torch.sigmoid(logits))


def exponentiated(logits: Tensor, losses: tuple[Tensor, Tensor], rate: Tensor) -> Tensor:
    """Logits [C] after a step of exponentiated gradient on the two weights of each channel.

    w_i <- w_i exp(-rate l_i) / Z (Kivinen & Warmuth 1997; Zhang et al. 2023). Of two weights on a
    simplex the logit log(w_1 / w_2) tells all: the step takes rate (l_1 - l_2) off it.

    Args:
        logits: [C].
        losses: l_1 and l_2 [C].
        rate: Step size.
    """
    bound = -math.log(FLOOR)
    return (logits - rate * (losses[0] - losses[1])).clamp(-bound, bound)
