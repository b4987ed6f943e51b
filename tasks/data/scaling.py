"""Standardising each channel by what the training rows say, and by nothing later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CONSTANT = 1e-12
"""A channel whose standard deviation is below this is taken as constant and only centred."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean and population standard deviation of each channel over the training rows.

    Attributes:
        mean: [C], float64.
        sd: [C], float64; 1 for a channel that is constant over the training rows.
    """

    mean: Array
    sd: Array

    @classmethod
    def fit(cls, values: Array, train_rows: int) -> Scaler:
        """The scaler of rows [0, train_rows) of `values` [T, C].

        Raises:
            ValueError: If there is no training row.
        """
        train = np.asarray(values[:train_rows], dtype=np.float64)
        if len(train) == 0:
            raise ValueError(f"no training rows: train_rows={train_rows} of {len(values)}")
        sd = train.std(axis=0)
        return cls(train.mean(axis=0), np.where(sd < CONSTANT, 1.0, sd))

    def transform(self, values: Array) -> NDArray[np.float32]:
        """Standardised values, computed in float64, returned in float32 with the same shape."""
        return ((values - self.mean) / self.sd).astype(np.float32)

    def inverse(self, scaled: NDArray[np.floating]) -> Array:
        """Values in the units of the data, float64; the last axis is channels."""
        return np.asarray(scaled, dtype=np.float64) * self.sd + self.mean
