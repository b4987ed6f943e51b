"""From the scores of a test pass to the outcome of a trial: metrics, curves, warnings, series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.base import Outcome
from tasks.data.scaling import Scaler
from tasks.data.schedules import Schedule
from tasks.data.splits import Split
from tasks.forecasting.curves import adaptation
from tasks.forecasting.metrics import skill
from tasks.forecasting.recovery import around_changes, drift_in_validation
from tasks.forecasting.reports import Reports
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.yardsticks import Yardsticks

TOO_GOOD = 1e-4
"""A mean squared error below this share of persistence's is a leak or degenerate data."""
TOO_GOOD_MARK = "suspiciously exact"


@dataclass(frozen=True, eq=False)
class Setting:
    """The stream of one seed, as far as scoring needs it.

    Attributes:
        split: Its parts.
        horizon: H.
        scaler: Of its training rows.
        columns: Names of its channels.
        schedule: Its regimes, if they are known.
    """

    split: Split
    horizon: int
    scaler: Scaler
    columns: tuple[str, ...]
    schedule: Schedule | None


def judge(
    scores: ForecastScores,
    lane: int,
    setting: Setting,
    yardsticks: Yardsticks,
    reports: Reports | None = None,
) -> Outcome:
    """The outcome of one lane of a test pass; `nonfinite` if a forecast was not finite."""
    origins = setting.split.test_origins(setting.horizon)
    first_bad = int(scores.first_bad[lane])
    if first_bad >= 0:
        text = f"first non-finite forecast at origin t={origins[first_bad]}"
        return Outcome("nonfinite", text)
    series = scores.series(lane)
    errors = series["squared_error"]
    outcome = Outcome(
        metrics=scores.metrics(lane, setting.scaler.sd, setting.columns),
        n_eval=scores.n,
        notes={
            "frozen_mse": yardsticks.frozen_mse,
            "persistence_mse": yardsticks.persistence_mse,
            "mape_skipped": scores.relative.skipped(lane, scores.n),
        },
        series=series | {"frozen_squared_error": yardsticks.frozen},
    )
    mse = scores.mse(lane)
    if yardsticks.frozen_mse > 0:  # against a backbone without error there is no relative gain
        outcome.metrics.append(skill("skill", 1 - mse / yardsticks.frozen_mse))
    outcome.metrics += adaptation(errors, yardsticks.frozen)
    doubt(outcome, mse, yardsticks.persistence_mse)
    if setting.schedule is not None:
        _tell_regimes(outcome, errors, origins, setting, setting.schedule)
    if reports is not None and reports.values:
        outcome.series |= reports.series(lane)
        outcome.notes["report"] = reports.summary(lane)
    return outcome


def warn(outcome: Outcome, texts: Sequence[str]) -> None:
    """Add sentences that every table prints below it."""
    if texts:
        outcome.notes.setdefault("warnings", []).extend(texts)


def doubt(outcome: Outcome, mse: float, persistence: float) -> None:
    """Mark an error that is too small, beside that of persistence, to be believed."""
    if mse < TOO_GOOD * persistence:
        outcome.marks = (*outcome.marks, TOO_GOOD_MARK)
        warn(outcome, ["mse is below 1/10,000 of that of persistence: a leak, or degenerate data"])


def _tell_regimes(
    outcome: Outcome, errors: np.ndarray, origins: range, setting: Setting, schedule: Schedule
) -> None:
    found = around_changes(errors, origins, setting.horizon, schedule)
    outcome.metrics += found.metrics
    outcome.notes |= found.notes
    mixed = drift_in_validation(schedule, setting.split.a, setting.split.b)
    warn(outcome, [*([mixed] if mixed else []), *found.warnings])
