"""Scores of issued forecasts, accumulated origin by origin in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.base import Metric
from tasks.forecasting.metrics import loss
from tasks.forecasting.relative import RelativeScores


@dataclass
class ForecastScores:
    """Running sums of errors over issued forecasts, one row per lane.

    Attributes:
        squared: Sum of squared errors per lead and channel [S, H, C], float64.
        absolute: Sum of absolute errors, likewise.
        origin_squared: Mean squared error of each origin [S, N], float32, in order.
        origin_absolute: Mean absolute error of each origin, likewise.
        first_bad: Index of the first origin with a non-finite forecast [S], -1 if none.
        relative: Errors relative to the truth.
        n: Origins scored so far.
    """

    squared: Tensor
    absolute: Tensor
    origin_squared: Tensor
    origin_absolute: Tensor
    first_bad: Tensor
    relative: RelativeScores
    n: int = 0

    @classmethod
    def empty(cls, lanes: int, horizon: int, channels: int, origins: int) -> ForecastScores:
        """Scores of S lanes before any forecast, with room for so many origins."""
        sums = torch.zeros(lanes, horizon, channels, dtype=torch.float64)
        series = torch.zeros(lanes, origins)
        bad = torch.full((lanes,), -1, dtype=torch.int64)
        relative = RelativeScores.empty(lanes, horizon * channels)
        return cls(sums, sums.clone(), series, series.clone(), bad, relative)

    def add(self, forecasts: Tensor, truth: Tensor) -> None:
        """Score K consecutive origins: forecasts and truth [K, S, H, C]."""
        error = (forecasts - truth).double()
        finite = error.isfinite().flatten(2).all(-1)  # [K, S]
        for k, lane in (~finite).nonzero().tolist():
            if self.first_bad[lane] < 0:
                self.first_bad[lane] = self.n + k
        squared, absolute = error.square(), error.abs()
        # one after another: a sum over K would round as the stream happens to be cut
        for k in range(len(error)):
            self.squared += squared[k]
            self.absolute += absolute[k]
        self.relative.add(error, truth.double())
        end = self.n + len(forecasts)
        self.origin_squared[:, self.n : end] = squared.mean((-1, -2)).T.float()
        self.origin_absolute[:, self.n : end] = absolute.mean((-1, -2)).T.float()
        self.n = end

    def tensors(self) -> dict[str, Tensor]:
        """Everything accumulated, to be kept in a check-point."""
        return {
            "squared": self.squared,
            "absolute": self.absolute,
            "origin_squared": self.origin_squared,
            "origin_absolute": self.origin_absolute,
            "first_bad": self.first_bad,
            "relative": self.relative.totals,
            "n": torch.tensor(self.n),
        }

    @classmethod
    def from_tensors(cls, kept: Mapping[str, Tensor]) -> ForecastScores:
        """The scores that `tensors` described; they are always kept on the CPU."""
        parts = {name: tensor.cpu().clone() for name, tensor in kept.items()}
        relative = RelativeScores(parts.pop("relative"), parts["squared"][0].numel())
        return cls(n=int(parts.pop("n")), relative=relative, **parts)

    def mean_squared(self) -> Tensor:
        """Mean squared error of every lane [S]; NaN where a forecast was not finite."""
        return self.squared.mean((-1, -2)) / self.n

    def mse(self, lane: int) -> float:
        """Mean squared error of a lane over origins, leads and channels."""
        return float(self.squared[lane].mean()) / self.n

    def metrics(self, lane: int, scale: np.ndarray, columns: tuple[str, ...]) -> list[Metric]:
        """The mean errors of a lane: overall, by lead, by channel, scaled and in original units.

        Channels have units of their own, so that errors in original units are never averaged.

        Args:
            lane: Which.
            scale: Standard deviation of each channel's training rows [C]: one scaled unit in
                original units.
            columns: Channel names; errors in original units are given for each.
        """
        squared, absolute = self.squared[lane] / self.n, self.absolute[lane] / self.n
        mse, mae = float(squared.mean()), float(absolute.mean())
        metrics = [
            loss("mse", mse, primary=True),
            loss("mae", mae),
            loss("rmse", mse**0.5),
            loss("mse_first_lead", float(squared[0].mean())),
            *self.relative.metrics(lane, self.n),
        ]
        metrics += [
            loss("mse_by_lead", float(value), x=lead)
            for lead, value in enumerate(squared.mean(1), start=1)
        ]
        for channel, name in enumerate(columns):
            unit = f"units of {name}"
            own, off = float(squared[:, channel].mean()), float(absolute[:, channel].mean())
            sd = float(scale[channel])
            metrics += [
                loss("mse_by_channel", own, x=channel),
                loss("mae_by_channel", off, x=channel),
                loss("mse_original_by_channel", own * sd**2, f"({unit})^2", channel),
                loss("mae_original_by_channel", off * sd, unit, channel),
            ]
        return metrics

    def series(self, lane: int) -> dict[str, np.ndarray]:
        """Per-origin losses of a lane, float32, in time order."""
        return {
            "squared_error": self.origin_squared[lane, : self.n].numpy().copy(),
            "absolute_error": self.origin_absolute[lane, : self.n].numpy().copy(),
        }
