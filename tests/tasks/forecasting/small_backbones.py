"""Backbones as small as can be: one with dropout and batch statistics, and a plug-in's kind."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone, Training
from memories.backbones.layers import BatchNorm, linear


class Noisy(Backbone):
    """Per channel a hidden layer that is normalised over the batch and dropped in part.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        width: Of the hidden layer.
        rate: Of dropout.
        generator: Draws the weights and a fixed code, which is a buffer of the seed's own.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        width: int = 6,
        rate: float = 0.3,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.rate = rate
        # a bias would be cancelled by the norm, and Adam make whole steps of its rounding errors
        self.hidden = linear(lookback, width, generator, bias=False)
        self.norm = BatchNorm(width)
        self.out = linear(width, horizon, generator)
        self.register_buffer("code", 0.1 * torch.randn(width, generator=generator))

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        hidden = self.norm(self.hidden(windows.transpose(-1, -2)), training)
        hidden = torch.relu(hidden + self.code)
        if training is not None:
            hidden = training.drop(hidden, self.rate)
        return self.out(hidden).transpose(-1, -2)


class Plain(nn.Module):
    """A linear map of the window, as a plug-in might write it: no `Backbone`.

    Args:
        lookback: L.
        horizon: H.
        layer: A layer that works on [..., L], applied first.
        generator: Draws the weights.
    """

    def __init__(
        self,
        lookback: int,
        horizon: int,
        *,
        layer: nn.Module | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.first = nn.Identity() if layer is None else layer
        self.map = linear(lookback, horizon, generator)

    def forward(self, windows: Tensor) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        forecast: Tensor = self.map(self.first(windows.transpose(-1, -2))).transpose(-1, -2)
        return forecast
