"""Errors relative to the truth and to its spread: MAPE, MSPE, RSE and R squared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.base import Metric
from tasks.forecasting.metrics import loss, skill

SMALLEST_TRUTH = 1e-3
"""Elements whose truth is smaller in absolute value have no relative error."""
CONSTANT = 1e-12
"""Share of its mean square below which the truth's spread is rounding."""
UNIT = "relative to the scaled truth"


@dataclass
class RelativeScores:
    """Sums over all elements of issued forecasts, one row per lane.

    Attributes:
        totals: [S, 6], float64: |e/y|, (e/y)^2 and the number of elements over which these two
            run; e^2, y, y^2 over all elements.
        elements: Leads times channels of one forecast.
    """

    totals: Tensor
    elements: int

    @classmethod
    def empty(cls, lanes: int, elements: int) -> RelativeScores:
        """The sums of S lanes before any forecast of so many elements."""
        return cls(torch.zeros(lanes, 6, dtype=torch.float64), elements)

    def add(self, error: Tensor, truth: Tensor) -> None:
        """Add K consecutive origins: errors and truth [K, S, H, C], float64."""
        usable = truth.abs() >= SMALLEST_TRUTH
        share = torch.where(usable, error / torch.where(usable, truth, 1.0), 0.0)
        relative = (share.abs(), share.square(), usable.double())
        overall = (error.square(), truth, truth.square())
        sums = torch.stack([part.sum((-1, -2)) for part in (*relative, *overall)], dim=-1)
        # one after another: a sum over K would round as the stream happens to be cut
        for origin in sums:
            self.totals += origin

    def skipped(self, lane: int, origins: int) -> float:
        """Share of elements whose truth is too small for a relative error."""
        return 1 - float(self.totals[lane, 2]) / (origins * self.elements)

    def metrics(self, lane: int, origins: int) -> list[Metric]:
        """What a lane's errors are relative to the truth.

        MAPE = mean |e/y| and MSPE = mean (e/y)^2 over elements with |y| >= 1e-3. With SST the sum
        of squares of the truth about its mean over all origins, leads and channels,
        RSE = sqrt(sum e^2 / SST) (Lai et al. 2018) and R^2 = 1 - sum e^2 / SST. What is not
        defined (no usable element, a constant truth) is left out.
        """
        absolute, squared, usable, error, truth, square = self.totals[lane].tolist()
        metrics = []
        if usable:
            metrics.append(loss("mape", absolute / usable, UNIT))
            metrics.append(loss("mspe", squared / usable, UNIT))
        spread = square - truth**2 / (origins * self.elements)
        if spread > CONSTANT * square:
            metrics.append(loss("rse", (error / spread) ** 0.5))
            metrics.append(skill("r2", 1 - error / spread))
        return metrics
