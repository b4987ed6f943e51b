"""When which regime holds: mixing weights over rows, and the checks that keep a stream honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.data.errors import DataProblem
from tasks.data.splits import Split


@dataclass(frozen=True, eq=False)
class Schedule:
    """Regimes over the rows of a stream.

    Attributes:
        regime: [T], index of the regime that holds, or is gaining hold, at each row.
        weights: [T, K], non-negative, each row sums to 1.
        change_points: [n], rows at which `regime` differs from the row before.
    """

    regime: NDArray[np.int64]
    weights: NDArray[np.float64]
    change_points: NDArray[np.int64]

    @property
    def mixed(self) -> NDArray[np.bool_]:
        """Rows [T] in which two regimes are mixed."""
        return np.asarray(self.weights.max(axis=1) < 1.0)


def one_regime(rows: int, regimes: int) -> Schedule:
    """Regime 0 throughout."""
    return _unmixed(np.zeros(rows, dtype=np.int64), regimes)


def one_after_another(rows: int, regimes: int, segment: int) -> Schedule:
    """Regimes 0, 1, .., each for `segment` rows, the last one for all rows that remain."""
    return _unmixed(np.minimum(np.arange(rows) // segment, regimes - 1), regimes)


def in_turn(rows: int, regimes: int, segment: int) -> Schedule:
    """Regimes 0, 1, .., 0, 1, ..: each holds for `segment` rows and returns."""
    return _unmixed(np.arange(rows) // segment % regimes, regimes)


def blend(schedule: Schedule, width: int, ramp: Literal["linear", "half"]) -> Schedule:
    """The schedule with old and new regime mixed in the `width` rows centred on each change.

    At row t around a change at tau the new regime's weight is clip((t - tau + width/2) / width,
    0, 1) if linear, and 1/2 if half.

    Args:
        schedule: Without mixtures.
        width: Rows of a transition, at most the rows between two changes.
        ramp: How the weight goes over.
    """
    weights = schedule.weights.copy()
    rows = len(weights)
    for tau in schedule.change_points.tolist():
        t = np.arange(max(0, tau - width // 2), min(rows, tau + (width + 1) // 2))
        linear = np.clip((t - tau + width / 2) / width, 0.0, 1.0)
        new = linear if ramp == "linear" else np.full(len(t), 0.5)
        weights[t] = 0.0
        weights[t, schedule.regime[tau]] = new
        weights[t, schedule.regime[tau - 1]] = 1.0 - new
    return Schedule(schedule.regime, weights, schedule.change_points)


def require_unseen(
    schedule: Schedule, split: Split, *, may_train_on: int, dataset: str, help: str
) -> None:
    """Nothing, if training rows hold the first regimes alone and the test holds one that is new.

    Without this the frozen forecaster has seen all that comes, and adapting gains nothing.

    Args:
        schedule: Of the whole stream.
        split: Its parts.
        may_train_on: Number of regimes, counted from 0, that training rows may hold.
        dataset: For the error.
        help: For the error: which options to change.

    Raises:
        DataProblem: If training rows hold a later regime, or the test rows no other one.
    """
    trained = np.flatnonzero(schedule.weights[: split.a].any(axis=0))
    tested = np.flatnonzero(schedule.weights[split.b : split.e].any(axis=0))
    beyond = trained[trained >= may_train_on]
    if len(beyond):
        row = int(np.argmax(schedule.weights[:, beyond[0]] > 0))
        raise DataProblem(
            f"regime {beyond[0]} starts at row {row}, inside the {split.a} training rows, "
            f"which may hold regimes 0..{may_train_on - 1} only",
            dataset,
            help,
        )
    if not set(tested) - set(trained):
        raise DataProblem(
            f"the test rows [{split.b}, {split.e}) hold no regime that training does not hold",
            dataset,
            help,
        )


def _unmixed(regime: NDArray[np.int64], regimes: int) -> Schedule:
    weights = (regime[:, None] == np.arange(regimes)).astype(np.float64)
    return Schedule(regime, weights, np.flatnonzero(np.diff(regime)) + 1)
