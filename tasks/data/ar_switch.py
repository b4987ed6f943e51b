"""An AR(1) stream whose coefficient switches, in the style of the synthetic data of FSNet.

x_t = phi(t) x_{t-1} + eps_t, eps_t ~ N(0, 1), x_{-1} = 0, phi cycling through 0.1, 0.4, 0.6
(Pham et al. 2023). The level never moves: only the dynamics do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.data.drift import Drift, compose
from tasks.data.errors import DataProblem
from tasks.data.schedules import Schedule, blend, in_turn, require_unseen
from tasks.data.splits import Split

Array = NDArray[np.float64]

COEFFICIENTS = np.array([0.1, 0.4, 0.6])
_NAME = "ar-switch"


@dataclass(frozen=True)
class ArSwitch:
    """Length and schedule of the stream.

    Attributes:
        schedule: ``abrupt``, or ``gradual``: half of each coefficient around a change.
        rows: T.
        segment: Rows between changes.
        blend: Rows of a gradual change; segment / 5.
    """

    schedule: Literal["abrupt", "gradual"] = "abrupt"
    rows: int = 8_000
    segment: int = 1_000
    blend: int | None = None

    def __post_init__(self) -> None:
        sizes = (("rows", self.rows, 1), ("segment", self.segment, 1), ("blend", self.n_blend, 0))
        for name, size, least in sizes:
            if size < least:
                raise DataProblem(f"option '{name}' must be >= {least}, got {size}", _NAME)
        if self.schedule == "gradual" and self.n_blend > self.segment:
            raise DataProblem(
                f"option 'blend' must be <= segment ({self.segment}), got {self.n_blend}", _NAME
            )

    @property
    def n_blend(self) -> int:
        """Rows of a gradual change."""
        return self.blend if self.blend is not None else self.segment // 5

    def resolved(self) -> dict[str, object]:
        """All settings, defaults filled in."""
        return {**asdict(self), "blend": self.n_blend}

    def plan(self) -> Schedule:
        """The regimes over the rows."""
        turns = in_turn(self.rows, len(COEFFICIENTS), self.segment)
        gradual = self.schedule == "gradual" and self.n_blend > 0
        return blend(turns, self.n_blend, "half") if gradual else turns

    def check(self, split: Split) -> None:
        """Nothing, if training sees the first two coefficients at most and the test the third.

        Raises:
            DataProblem: If not.
        """
        require_unseen(
            self.plan(),
            split,
            may_train_on=2,
            dataset=_NAME,
            help="change rows or segment, or use the online split",
        )

    def generate(self, rng: np.random.Generator) -> tuple[Array, Drift]:
        """The stream [T, 1] and the truth behind it.

        Args:
            rng: Source of all randomness.
        """
        schedule = self.plan()
        silent = np.zeros((self.rows, 1))
        eps = rng.standard_normal((self.rows, 1))
        decay = schedule.weights @ COEFFICIENTS
        return compose(schedule, silent, silent, decay, np.ones(self.rows), eps)
