"""A seasonal stream whose regime changes at known rows.

Regime k has theta_k = (m, A, phi, rho, B, sigma): levels m_c ~ N(0, 1); amplitudes A_cj ~
U(0.3, 1.2) and phases phi_cj ~ U(0, 2 pi) for periods P_j of 24 and 168 rows; noise coefficient
rho ~ U(0.2, 0.8); coupling B = 0.2 G / sqrt(C), G standard normal with zero diagonal; noise
sigma ~ U(0.1, 0.3). With theta(t) = sum_k w_k(t) theta_k (phases mixed as A cos phi, A sin phi):

    s_t = m + sum_j A_j sin(2 pi t / P_j + phi_j)      x_t = s_t + e_t
    e_t = rho e_{t-1} + B (s_{t-1} - m) + sigma eps_t  e_{-1} = 0, and no coupling into row 0

The coupling is what a forecaster that treats channels one by one cannot see.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.data.drift import Drift, compose
from tasks.data.errors import DataProblem
from tasks.data.schedules import (
    Schedule,
    blend,
    in_turn,
    one_after_another,
    one_regime,
    require_unseen,
)
from tasks.data.splits import Split

Array = NDArray[np.float64]

PERIODS = np.array([24.0, 168.0])
_NAME = "synth-drift"


@dataclass(frozen=True)
class SynthDrift:
    """Size and schedule of the stream.

    Attributes:
        schedule: ``recurring``: regimes return in turn; ``abrupt``: each once; ``gradual``: as
            abrupt, mixed around each change; ``none``: regime 0 alone, where adapting should
            gain nothing.
        channels: C.
        regimes: K; with ``none`` only regime 0 is used.
        rows: T; 14,400 if recurring, otherwise 8,000.
        segment: Rows between changes; T / 10 if recurring, otherwise T / K.
        blend: Rows of a gradual change; segment / 5.
    """

    schedule: Literal["recurring", "abrupt", "gradual", "none"] = "recurring"
    channels: int = 7
    regimes: int = 4
    rows: int | None = None
    segment: int | None = None
    blend: int | None = None

    def __post_init__(self) -> None:
        least_regimes = 1 if self.schedule == "none" else 2
        sizes = (
            ("channels", self.channels, 1),
            ("regimes", self.regimes, least_regimes),
            ("rows", self.n_rows, 1),
            ("segment", self.n_segment, 1),
            ("blend", self.n_blend, 0),
        )
        for name, size, least in sizes:
            if size < least:
                raise DataProblem(f"option '{name}' must be >= {least}, got {size}", _NAME)
        if self.schedule == "gradual" and self.n_blend > self.n_segment:
            raise DataProblem(
                f"option 'blend' must be <= segment ({self.n_segment}), got {self.n_blend}", _NAME
            )
        needed = (self.regimes - 1) * self.n_segment + 1
        if self.schedule in ("abrupt", "gradual") and needed > self.n_rows:
            raise DataProblem(
                f"{self.n_rows} rows end before regime {self.regimes - 1} starts",
                _NAME,
                f"give rows >= {needed}, fewer regimes or a shorter segment",
            )

    @property
    def n_rows(self) -> int:
        """Rows of the stream."""
        if self.rows is not None:
            return self.rows
        return 14_400 if self.schedule == "recurring" else 8_000

    @property
    def n_segment(self) -> int:
        """Rows from one change to the next."""
        if self.segment is not None:
            return self.segment
        return self.n_rows // (10 if self.schedule == "recurring" else max(1, self.regimes))

    @property
    def n_blend(self) -> int:
        """Rows of a gradual change."""
        return self.blend if self.blend is not None else self.n_segment // 5

    def resolved(self) -> dict[str, object]:
        """All settings, defaults filled in."""
        filled = {"rows": self.n_rows, "segment": self.n_segment, "blend": self.n_blend}
        return {**asdict(self), **filled}

    def plan(self) -> Schedule:
        """The regimes over the rows."""
        if self.schedule == "none":
            return one_regime(self.n_rows, self.regimes)
        if self.schedule == "recurring":
            return in_turn(self.n_rows, self.regimes, self.n_segment)
        abrupt = one_after_another(self.n_rows, self.regimes, self.n_segment)
        gradual = self.schedule == "gradual" and self.n_blend > 0
        return blend(abrupt, self.n_blend, "linear") if gradual else abrupt

    def check(self, split: Split) -> None:
        """Nothing, if training sees regime 0 (of recurring regimes 0 and 1) and the test more.

        Raises:
            DataProblem: If not.
        """
        if self.schedule != "none":
            require_unseen(
                self.plan(),
                split,
                may_train_on=2 if self.schedule == "recurring" else 1,
                dataset=_NAME,
                help="change rows, segment, blend or regimes, or use the online split",
            )

    def generate(self, rng: np.random.Generator) -> tuple[Array, Drift]:
        """The stream [T, C] and the truth behind it.

        All draws of the regimes come first, then the noise row by row: a longer stream with the
        same segment starts with the shorter one.

        Args:
            rng: Source of all randomness.
        """
        schedule = self.plan()
        regimes = [_draw(rng, self.channels) for _ in range(self.regimes)]
        eps = rng.standard_normal((self.n_rows, self.channels))
        weights = schedule.weights
        season = _season(weights, regimes)
        drive = np.zeros_like(season)
        for k, regime in enumerate(regimes):
            drive[1:] += weights[1:, k, None] * (season[:-1] @ regime.coupling.T)
        level = weights @ np.stack([regime.level for regime in regimes])
        decay = weights @ np.array([regime.decay for regime in regimes])
        noise_sd = weights @ np.array([regime.noise_sd for regime in regimes])
        return compose(schedule, level + season, drive, decay, noise_sd, eps)


@dataclass(frozen=True, eq=False)
class _Regime:
    level: Array
    cosine: Array
    sine: Array
    decay: float
    coupling: Array
    noise_sd: float


def _draw(rng: np.random.Generator, channels: int) -> _Regime:
    """One regime, drawn as (m, A, phi, rho, B, sigma); A cos phi and A sin phi are [C, J]."""
    level = rng.standard_normal(channels)
    amplitude = rng.uniform(0.3, 1.2, (channels, len(PERIODS)))
    phase = rng.uniform(0.0, 2.0 * np.pi, (channels, len(PERIODS)))
    decay = float(rng.uniform(0.2, 0.8))
    coupling = 0.2 * rng.standard_normal((channels, channels)) / np.sqrt(channels)
    np.fill_diagonal(coupling, 0.0)
    noise_sd = float(rng.uniform(0.1, 0.3))
    return _Regime(
        level, amplitude * np.cos(phase), amplitude * np.sin(phase), decay, coupling, noise_sd
    )


def _season(weights: Array, regimes: list[_Regime]) -> Array:
    """sum_j A_j sin(angle_j + phi_j) [T, C] under mixed regimes, by the sine of a sum."""
    angle = 2.0 * np.pi * np.arange(len(weights))[:, None] / PERIODS
    season = np.zeros((len(weights), len(regimes[0].level)))
    for k, regime in enumerate(regimes):
        alone = np.sin(angle) @ regime.cosine.T + np.cos(angle) @ regime.sine.T
        season += weights[:, k, None] * alone
    return season
