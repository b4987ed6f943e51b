"""Small backbones: layers of all shapes, with and without bias, and samples out of place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.base import Backbone, Training
from memories.backbones.layers import BatchNorm
from tests.memories.forecasters.online.walks import CHANNELS, HORIZON, LOOKBACK

WIDTH = 4


class Block(nn.Module):
    """Two square maps, one of them without bias, and a wide map."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide = nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.query(x) * torch.tanh(self.key(x))
        return x + F.glu(self.wide(mixed))


class Layered(Backbone):
    """Channels as a convolution's channels, then two blocks, a norm and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(LOOKBACK, WIDTH)
        self.mixing = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1)
        self.each = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.first = Block()
        self.second = Block()
        self.norm = BatchNorm(WIDTH)
        self.projection = nn.Linear(WIDTH, HORIZON)

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        hidden = self.each(self.mixing(self.embedding(windows.mT)))
        hidden = self.norm(self.second(self.first(hidden)), training)
        if training is not None:
            hidden = training.drop(hidden, 0.2)
        forecasts: Tensor = self.projection(hidden).mT
        return forecasts


def layered(seed: int = 1) -> Layered:
    module = Layered()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return module


class RowsFirst(nn.Module):
    """Passes samples along the second axis of its layer's input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, windows: Tensor) -> Tensor:
        forecasts: Tensor = self.layer(windows.transpose(0, 1)).transpose(0, 1)[:, -HORIZON:]
        return forecasts
