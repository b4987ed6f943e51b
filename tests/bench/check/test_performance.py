from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bench.check import performance
from bench.check.model import Cell, CellVerdict, Policy, Repeats
from bench.check.performance import Remeasure, Timings, judged, slowdown
from bench.running import timing
from bench.tolerances import Tolerance, parsed
from tests.bench.check.outcomes import cost

TOLERANCE = Tolerance(rel=0.25, abs=20.0)
GATE = Policy(perf="gate")
BASE = np.linspace(98.0, 102.0, 10)
"""Ten repeats around 100 microseconds; a calibration product of 50 in every round."""


def repeats(raw: Sequence[float], product: float = 50.0) -> Repeats:
    return Repeats(tuple(map(float, raw)), tuple(float(t) / product for t in raw))


def timings(raw: Sequence[float], product: float = 50.0) -> Timings:
    taken = repeats(raw, product)
    return Timings(np.array(taken.raw), np.array(taken.calibrated))


def judge(
    now: Repeats | None,
    policy: Policy = GATE,
    *,
    before: Repeats | None = None,
    comparable: bool = True,
    remeasure: Remeasure | None = None,
) -> CellVerdict:
    """The verdict on one cost whose baseline is `BASE`."""
    cell = replace(cost("m"), repeats=before or repeats(BASE))
    current = None if now is None else replace(cell, repeats=now, wall_s=2.0)
    (found,) = judged([(cell, current)], policy, comparable=comparable, remeasure=remeasure)
    return found


def test_slower_takes_all_three_conditions() -> None:
    base = timings(BASE)
    assert slowdown(base, timings(BASE * 1.3), TOLERANCE).slower
    assert not slowdown(base, timings(BASE * 1.2), TOLERANCE).slower, "below 25%"
    assert not slowdown(base, timings(BASE * 1.3), Tolerance(0.25, 40.0)).slower, "below 40 us"
    scattered = [90.0] * 4 + [140.0] * 6
    found = slowdown(base, timings(scattered), TOLERANCE)
    assert found.grown
    assert not found.slower, "four of ten repeats were faster"
    assert found.p > 0.002


def test_the_conditions_are_worked_out_by_hand() -> None:
    """All ten repeats above all ten: U = 100, z = (100 - 50 - .5) / sqrt(100 * 21 / 12) = 3.7418,
    p = 9.13e-5; medians 130 and 100."""
    found = slowdown(timings(BASE), timings(BASE * 1.3), TOLERANCE)
    assert found.ratio == pytest.approx(1.3)
    assert found.excess == pytest.approx(30.0)
    assert found.p == pytest.approx(stats.norm.sf(49.5 / np.sqrt(175)), rel=1e-6)


def test_a_machine_that_is_slower_as_a_whole_is_no_regression() -> None:
    """Call and calibration product both take 1.5 times as long."""
    assert not slowdown(timings(BASE), timings(BASE * 1.5, product=75.0), TOLERANCE).grown


def test_a_cost_that_stays_is_ok_with_its_numbers() -> None:
    found = judge(repeats(BASE * 1.1))
    assert (found.verdict, found.detail, found.gates) == ("ok", "within-tolerance", True)
    assert found.baseline_mean == pytest.approx(100.0)
    assert found.current_mean == pytest.approx(110.0)
    assert found.change == pytest.approx(0.1)
    assert found.worsening == pytest.approx(10.0)
    assert found.delta == pytest.approx(25.0)
    assert (found.n, found.wall_s) == (10, 2.0)


def test_faster_is_ok_and_claims_nothing() -> None:
    """A gain would have to be measured twice as well before it is called one."""
    found = judge(repeats(BASE * 0.6))
    assert (found.verdict, found.detail, found.message) == ("ok", "within-tolerance", "")
    assert found.change == pytest.approx(-0.4)


def test_reported_only_a_slower_cost_fails_nothing_and_is_not_measured_again() -> None:
    def never(cell: Cell) -> Repeats | None:
        raise AssertionError(cell)

    found = judge(repeats(BASE * 2), Policy(), remeasure=never)
    assert (found.verdict, found.detail, found.gates) == ("inconclusive", "suspect", False)
    assert found.message.startswith("slower: +100% calibrated (p below 1e-4)")


def test_slower_twice_is_regressed() -> None:
    found = judge(repeats(BASE * 2), remeasure=lambda cell: repeats(BASE * 1.8))
    assert (found.verdict, found.detail, found.gates) == ("regressed", "beyond-tolerance", True)
    assert "+100% calibrated" in found.message
    assert "measured again +80% calibrated" in found.message


