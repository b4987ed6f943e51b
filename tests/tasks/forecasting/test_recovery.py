"""Recovery after known changes, from losses made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.data.schedules import Schedule, blend, in_turn, one_after_another, one_regime
from tasks.data.synth_drift import SynthDrift
from tasks.forecasting.recovery import (
    CENSORED,
    Regimes,
    Stay,
    around_changes,
    drift_in_validation,
    stays,
)

H = 5


def found(losses: Any, schedule: Schedule, first: int = 0) -> Regimes:
    """Regimes of a stream on which the loss of origin t is ``losses(t)``."""
    origins = range(first, len(schedule.regime) - H)
    errors = np.array([losses(t) for t in origins], dtype=np.float32)
    return around_changes(errors, origins, H, schedule)


def value(regimes: Regimes, name: str, x: float | None = None) -> float:
    (only,) = [m.value for m in regimes.metrics if m.name == name and m.x == x]
    return only


def names(regimes: Regimes) -> set[str]:
    return {m.name for m in regimes.metrics}


def test_stays_lie_between_changes_and_count_their_visits():
    assert stays(in_turn(50, 2, 20)) == [Stay(0, 1, 0, 20), Stay(1, 1, 20, 40), Stay(0, 2, 40, 50)]
    assert stays(one_regime(7, 3)) == [Stay(0, 1, 0, 7)]


def test_mixed_rows_belong_to_no_stay():
    """Half of 10 rows around row 40: rows 35 to 44 are mixed. Linear: row 35 has weight 0 still."""
    abrupt = one_after_another(80, 2, 40)
    assert stays(blend(abrupt, 10, "half")) == [Stay(0, 1, 0, 35), Stay(1, 1, 45, 80)]
    assert stays(blend(abrupt, 10, "linear")) == [Stay(0, 1, 0, 36), Stay(1, 1, 45, 80)]


def test_recovery_of_a_loss_that_jumps_and_falls_back_is_as_computed_by_hand():
    """Loss 1 before the change at row 300; 3 at the first 150 origins from it on, then 1.

    ratio: 3 over 1. The newest 100 losses after k more origins hold 150 - k threes: their mean
    1 + 2 (150 - k) / 100 is at most 1.1 from k = 145 on: the 245th origin from the change.
    Origins 295 to 299, whose targets reach over the change, count nowhere: theirs are 1000.
    """
    regimes = found(
        lambda t: 1000 if 295 <= t < 300 else 3 if 300 <= t < 450 else 1,
        one_after_another(600, 2, 300),
    )
    assert value(regimes, "recovery_ratio") == pytest.approx(3)
    assert value(regimes, "recovery_steps") == 245
    assert value(regimes, "recovery_censored") == 0
    assert value(regimes, "recovery_ratio_by_change", 300) == pytest.approx(3)
    assert value(regimes, "recovery_steps_by_change", 300) == 245
    assert regimes.notes == {"recovery": {"changes": 1, "counted": [300], "censored": []}}
    assert regimes.warnings == []
    assert value(regimes, "mse_by_regime", 0) == 1
    assert value(regimes, "mse_by_regime", 1) == pytest.approx((150 * 3 + 145) / 295)


def test_a_loss_that_never_falls_back_is_censored_at_the_next_change():
    """Changes at 300 and 600 of 900 rows; losses 1, 2, 1: the stay from 300 has 295 origins.

    From 2 to 1 recovery is immediate: the first full window after row 600, 100 origins, is below.
    """
    regimes = found(lambda t: 2 if 300 <= t < 600 else 1, one_after_another(900, 3, 300))
    assert value(regimes, "recovery_steps_by_change", 300) == 295
    assert value(regimes, "recovery_steps_by_change", 600) == 100
    assert value(regimes, "recovery_steps") == pytest.approx((295 + 100) / 2)
    assert value(regimes, "recovery_ratio") == pytest.approx((2 + 0.5) / 2)
    assert value(regimes, "recovery_censored") == 0.5
    assert regimes.notes["recovery"]["censored"] == [300]
    assert regimes.warnings == [CENSORED]


@pytest.mark.parametrize(("level", "steps"), [(1.0999, 100), (1.1001, 295)])
def test_recovered_means_within_ten_per_cent(level, steps):
    regimes = found(lambda t: level if t >= 300 else 1, one_after_another(600, 2, 300))
    assert value(regimes, "recovery_steps") == steps


@pytest.mark.parametrize(
    ("first", "segment", "counted"),
    [
        (0, 105, [105]),
        (0, 104, []),  # 99 origins before the change
        (5, 105, []),  # of 100, the scored ones begin with the sixth
        (106, 300, [300]),  # 189 scored origins before, 295 after
    ],
)
def test_a_change_counts_only_with_a_hundred_scored_origins_on_both_sides(first, segment, counted):
    regimes = found(lambda t: 1.0, one_after_another(2 * segment, 2, segment), first)
    assert regimes.notes["recovery"]["counted"] == counted
    assert ("recovery_ratio" in names(regimes)) == bool(counted)


def test_a_gradual_change_counts_from_its_last_mixed_row():
    """Mixed from 280 to 319: losses there are 50 and count nowhere; 1 before, 2 from 320 on."""
    schedule = blend(one_after_another(600, 2, 300), 40, "half")
    regimes = found(lambda t: 1 if t < 275 else 2 if t >= 320 else 50, schedule)
    assert value(regimes, "recovery_ratio_by_change", 320) == pytest.approx(2)
    assert value(regimes, "mse_by_regime", 0) == 1
    assert value(regimes, "mse_by_regime", 1) == 2


def test_visits_of_a_returning_regime_are_told_apart():
    """Regimes 0 1 0 1 0 for 200 rows each; scored from row 100, so that the first visit of
    regime 0 was not scored from its start. Early losses by stay: 8 6 4 3 1; later ones 9.
    """
    early = [8, 6, 4, 3, 1]
    regimes = found(lambda t: early[t // 200] if t % 200 < 100 else 9, in_turn(1000, 2, 200), 100)
    assert "mse_visit_1" in names(regimes)
    visits = {(m.name, m.x): m.value for m in regimes.metrics if m.name.startswith("mse_visit")}
    assert visits == {
        ("mse_visit_1", 1): 6,
        ("mse_visit_2", 0): 4,
        ("mse_visit_2", 1): 3,
        ("mse_visit_3", 0): 1,
    }
    assert value(regimes, "revisit_ratio") == pytest.approx((3 / 6 + 1 / 4) / 2)


def test_regimes_that_never_return_have_no_visits():
    regimes = found(lambda t: 1.0, one_after_another(600, 2, 300))
    assert not any(name.startswith(("mse_visit", "revisit")) for name in names(regimes))


def test_a_stream_without_change_has_its_regimes_error_alone():
    regimes = found(lambda t: 4.0, one_regime(300, 4))
    assert names(regimes) == {"mse_by_regime"}
    assert regimes.notes == {}


def test_a_loss_of_zero_before_a_change_gives_no_ratio():
    regimes = found(lambda t: float(t >= 300), one_after_another(600, 2, 300))
    assert regimes.notes["recovery"]["counted"] == []


def test_the_default_streams_have_the_changes_that_their_schedule_says():
    """Abrupt and gradual: rows 4,000 and 6,000 of 8,000, as row 2,000 begins the test; recurring:
    every 1,440 rows from 4,320 on, seven of them.
    """
    counted = {}
    for schedule, b in (("abrupt", 2_000), ("gradual", 2_000), ("recurring", 3_600)):
        config = SynthDrift(schedule=schedule)
        regimes = found(lambda t: 1.0, config.plan(), b - 1)
        counted[schedule] = regimes.notes["recovery"]["counted"]
    assert counted["abrupt"] == [4_000, 6_000]
    assert counted["gradual"] == [4_200, 6_200]
    assert counted["recurring"] == list(range(4_320, 14_400, 1_440))


def test_a_stream_that_mixes_regimes_in_validation_says_so():
    """Gradual, 8,000 rows: mixing around row 2,000 begins after row 1,800; validation 1,600 on."""
    told = drift_in_validation(SynthDrift(schedule="gradual").plan(), 1_600, 2_000)
    assert told.startswith("regimes are mixed from row 1801 on, inside the validation rows 1600 to")
    for schedule in ("abrupt", "recurring", "none"):
        assert drift_in_validation(SynthDrift(schedule=schedule).plan(), 1_600, 2_000) == ""
