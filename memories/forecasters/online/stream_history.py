"""The newest rows of a stream, and the pairs of window and target that can be cut from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamHistory(nn.Module):
    """Holds enough rows for the newest N complete pairs, oldest row first.

    A pair is named by its age: how many rows ago it was the newest one whose target was complete.
    The pair of age 0 has origin t-H, that of age a origin t-H-a. A new row moves all others up
    by one: state is copied at every step anyway, and rows that stay in order are cut without
    index arithmetic.

    Args:
        pairs: N.
        lookback: L.
        horizon: H.
    """

    def __init__(self, pairs: int, lookback: int, horizon: int) -> None:
        super().__init__()
        self.pairs, self.lookback, self.horizon = pairs, lookback, horizon

    def empty(self, channels: int, device: torch.device) -> Tensor:
        """Rows [N+L+H-1, C] before any was revealed: zeros."""
        return torch.zeros(self.pairs + self.lookback + self.horizon - 1, channels, device=device)

    def extended(self, rows: Tensor, recent: tuple[Tensor, Tensor]) -> Tensor:
        """The rows after one more was revealed.

        Args:
            rows: [N+L+H-1, C].
            recent: The newest complete pair, whose target ends with the new row. Its other rows
                are those held already, except at the first call.
        """
        return torch.cat([rows[1 : self.pairs], *recent])

    def cut(self, rows: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        """Windows [K, L, C] and targets [K, H, C] of the pairs of these ages, int64 [K]."""
        spans = rows.unfold(0, self.lookback + self.horizon, 1)
        pairs = spans[self.pairs - 1 - ages]
        windows, targets = torch.split(pairs, [self.lookback, self.horizon], dim=2)
        return windows.mT, targets.mT

    def distances(self, rows: Tensor, ages: Tensor, window: Tensor) -> Tensor:
        """Euclidean distances [K] of a window [L, C] to those of the pairs of these ages."""
        windows = rows.unfold(0, self.lookback, 1)[self.pairs - 1 - ages]
        distances: Tensor = torch.linalg.vector_norm(windows - window.mT, dim=(1, 2))
        return distances
