"""DLinear: one linear map for the trend of a window, one for what is left."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.registry import backbone
from memories.base import InvalidParameter


@backbone("dlinear", source="Zeng et al. 2023")
class DLinear(nn.Module):
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

    head: None = None

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
        copies = channels if individual else 1
        for part in ("season", "trend"):
            weight = torch.full((copies, horizon, lookback), 1 / lookback)
            bias = (2 * torch.rand(copies, horizon, generator=generator) - 1) / lookback**0.5
            self.register_parameter(f"{part}_weight", nn.Parameter(weight))
            self.register_parameter(f"{part}_bias", nn.Parameter(bias))

    def forward(self, windows: Tensor) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]."""
        rows = windows.transpose(-1, -2)
        border = (self.kernel - 1) // 2
        first = rows[..., :1].expand(*rows.shape[:-1], border)
        last = rows[..., -1:].expand(*rows.shape[:-1], border)
        trend = F.avg_pool1d(torch.cat([first, rows, last], dim=-1), self.kernel, stride=1)
        forecast: Tensor = self._map("season", rows - trend) + self._map("trend", trend)
        return forecast.transpose(-1, -2)

    def _map(self, part: str, rows: Tensor) -> Tensor:
        """The part's linear map, [B, C, L] to [B, C, H]."""
        weight, bias = getattr(self, f"{part}_weight"), getattr(self, f"{part}_bias")
        if weight.shape[0] == 1:
            shared: Tensor = F.linear(rows, weight[0], bias[0])
            return shared
        mapped: Tensor = torch.einsum("bcl,chl->bch", rows, weight) + bias
        return mapped
