"""The causal stream: what is known at each origin, cut so that nothing later can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Revealed:
    """What a forecaster is given at origin t, over all lanes.

    Attributes:
        row: x_t [S, C].
        recent: Window [S, L, C] and target [S, H, C] of origin t-H, the newest complete pair.
        window: Rows t-L+1..t, [S, L, C].
    """

    row: Tensor
    recent: tuple[Tensor, Tensor]
    window: Tensor


class CausalStream:
    """Rows handed out origin by origin.

    Every piece is a copy: no view's storage holds a later row, so that a forecaster cannot see
    the future even by mistake.

    Args:
        rows: [S, T, C], or [1, T, C] where all lanes share one series.
        lookback: L.
        horizon: H.
    """

    def __init__(self, rows: Tensor, lookback: int, horizon: int) -> None:
        self.rows = rows
        self.lookback = lookback
        self.horizon = horizon

    def revealed(self, t: int, lanes: Sequence[int]) -> Revealed:
        """What is known at origin t, for these lanes of the series."""
        past, back = t - self.horizon, self.lookback - 1
        return Revealed(
            self._per_lane(torch.select_copy(self.rows, 1, t), lanes),
            (
                self._copy(past - back, self.lookback, lanes),
                self._copy(past + 1, self.horizon, lanes),
            ),
            self._copy(t - back, self.lookback, lanes),
        )

    def targets(self, origins: Sequence[int], lanes: Sequence[int]) -> Tensor:
        """The truth [K, S, H, C] of K origins; for scoring only."""
        ahead = torch.arange(1, self.horizon + 1, device=self.rows.device)
        index = self._index(origins)[:, None] + ahead
        return self._of(lanes)[:, index].transpose(0, 1)

    def windows(self, origins: Sequence[int], lanes: Sequence[int]) -> Tensor:
        """Windows [S, K, L, C] of K origins; for training and for batched evaluation."""
        back = torch.arange(1 - self.lookback, 1, device=self.rows.device)
        index = self._index(origins)[:, None] + back
        return self._of(lanes)[:, index]

    def _copy(self, start: int, length: int, lanes: Sequence[int]) -> Tensor:
        return self._per_lane(torch.narrow_copy(self.rows, 1, start, length), lanes)

    def _per_lane(self, piece: Tensor, lanes: Sequence[int]) -> Tensor:
        """A piece [S or 1, ...] of the series for these lanes of it."""
        if piece.shape[0] == 1:
            return piece if len(lanes) == 1 else piece.expand(len(lanes), *piece.shape[1:])
        return piece.index_select(0, self._index(lanes))

    def _of(self, lanes: Sequence[int]) -> Tensor:
        return self._per_lane(self.rows, lanes)

    def _index(self, numbers: Sequence[int]) -> Tensor:
        return torch.as_tensor(list(numbers), dtype=torch.int64, device=self.rows.device)


def squared_error(forecasts: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error over the last two axes, leads and channels."""
    return (forecasts - truth).square().mean((-1, -2))
