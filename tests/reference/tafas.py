"""TAFAS in its causal form, with modules, lists and torch's Adam (Kim et al. 2025)."""

from __future__ import annotations

import cmath
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


class Calibration(nn.Module):
    """u + tanh(g) (W^T u + b), with a map for each channel or one for all."""

    def __init__(self, rows: int, maps: int, gate: float) -> None:
        super().__init__()
        self.weight = nn.ParameterList(nn.Parameter(torch.zeros(rows, rows)) for _ in range(maps))
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(rows)) for _ in range(maps))
        self.gate = nn.ParameterList(nn.Parameter(torch.tensor(gate)) for _ in range(maps))

    def forward(self, u: Tensor) -> Tensor:
        columns = []
        for c, column in enumerate(u.unbind(1)):
            own = min(c, len(self.gate) - 1)
            mapped = self.weight[own].T @ column + self.bias[own]
            columns.append(column + torch.tanh(self.gate[own]) * mapped)
        return torch.stack(columns, dim=1)


def period(window: Tensor) -> int:
    """floor(L / k) for the strongest frequency k of the strongest channel; 24 if k is 0."""
    length, channels = window.shape
    amplitudes = []
    for c in range(channels):
        values = (window[:, c] - window[:, c].mean()).tolist()
        amplitudes.append(
            [
                abs(
                    sum(
                        x * cmath.exp(-2j * cmath.pi * k * t / length) for t, x in enumerate(values)
                    )
                )
                for k in range(length // 2 + 1)
            ]
        )
    strongest = max(amplitudes, key=lambda own: sum(a * a for a in own))
    k = strongest.index(max(strongest))
    return length // k if k else 24


def online(
    backbone: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    *,
    learning_rate: float,
    gate: float,
    maps: int,
) -> Iterator[tuple[Tensor, list[str]]]:
    """Forecast [H, C] of each origin from L+H on, and the steps that were taken before it."""
    lookback, horizon = size
    before, after = Calibration(lookback, maps, gate), Calibration(horizon, maps, gate)
    before, after = before.to(rows.dtype), after.to(rows.dtype)
    optimiser = torch.optim.Adam([*before.parameters(), *after.parameters()], lr=learning_rate)

    def forecast(window: Tensor) -> Tensor:
        return after(backbone(before(window)[None])[0])

    def step(s: int, leads: int) -> None:
        window, truth = rows[s - lookback + 1 : s + 1], rows[s + 1 : s + leads + 1]
        optimiser.zero_grad()
        mse_loss(forecast(window)[:leads], truth).backward()
        optimiser.step()

    set_at, current = None, 0
    for t in range(lookback + horizon, len(rows)):
        step(t - horizon, horizon)
        taken = ["full"]
        if set_at is not None and t - set_at == current:
            known = min(current, horizon)
            step(t - known, known)
            taken.append("partial")
        if set_at is None or t - set_at == current:
            set_at, current = t, period(rows[t - lookback + 1 : t + 1])
        with torch.no_grad():
            made = forecast(rows[t - lookback + 1 : t + 1])
        yield made, taken
