"""OneNet channel by channel, with modules and torch's Adam (Zhang et al. 2023, delayed)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


@dataclass
class Ensemble:
    """Both forecasters, the newest rows that the second sees, and the network that gives b."""

    time: nn.Module
    variable: nn.Module
    rows: int
    bias: nn.Sequential

    def forecasts(self, window: Tensor) -> tuple[Tensor, Tensor]:
        return self.time(window[None])[0], self.variable(window[None, -self.rows :])[0]


def combined(shares: list[Tensor], one: Tensor, other: Tensor) -> Tensor:
    """s_c y1_c + (1 - s_c) y2_c, one column after another."""
    columns = [s * one[:, c] + (1 - s) * other[:, c] for c, s in enumerate(shares)]
    return torch.stack(columns, dim=1)


def multiplied(weights: tuple[float, float], losses: list[float], rate: float) -> Tensor:
    """The logit of the first of two weights after a multiplicative step."""
    grown = [w * math.exp(-rate * x) for w, x in zip(weights, losses, strict=True)]
    share = torch.tensor(grown[0] / sum(grown), dtype=torch.float64)
    return torch.logit(share)


def online(
    ensemble: Ensemble,
    rows: Tensor,
    size: tuple[int, int],
    *,
    learning_rate: float,
    weight_rate: float,
    bias_rate: float,
    egd_rate: float | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Forecast [H, C] of each origin from L+H on, and w; exponentiated where it has a rate."""
    lookback, horizon = size
    ensemble = copy.deepcopy(ensemble)
    channels = rows.shape[1]
    w = torch.zeros(channels, dtype=rows.dtype, requires_grad=True)
    of_forecasters = torch.optim.Adam(
        [*ensemble.time.parameters(), *ensemble.variable.parameters()], lr=learning_rate
    )
    of_bias = torch.optim.Adam(ensemble.bias.parameters(), lr=bias_rate)
    of_w = torch.optim.Adam([w], lr=weight_rate)
    for t in range(lookback + horizon, len(rows)):
        pair = rows[t - horizon - lookback + 1 : t + 1]
        target = pair[lookback:]
        one, other = ensemble.forecasts(pair[:lookback])
        of_forecasters.zero_grad()
        (mse_loss(one, target) + mse_loss(other, target)).backward()
        of_forecasters.step()
        one, other = one.detach(), other.detach()

        fixed = w.detach()
        b = []
        for c in range(channels):
            s = torch.sigmoid(fixed[c])
            b.append(ensemble.bias(torch.cat([s * one[:, c], (1 - s) * other[:, c], target[:, c]])))
        shares = [torch.sigmoid(fixed[c] + b[c]) for c in range(channels)]
        of_bias.zero_grad()
        mse_loss(combined(shares, one, other), target).backward()
        of_bias.step()

        if egd_rate is None:
            of_w.zero_grad()
            shares = [torch.sigmoid(w[c]) for c in range(channels)]
            mse_loss(combined(shares, one, other), target).backward()
            of_w.step()
        else:
            for c in range(channels):
                s = float(torch.sigmoid(w[c].detach()))
                losses = [float(mse_loss(y[:, c], target[:, c])) for y in (one, other)]
                w.data[c] = multiplied((s, 1 - s), losses, egd_rate)

        with torch.no_grad():
            one, other = ensemble.forecasts(rows[t - lookback + 1 : t + 1])
            shares = [torch.sigmoid(w[c] + b[c]) for c in range(channels)]
            made = combined(shares, one, other)
        yield made, w.detach().clone()
