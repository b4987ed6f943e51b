"""DLinear: one linear map for the trend of a window, one for what is left."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.registry import backbone
from memories.backbones.base import Backbone, Training
from memories.backbones.layers import ChannelLinear, linear
from memories.base import InvalidParameter


@backbone("dlinear", source="Zeng et al. 2023")
class DLinear(Backbone):
    """Linear maps of a window's moving average and of the remainder, summed.

    The moving average has stride 1 and repeats the border rows, so it looks only inside the
    window. Both weights start at 1/L: before training the forecast is the window's mean (plus the
    biases).

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        kernel: Odd width of the moving average, in rows.
        individual: Whether every channel has weights of its own.
        generator: Draws the biases, uniform in +-1/sqrt(L).
    """

    head: ClassVar[str | None] = None

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        kernel: int = 25,
        individual: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise InvalidParameter("kernel", f"must be odd and positive, got {kernel}")
        self.kernel = kernel
        if individual:
            self.season: torch.nn.Module = ChannelLinear(channels, lookback, horizon, generator)
            self.trend: torch.nn.Module = ChannelLinear(channels, lookback, horizon, generator)
        else:
            self.season = linear(lookback, horizon, generator)
            self.trend = linear(lookback, horizon, generator)
        for part in (self.season, self.trend):
            torch.nn.init.constant_(part.get_parameter("weight"), 1 / lookback)

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:  # noqa: ARG002
        """Forecasts [B, H, C] of windows [B, L, C]; the same in training."""
        rows = windows.transpose(-1, -2)
        border = (self.kernel - 1) // 2
        first = rows[..., :1].expand(*rows.shape[:-1], border)
        last = rows[..., -1:].expand(*rows.shape[:-1], border)
        trend = F.avg_pool1d(torch.cat([first, rows, last], dim=-1), self.kernel, stride=1)
        forecast: Tensor = self.season(rows - trend) + self.trend(trend)
        return forecast.transpose(-1, -2)