def test_slower_only_once_is_noise() -> None:
    found = judge(repeats(BASE * 2), remeasure=lambda cell: repeats(BASE))
    assert (found.verdict, found.detail, found.gates) == ("ok", "noisy-perf", True)


def test_a_slower_median_within_the_scatter_is_noise_and_not_measured_again() -> None:
    def never(cell: Cell) -> Repeats | None:
        raise AssertionError(cell)

    found = judge(repeats([90.0] * 4 + [140.0] * 6), remeasure=never)
    assert (found.verdict, found.detail) == ("ok", "noisy-perf")
    assert "scatter" in found.message


@pytest.mark.parametrize("again", [None, repeats([200.0] * 9)])
def test_what_cannot_be_measured_again_is_open_and_fails_nothing(again: Repeats | None) -> None:
    found = judge(repeats(BASE * 2), remeasure=lambda cell: again)
    assert (found.verdict, found.detail, found.gates) == ("inconclusive", "suspect", False)
    assert found.message.endswith("it could not be measured again here")
    assert judge(repeats(BASE * 2), remeasure=None).detail == "suspect"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"now": repeats(BASE * 2), "comparable": False}, "another machine"),
        ({"now": None}, "did not time it"),
        ({"now": repeats([200.0] * 9)}, "fewer than 10 repeats in this run"),
        (
            {"now": repeats(BASE * 2), "before": repeats([100.0] * 3)},
            "fewer than 10 repeats in the baseline",
        ),
    ],
)
def test_what_cannot_be_compared_never_counts(given: dict[str, object], told: str) -> None:
    found = judge(**given, policy=GATE)
    assert (found.verdict, found.detail, found.gates) == ("inconclusive", "not-comparable", False)
    assert told in found.message


def test_a_count_among_the_costs_cannot_be_compared() -> None:
    count = replace(cost("m"), metric="floats_written", repeats=None)
    (found,) = judged([(count, None)], GATE, comparable=True)
    assert found.detail == "not-comparable"


def test_a_tolerance_of_the_command_line_wins() -> None:
    wide = replace(GATE, tolerances=parsed(["read_us=rel:1.5"]))
    assert judge(repeats(BASE * 2), wide).detail == "within-tolerance"


def test_as_many_repeats_are_needed_as_a_run_takes() -> None:
    assert performance.LEAST_REPEATS == timing.REPEATS


def _alarms(s: float, checks: int, *, again: bool) -> float:
    """Share of checks of unchanged code that find a cost slower, run effects of sd `s`."""
    rng = np.random.default_rng(0)

    def run() -> Timings:
        log = s * rng.standard_normal((checks, 1)) + 0.02 * rng.standard_normal((checks, 10))
        raw = 1_000 * np.exp(log)
        return Timings(raw, raw / 50)

    base = run()
    alarm = slowdown(base, run(), TOLERANCE).slower
    if again:
        alarm &= slowdown(base, run(), TOLERANCE).slower
    return float(alarm.mean())


def _expected(s: float, *, again: bool) -> float:
    """P(log ratio > log 1.25), of one difference or of two that share the baseline.

    The median of ten repeats of sd .02 adds .02^2 * pi / 20 (about) to each run's variance.
    """
    variance = s**2 + 0.02**2 * np.pi / 20
    bound = np.log(1.25) / np.sqrt(2 * variance)
    if not again:
        return float(stats.norm.sf(bound))
    return float(stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([-bound, -bound]))


@pytest.mark.parametrize(
    ("s", "single", "double"), [(0.05, 0.0008, 4e-5), (0.08, 0.024, 0.0045), (0.12, 0.094, 0.030)]
)
def test_false_alarms_are_as_rare_as_stated(s: float, single: float, double: float) -> None:
    """10,000 unchanged costs with run-to-run sd `s` of log time, once and measured again: within
    four standard errors of what two normal run effects give, and that rounds to what is stated."""
    for again, stated in ((False, single), (True, double)):
        expected = _expected(s, again=again)
        assert expected == pytest.approx(stated, rel=0.15, abs=1e-5)
        error = 4 * np.sqrt(expected * (1 - expected) / 10_000) + 1e-4
        assert _alarms(s, 10_000, again=again) == pytest.approx(expected, abs=error)


def test_the_rank_test_alone_would_alarm_almost_always() -> None:
    """Why three conditions: between runs of sd 5 % most ten repeats differ 'significantly'."""
    rng = np.random.default_rng(1)
    log = 0.05 * rng.standard_normal((2, 500, 1)) + 0.01 * rng.standard_normal((2, 500, 10))
    before, now = (Timings(np.exp(x), np.exp(x)) for x in log)
    assert (slowdown(before, now, TOLERANCE).p < performance.ALPHA).mean() > 0.3
