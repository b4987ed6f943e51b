"""Small backbones and streams, and a forecaster led over a stream as the task would lead it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone, Training
from memories.backbones.dlinear import DLinear
from memories.backbones.layers import linear
from memories.base import OnlineForecaster, State
from tests.memories.forecasters.backbones import pieces

LOOKBACK, HORIZON, CHANNELS, PERIOD = 8, 3, 2, 5
FIRST = LOOKBACK + HORIZON
STEPS = 62


class Headed(Backbone):
    """Two linear maps with a normalisation between them; the last one is its head."""

    head: ClassVar[str | None] = "projection"

    def __init__(self, lookback: int, horizon: int, generator: torch.Generator) -> None:
        super().__init__()
        self.body = linear(lookback, 6, generator)
        self.norm = nn.LayerNorm(6)
        self.projection = linear(6, horizon, generator)

    def forward(self, windows: Tensor, training: Training | None = None) -> Tensor:
        hidden = torch.tanh(self.norm(self.body(windows.mT)))
        forecasts: Tensor = self.projection(hidden).mT
        return forecasts


def headed(seed: int = 1, lookback: int = LOOKBACK, horizon: int = HORIZON) -> Headed:
    return Headed(lookback, horizon, torch.Generator().manual_seed(seed))


def dlinear(seed: int = 1) -> DLinear:
    rng = torch.Generator().manual_seed(seed)
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng)


def stream(seed: int = 2, steps: int = STEPS) -> Tensor:
    """Rows [FIRST+steps, C] of a noisy season on a random walk, one step past what is observed."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(FIRST + steps, CHANNELS, generator=rng)
    t = torch.arange(len(noise))[:, None]
    return torch.sin(2 * torch.pi * t / PERIOD) + 0.3 * noise + 0.1 * noise.cumsum(0)


def sizes(**more: Any) -> dict[str, Any]:
    """What the task would dictate, of which a constructor is given what it takes."""
    return {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON, **more}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def walk(forecaster: OnlineForecaster, rows: Tensor) -> Iterator[tuple[Tensor, State]]:
    """Forecast and state after each origin, from the first that has a complete pair."""
    state = forecaster.init_state()
    for t in range(FIRST, len(rows)):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        with torch.no_grad():
            state = forecaster.observe(state, row, (past, target))
            forecast, state = forecaster.predict(state, window)
        yield forecast, state


def forecasts(forecaster: OnlineForecaster, rows: Tensor) -> Tensor:
    """All forecasts [steps, H, C]."""
    return torch.stack([forecast for forecast, _ in walk(forecaster, rows)])
