"""Windows and targets of every lane's series."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from memories.token_training.lanes import TokenLanes
from tasks.forecasting.stream import CausalStream


class LaneWindows:
    """The windows that lanes see, of one series for all or one for each.

    Args:
        stream: The scaled series, a lane per seed or one for all.
        lanes: Whose `numbers` say which seeds are still there.
    """

    def __init__(self, stream: CausalStream, lanes: TokenLanes) -> None:
        self.stream, self.lanes = stream, lanes

    @property
    def shared(self) -> bool:
        """Whether all lanes see one series."""
        return self.stream.rows.shape[0] == 1

    def __call__(self, origins: Sequence[int]) -> Tensor:
        """Windows [N, B, L, C] that end at these rows; [B, L, C] where all lanes see the same."""
        if self.shared:
            return self.stream.windows(origins, [0])[0]
        return self.stream.windows(origins, self.lanes.numbers.tolist())

    def targets(self, origins: Sequence[int]) -> Tensor:
        """The truth [B, N, H, C] of these origins; for scoring only."""
        lanes = self.lanes.numbers.tolist()
        return self.stream.targets(origins, lanes)

    def batch(self, origins: Tensor) -> tuple[Tensor, Tensor]:
        """Training windows [N, B, L, C] and targets [N, B, H, C] of each lane's origins [N, B]."""
        rows = self.stream.rows
        numbers = torch.zeros_like(self.lanes.numbers) if self.shared else self.lanes.numbers
        lane = numbers.to(rows.device)[:, None, None]
        at = origins.to(rows.device)[..., None]
        back = torch.arange(1 - self.stream.lookback, 1, device=rows.device)
        ahead = torch.arange(1, self.stream.horizon + 1, device=rows.device)
        return rows[lane, at + back], rows[lane, at + ahead]
