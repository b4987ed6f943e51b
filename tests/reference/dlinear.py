"""DLinear, lead by lead and row by row (Zeng et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor


def forecast(
    window: Tensor,
    season: tuple[Tensor, Tensor],
    trend: tuple[Tensor, Tensor],
    kernel: int,
) -> Tensor:
    """Forecast [H, C] of a window [L, C].

    Args:
        window: Newest row last.
        season: Weight [1 or C, H, L] and bias [1 or C, H].
        trend: Likewise.
        kernel: Width of the moving average; beyond the window its border rows are repeated.
    """
    length, channels = window.shape
    half = (kernel - 1) // 2
    leads = season[0].shape[1]
    columns = []
    for c in range(channels):
        own = min(c, season[0].shape[0] - 1)
        smooth = []
        for t in range(length):
            around = [window[min(max(t + k, 0), length - 1), c] for k in range(-half, half + 1)]
            smooth.append(torch.stack(around).sum() / kernel)
        column = []
        for h in range(leads):
            total = season[1][own, h] + trend[1][own, h]
            for t in range(length):
                total = total + season[0][own, h, t] * (window[t, c] - smooth[t])
                total = total + trend[0][own, h, t] * smooth[t]
            column.append(total)
        columns.append(torch.stack(column))
    return torch.stack(columns, dim=1)
