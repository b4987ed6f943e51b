"""What a forecasting backbone is: a pure map from windows to forecasts, and how it is trained.

Online, a backbone is always in evaluation mode: `forward(windows)` draws nothing and remembers
nothing. Training adds dropout and batch statistics; both are passed in and handed out through a
`Training`, so that many seeds and learning rates can be trained as lanes of one call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn


class Training:
    """What training adds to one forward pass: dropout in, batch statistics out.

    Args:
        noise: Numbers of U(0, 1), at least as many as `Backbone.noise_size` says; None to count
            how many a pass would use, without dropping anything.
    """

    def __init__(self, noise: Tensor | None = None) -> None:
        self.noise = noise
        self.used = 0
        self.statistics: dict[nn.Module, dict[str, Tensor]] = {}
        """New values of a module's buffers, by their names in it."""

    def drop(self, x: Tensor, rate: float) -> Tensor:
        """`x` with each element zeroed with probability `rate`, the others scaled up to match.

        Srivastava et al. 2014; the numbers are taken in the order of the calls.
        """
        if rate == 0:
            return x
        start, self.used = self.used, self.used + x.numel()
        if self.noise is None:
            return x
        keep = self.noise[start : self.used].view(x.shape) >= rate
        # a product with integers takes a third of the time of `where`, one with bools a half
        return x / (1 - rate) * keep.view(torch.int8)


class Backbone(nn.Module, ABC):
    """Maps windows [B, L, C] to forecasts [B, H, C].

    A constructor takes `channels`, `lookback`, `horizon`, parameters of its own and a keyword
    `generator`. Linear maps should be `torch.nn.Linear` modules: what generates low-rank or scaled
    weights finds them by that type.
    """

    head: ClassVar[str | None] = None
    """Name of the submodule that is the last linear map; None where that is the whole of it."""

    @abstractmethod
    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        """Forecasts [B, H, C] of windows [B, L, C]; in evaluation mode without a `training`."""

    def noise_size(self, windows: Tensor) -> int:
        """How many numbers a training pass over such windows [B, L, C] takes from its noise."""
        counting = Training()
        with torch.no_grad():
            self(windows, counting)
        return counting.used

    def statistics(self, training: Training) -> dict[str, Tensor]:
        """What a training pass made of the buffers, by their dotted names."""
        names = {module: name for name, module in self.named_modules()}
        return {
            f"{names[module]}.{buffer}" if names[module] else buffer: value
            for module, buffers in training.statistics.items()
            for buffer, value in buffers.items()
        }
