"""The truth behind a generated stream, never given to a forecaster: regimes, best forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.data.schedules import Schedule
from tasks.data.splits import Split

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drift:
    """The truth behind a stream x_t = path_t + n_t, n_t = decay_t n_{t-1} + sd_t eps_t.

    Attributes:
        schedule: Regimes, mixing weights and change points.
        path: [T, C], the stream with all noise left out.
        decay: [T], autoregressive coefficient that leads from row t-1 to row t.
        noise_sd: [T], standard deviation of the innovation of row t; 0 < t.
        conditional_mean: [T, C], mean of row t given all rows before it.
    """

    schedule: Schedule
    path: Array
    decay: Array
    noise_sd: Array
    conditional_mean: Array

    def oracle(self, values: Array, origin: int, horizon: int) -> Array:
        """The forecast [H, C] of least mean squared error, made at `origin` with all truth known.

        E[x_{t+h} | x_0..x_t] = path_{t+h} + (decay_{t+1} .. decay_{t+h}) (x_t - path_t).

        Args:
            values: The stream [T, C]; rows after `origin` are not read.
            origin: Last observed row t.
            horizon: Number of rows to forecast; they must lie inside the stream.
        """
        ahead = slice(origin + 1, origin + 1 + horizon)
        carried = np.cumprod(self.decay[ahead])[:, None] * (values[origin] - self.path[origin])
        return np.asarray(self.path[ahead] + carried)


class DriftingStream(Protocol):
    """The configuration of a stream that is generated from a seed."""

    def resolved(self) -> Mapping[str, object]:
        """All settings, with those that follow from others filled in; identifies the stream."""

    def plan(self) -> Schedule:
        """The regimes over the rows."""

    def check(self, split: Split) -> None:
        """Nothing, if the test rows of `split` hold what training rows do not; else raises."""

    def generate(self, rng: np.random.Generator) -> tuple[Array, Drift]:
        """The stream [T, C] and the truth behind it."""


def compose(
    schedule: Schedule, signal: Array, drive: Array, decay: Array, noise_sd: Array, eps: Array
) -> tuple[Array, Drift]:
    """The stream x = signal + e with e_t = decay_t e_{t-1} + drive_t + sd_t eps_t, and its truth.

    Args:
        schedule: Regimes behind it.
        signal: [T, C].
        drive: [T, C], what is known to enter the errors.
        decay: [T].
        noise_sd: [T].
        eps: [T, C], standard normal draws.
    """
    path = signal + _carry(decay, drive)
    innovations = noise_sd[:, None] * eps
    values = path + _carry(decay, innovations)
    return values, Drift(schedule, path, decay, noise_sd, values - innovations)


def _carry(decay: Array, drive: Array) -> Array:
    """The e [T, C] of e_t = decay_t e_{t-1} + drive_t, e_{-1} = 0."""
    carried = np.empty_like(drive)
    e = np.zeros(drive.shape[1])
    for t in range(len(drive)):
        e = decay[t] * e + drive[t]
        carried[t] = e
    return carried
