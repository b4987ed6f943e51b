"""DLinear: one linear map for the trend of a window, one for what is left."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from bench.registry import backbone
from memories.backbones.base import Backbone, Training
from memories.backbones.layers import ChannelLinear, linear
from memories.backbones.revin import RevIN, within
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
        revin: Whether windows are normalised by their own mean and spread (Kim et al. 2022).
        generator: Draws the biases, uniform in +-1/sqrt(L).
    """

    head: ClassVar[str | None] = None
    window_counts: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        kernel: int = 25,
        individual: bool = False,
        revin: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise InvalidParameter("kernel", f"must be odd and positive, got {kernel}")
        self.kernel = kernel
        # follows from the sizes, so it is no storage
        self.register_buffer("window_counts", window_counts(lookback, kernel), persistent=False)
        self.revin = RevIN(channels) if revin else None
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
        return within(self.revin, rows, self._leads).transpose(-1, -2)

    def _leads(self, rows: Tensor) -> Tensor:
        """Forecasts [B, C, H] of series [B, C, L]."""
        trend = rows @ self.window_counts / self.kernel
        leads: Tensor = self.season(rows - trend) + self.trend(trend)
        return leads


def window_counts(length: int, kernel: int) -> Tensor:
    """How often row i [L] is in the window of `kernel` rows around row j [L], as a matrix [L, L].

    Beyond the ends the border rows are repeated. One product with it takes a fifth of the time of
    pooling at a batch of one window, and a sixth at a batch of 250 (measured at L = 96).
    """
    rows = torch.arange(length)
    around = (rows[:, None] + torch.arange(kernel) - (kernel - 1) // 2).clamp(0, length - 1)
    column = rows[:, None].expand_as(around)
    return torch.zeros(length, length).index_put(
        (around, column), torch.ones(around.shape), accumulate=True
    )
