"""How much of a correction the fast memory lets through (H-Mem's guide, 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear
from memories.forecasters.hmem.chrc import Correction


class FusionGate(nn.Module):
    """Scales a correction by a gate that sees the forecast, the correction and SNMA's memory.

    lambda = sigmoid(W2 GELU(LN(W1 [prediction; C; M]))), W1 to m; the forecast gains lambda times
    the correction. The guide's code multiplies by the confidence twice: power 2.

    Args:
        channels: C.
        horizon: H.
        memory_dim: m; without SNMA its memory is zero.
        confidence_power: How often the confidence counts.
        generator: Draws the weights.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        memory_dim: int,
        *,
        confidence_power: int = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            linear(2 * horizon * channels + memory_dim, memory_dim, generator),
            nn.LayerNorm(memory_dim),
            nn.GELU(),
            linear(memory_dim, 1, generator),
        )
        self.confidence_power = confidence_power

    def forward(self, prediction: Tensor, correction: Correction, memory: Tensor) -> Tensor:
        """What is added to a prediction [H, C] for a correction and a memory M [m]: [H, C]."""
        seen = torch.cat([prediction.reshape(-1), correction.refined.reshape(-1), memory])
        gate = torch.sigmoid(self.layers(seen))[0]
        return gate * correction.confidence ** (self.confidence_power - 1) * correction.delta
