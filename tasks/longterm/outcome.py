"""From the test of trained lanes to outcomes: errors, what the memory held, marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memories.base import State
from tasks.base import Outcome
from tasks.data.series import Series
from tasks.forecasting.outcome import doubt, warn
from tasks.forecasting.scores import ForecastScores
from tasks.longterm.best import Best
from tasks.longterm.occupancy import Occupancy
from tasks.longterm.plan import Plan

EMPTY_MARK = "memory empty at test"


@dataclass(frozen=True, eq=False)
class Tested:
    """What training and test of all lanes came to.

    Attributes:
        scores: Of the test.
        best: Best epochs.
        occupancy: Rows held in each phase.
        empty: Whether each lane's tokens came from a state nothing was ever written to [S].
        tokens: Memory tokens M.
    """

    scores: ForecastScores
    best: Best
    occupancy: Occupancy
    empty: Tensor
    tokens: int


def unwritten(state: State, initial: State) -> Tensor:
    """Which lanes' states [S] are bit for bit those before any pass."""
    same = [
        (entry == initial[name]).reshape(len(entry), -1).all(1).cpu()
        for name, entry in state.items()
    ]
    return torch.stack(same).all(0)


def judge(tested: Tested, lane: int, series: Series, plan: Plan, persistence: float) -> Outcome:
    """The outcome of one lane.

    It is `nonfinite` if no epoch had a finite validation error, or a forecast of the test was not
    finite.

    Args:
        tested: All lanes.
        lane: Which.
        series: Its series.
        plan: How it was trained and evaluated.
        persistence: Mean squared error of repeating the last row.
    """
    scores = tested.scores
    if not math.isfinite(float(tested.best.error[lane])):
        return Outcome("nonfinite", "no epoch had a finite validation error")
    bad = int(scores.first_bad[lane])
    if bad >= 0:
        return Outcome("nonfinite", f"first non-finite forecast at origin t={plan.test[bad]}")
    outcome = Outcome(
        metrics=scores.metrics(lane, series.scaler().sd, series.columns),
        n_eval=scores.n,
        notes=_notes(tested, lane, plan) | {"persistence_mse": persistence},
        series=scores.series(lane),
    )
    warn(outcome, series.notes)
    if tested.tokens and bool(tested.empty[lane]):
        outcome.marks = (EMPTY_MARK,)
    doubt(outcome, scores.mse(lane), persistence)
    return outcome


def _notes(tested: Tested, lane: int, plan: Plan) -> dict[str, Any]:
    return {
        "training": {
            "epoch": int(tested.best.epoch[lane]),
            "validation_mse": float(tested.best.error[lane]),
        },
        "memory": {
            "eval": plan.memory_eval,
            "train": plan.train_memory,
            "resets": plan.resets,
            "chunk": plan.chunk,
            "stride": plan.stride,
            "tokens": tested.tokens,
            "phases": tested.occupancy.told(lane),
        },
    }
