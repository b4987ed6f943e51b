"""Backbones whose forecasts can be read off."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Newest(nn.Module):
    """Forecasts the newest row at every lead, plus a learned offset [H, C] that starts at zero."""

    def __init__(self, horizon: int, channels: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(horizon, channels))

    def forward(self, windows: Tensor) -> Tensor:
        return windows[:, -1:] + self.offset


def pieces(rows: Tensor, t: int, lookback: int, horizon: int) -> tuple[Tensor, ...]:
    """Row t, window and target of the newest complete pair, and the window at t."""
    past = t - horizon
    return (
        rows[t],
        rows[past - lookback + 1 : past + 1],
        rows[past + 1 : t + 1],
        rows[t - lookback + 1 : t + 1],
    )
