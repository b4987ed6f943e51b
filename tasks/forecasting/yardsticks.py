"""What every forecaster's errors are held against: the backbone as pre-trained, and persistence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tasks.forecasting.stream import CausalStream, squared_error

EVALUATION_BATCH = 512


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """What the errors of one seed are held against.

    Attributes:
        frozen: Mean squared error of the backbone as pre-trained, per origin [N], float32.
        persistence_mse: Mean squared error of repeating the newest row.
    """

    frozen: np.ndarray[tuple[int], np.dtype[np.float32]]
    persistence_mse: float

    @property
    def frozen_mse(self) -> float:
        """Mean over the origins."""
        return float(self.frozen.mean(dtype=np.float64))

    def tensors(self) -> dict[str, Tensor]:
        """The same as tensors, to be cached."""
        naive = torch.tensor(self.persistence_mse, dtype=torch.float64)
        return {"frozen": torch.from_numpy(self.frozen), "persistence_mse": naive}

    @classmethod
    def from_tensors(cls, kept: Mapping[str, Tensor]) -> Yardsticks:
        """What `tensors` described."""
        return cls(kept["frozen"].numpy(), float(kept["persistence_mse"]))


def measure(module: nn.Module, stream: CausalStream, series: int, origins: range) -> Yardsticks:
    """Errors of a backbone that never changes, and of persistence, over the origins.

    Args:
        module: Maps windows [B, L, C] to forecasts [B, H, C]; in evaluation mode.
        stream: The scaled series.
        series: Which lane of it.
        origins: Consecutive origins; they are batched, as nothing here remembers anything.
    """
    frozen, naive = [], []
    with torch.no_grad():
        for start in range(0, len(origins), EVALUATION_BATCH):
            part = origins[start : start + EVALUATION_BATCH]
            windows = stream.windows(part, [series])[0]
            truth = stream.targets(part, [series])[:, 0]
            frozen.append(squared_error(module(windows), truth))
            naive.append(squared_error(windows[:, -1:], truth).double())
    return Yardsticks(torch.cat(frozen).float().cpu().numpy(), float(torch.cat(naive).mean()))
