"""Normalisation of each window by its own mean and spread, undone on the forecast."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

EPS = 1e-5
"""Added to a window's variance: a constant window is centred, not blown up."""
AFFINE_EPS = 1e-10
"""Added to the gain before dividing by it, as in the original."""


class Moments(NamedTuple):
    """What was taken out of a series [..., C, L], and is put back into its forecast [..., C, H]."""

    centre: Tensor
    """[..., C, 1]: the mean, or the last row."""
    scale: Tensor
    """[..., C, 1]: the root of the variance plus `EPS`."""


class RevIN(nn.Module):
    """Reversible instance normalisation, u = (x - mu) / sd, and back, y = v sd + mu.

    Kim et al. 2022. mu and sd are those of one channel of one window, sd with divisor L; no
    gradient flows through them. With `affine` a gain and a shift per channel are learned,
    u g + b before and (v - b) / g after the backbone.

    Args:
        channels: C.
        affine: Whether gain (starts at 1) and shift (starts at 0) are learned.
        subtract_last: Whether the newest row is subtracted instead of the mean.
    """

    def __init__(self, channels: int, *, affine: bool = False, subtract_last: bool = False) -> None:
        super().__init__()
        self.affine = affine
        self.subtract_last = subtract_last
        if affine:
            self.weight = nn.Parameter(torch.ones(channels, 1))
            self.bias = nn.Parameter(torch.zeros(channels, 1))

    def normalise(self, series: Tensor) -> tuple[Tensor, Moments]:
        """The series [..., C, L] at mean 0 and variance 1, and what was taken out of it."""
        known = series.detach()
        var, centre = torch.var_mean(known, dim=-1, correction=0, keepdim=True)
        if self.subtract_last:
            centre = known[..., -1:]
        moments = Moments(centre, (var + EPS).sqrt())
        normal = (series - moments.centre) / moments.scale
        if self.affine:
            normal = torch.addcmul(self.bias, normal, self.weight)
        return normal, moments

    def denormalise(self, forecast: Tensor, moments: Moments) -> Tensor:
        """The forecast [..., C, H] in the units of the series."""
        if self.affine:
            forecast = (forecast - self.bias) / (self.weight + AFFINE_EPS)
        return torch.addcmul(moments.centre, forecast, moments.scale)


def within(revin: RevIN | None, series: Tensor, forecast: Callable[[Tensor], Tensor]) -> Tensor:
    """Forecasts [..., C, H] of a series [..., C, L], made of the normalised one and denormalised.

    Args:
        revin: What normalises; None for the series as it is.
        series: [..., C, L].
        forecast: Maps the series to [..., C, H].
    """
    if revin is None:
        return forecast(series)
    normal, moments = revin.normalise(series)
    return revin.denormalise(forecast(normal), moments)
