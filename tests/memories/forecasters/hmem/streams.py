"""Small H-Mems, a stream, and a walk over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from memories.backbones.dlinear import DLinear
from memories.base import OnlineForecaster, State
from memories.forecasters.hmem.hmem import HMem
from tests.memories.forecasters.backbones import pieces

CHANNELS, LOOKBACK, HORIZON, PERIOD = 2, 12, 4, 8
FIRST = LOOKBACK + HORIZON
"""Row of the first origin, which is step 1."""


def dlinear(seed: int = 0) -> DLinear:
    """A backbone whose forecasts differ from lead to lead."""
    rng = torch.Generator().manual_seed(seed)
    module = DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng)
    return module.requires_grad_(False)


def build(
    cls: type[HMem] = HMem,
    *,
    backbone: nn.Module | None = None,
    seed: int = 0,
    channels: int = CHANNELS,
    lookback: int = LOOKBACK,
    horizon: int = HORIZON,
    steps: int = 100,
    **options: Any,
) -> HMem:
    """A small H-Mem of any kind."""
    given = {"size": "small", "feature_dim": 8, "encoding_dim": 8, "memory_dim": 8, **options}
    return cls(
        channels,
        lookback,
        horizon,
        PERIOD,
        steps,
        dlinear(seed) if backbone is None else backbone,
        generator=torch.Generator().manual_seed(seed),
        **given,
    )


def stream(n: int = 120, seed: int = 0, channels: int = CHANNELS) -> Tensor:
    """Rows [n, C] of a noisy season."""
    rng = torch.Generator().manual_seed(seed)
    t = torch.arange(n, dtype=torch.float32)[:, None]
    season = torch.sin(2 * torch.pi * (t / PERIOD + torch.rand(1, channels, generator=rng)))
    return season + 0.3 * torch.randn(n, channels, generator=rng)


@torch.no_grad()
def walk(
    forecaster: OnlineForecaster,
    rows: Tensor,
    steps: int,
    *,
    lookback: int = LOOKBACK,
    horizon: int = HORIZON,
    skipped: frozenset[int] = frozenset(),
    state: State | None = None,
    begin: int = 1,
) -> Iterator[tuple[int, State, Tensor | None, State]]:
    """Step, state after observing, forecast, state after predicting; none is asked for at some."""
    state = forecaster.init_state() if state is None else state
    for step in range(begin, steps + 1):
        row, past, target, window = pieces(rows, lookback + horizon - 1 + step, lookback, horizon)
        observed = forecaster.observe(state, row, (past, target))
        forecast, state = None, observed
        if step not in skipped:
            forecast, state = forecaster.predict(observed, window)
        yield step, observed, forecast, state
