"""Scores of issued forecasts, accumulated origin by origin in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.base import Metric

CURVE_POINTS = 100
"""At most this many points of the cumulative curve are kept."""


@dataclass
class ForecastScores:
    """Running sums of errors over issued forecasts, one row per lane.

    Attributes:
        squared: Sum of squared errors per lead and channel [S, H, C], float64.
        absolute: Sum of absolute errors, likewise.
        origin_squared: Mean squared error of each origin [S, N], float32, in order.
        origin_absolute: Mean absolute error of each origin, likewise.
        first_bad: Index of the first origin with a non-finite forecast [S], -1 if none.
        n: Origins scored so far.
    """

    squared: Tensor
    absolute: Tensor
    origin_squared: Tensor
    origin_absolute: Tensor
    first_bad: Tensor
    n: int = 0

    @classmethod
    def empty(cls, lanes: int, horizon: int, channels: int, origins: int) -> ForecastScores:
        """Scores of S lanes before any forecast, with room for so many origins."""
        sums = torch.zeros(lanes, horizon, channels, dtype=torch.float64)
        series = torch.zeros(lanes, origins)
        bad = torch.full((lanes,), -1, dtype=torch.int64)
        return cls(sums, sums.clone(), series, series.clone(), bad)

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
            "n": torch.tensor(self.n),
        }

    @classmethod
    def from_tensors(cls, kept: Mapping[str, Tensor]) -> ForecastScores:
        """The scores that `tensors` described; they are always kept on the CPU."""
        parts = {name: tensor.cpu().clone() for name, tensor in kept.items() if name != "n"}
        return cls(**parts, n=int(kept["n"]))

    def mean_squared(self) -> Tensor:
        """Mean squared error of every lane [S]; NaN where a forecast was not finite."""
        return self.squared.mean((-1, -2)) / self.n

    def mse(self, lane: int) -> float:
        """Mean squared error of a lane over origins, leads and channels."""
        return float(self.squared[lane].mean()) / self.n

    def metrics(self, lane: int, scale: np.ndarray, columns: tuple[str, ...]) -> list[Metric]:
        """All metrics of a lane.

        Args:
            lane: Which.
            scale: Standard deviation of each channel's training rows [C]: one scaled unit in
                original units.
            columns: Channel names; errors in original units are given for each.
        """
        squared, absolute = self.squared[lane] / self.n, self.absolute[lane] / self.n
        mse, mae = float(squared.mean()), float(absolute.mean())
        metrics = [
            _loss("mse", mse, primary=True),
            _loss("mae", mae),
            _loss("rmse", mse**0.5),
            _loss("mse_first_lead", float(squared[0].mean())),
        ]
        metrics += [
            _loss("mse_by_lead", float(value), x=float(lead))
            for lead, value in enumerate(squared.mean(1), start=1)
        ]
        for channel, name in enumerate(columns):
            unit = f"units of {name}"
            own = float(squared[:, channel].mean())
            metrics += [
                _loss("mse_by_channel", own, x=float(channel)),
                _loss("mse_original_by_channel", own * scale[channel] ** 2, f"({unit})^2", channel),
                _loss(
                    "mae_original_by_channel",
                    float(absolute[:, channel].mean()) * scale[channel],
                    unit,
                    channel,
                ),
            ]
        return metrics + self._cumulative(lane)

    def _cumulative(self, lane: int) -> list[Metric]:
        """Running mean of the squared error, thinned: how the forecaster adapts."""
        running = self.origin_squared[lane, : self.n].double().cumsum(0)
        running = running / torch.arange(1, self.n + 1, dtype=torch.float64)
        kept = np.unique(np.linspace(0, self.n - 1, CURVE_POINTS).round().astype(int))
        return [_loss("mse_cumulative", float(running[k]), x=float(k + 1)) for k in kept]

    def series(self, lane: int) -> dict[str, np.ndarray]:
        """Per-origin losses of a lane, float32, in time order."""
        return {
            "squared_error": self.origin_squared[lane, : self.n].numpy().copy(),
            "absolute_error": self.origin_absolute[lane, : self.n].numpy().copy(),
        }


def _loss(
    name: str, value: float, unit: str = "", x: float | None = None, *, primary: bool = False
) -> Metric:
    return Metric(
        name, float(value), "lower", unit, primary=primary, x=x, bounds=(0.0, None), ceiling=0.0
    )
