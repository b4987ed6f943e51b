"""SOLID and its continual form as loops over origins, with torch's optimisers (Chen et al. 2024).

Each yields the forecast [H, C] of every origin from L+H on.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


def similar(
    rows: Tensor,
    t: int,
    size: tuple[int, int],
    *,
    period: int,
    candidates: int,
    neighbours: int,
    tolerance: float,
    one_sided: bool = False,
) -> list[int]:
    """Origins of the pairs to learn from at t, nearest window first.

    The first origin of a pair is L, as the first pair that is ever handed over is that of
    origin t0 - H with t0 = L + H.
    """
    lookback, horizon = size
    found = []
    for origin in range(t - horizon, max(t - horizon - candidates, lookback - 1), -1):
        phase = (t - origin) % period
        away = phase if one_sided else min(phase, period - phase)
        if away <= tolerance * period:
            gap = rows[t - lookback + 1 : t + 1] - rows[origin - lookback + 1 : origin + 1]
            found.append((float(gap.double().norm()), origin))
    return [origin for _, origin in sorted(found, key=lambda entry: entry[0])[:neighbours]]


def _loss(module: nn.Module, rows: Tensor, origins: list[int], size: tuple[int, int]) -> Tensor:
    lookback, horizon = size
    windows = torch.stack([rows[s - lookback + 1 : s + 1] for s in origins])
    targets = torch.stack([rows[s + 1 : s + 1 + horizon] for s in origins])
    return mse_loss(module(windows), targets)


def solid(
    module: nn.Module,
    head: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    *,
    learning_rate: float,
    **search: int | float | bool,
) -> Iterator[Tensor]:
    """One SGD step of the head, the forecast, the head put back."""
    start = {name: entry.clone() for name, entry in head.state_dict().items()}
    for t in range(sum(size), len(rows)):
        if origins := similar(rows, t, size, **search):
            optimiser = torch.optim.SGD(head.parameters(), lr=learning_rate)
            optimiser.zero_grad()
            _loss(module, rows, origins, size).backward()
            optimiser.step()
        yield module(rows[None, t - size[0] + 1 : t + 1])[0].detach()
        head.load_state_dict(start)


def solidpp(
    module: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    *,
    learning_rate: float,
    **search: int | float | bool,
) -> Iterator[Tensor]:
    """One Adam step of all weights, the forecast, and on from there."""
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    for t in range(sum(size), len(rows)):
        if origins := similar(rows, t, size, **search):
            optimiser.zero_grad()
            _loss(module, rows, origins, size).backward()
            optimiser.step()
        yield module(rows[None, t - size[0] + 1 : t + 1])[0].detach()
