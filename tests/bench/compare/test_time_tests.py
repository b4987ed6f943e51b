"""Claims on forecasts of a fixed series: over seeds, over time, and both."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import bench
from bench.compare import Comparison, Contrast, compare
from bench.compare.time_model import TimeTest
from bench.errors import MembError
from bench.stats.corrections import adjust
from bench.stats.diebold_mariano import ewc, hln
from bench.stats.pairing import differences
from bench.tables import FORMATS, render
from tests.bench.forecast_runs import FROZEN, HORIZON, REFERENCE, ForecastRun, beside, turning

CLEAR = beside(FROZEN, 0.05)
"""Better for every seed and throughout."""
LUCKY = turning(FROZEN, 0.01)
"""Better for every seed, but only in one half of the path."""
UNSURE = beside(FROZEN, 0.01, over_seeds=0.02)
"""Better throughout for the average of the seeds, but not for each of them."""


def run(folder: Path) -> ForecastRun:
    return ForecastRun(folder / "run").forecaster("frozen", REFERENCE)


def four(folder: Path) -> ForecastRun:
    found = run(folder).forecaster("clear", CLEAR).forecaster("lucky", LUCKY)
    return found.forecaster("unsure", UNSURE)


def compared(found: ForecastRun, **options: Any) -> Comparison:
    return compare(bench.load(found.write()), **options)


def contrasts(comparison: Comparison) -> dict[str, Contrast]:
    return {c.label: c for section in comparison.sections for c in section.contrasts}


def time_of(contrast: Contrast) -> TimeTest:
    assert contrast.time is not None
    return contrast.time


def test_a_mark_takes_both_tests(tmp_path: Path) -> None:
    found = contrasts(compared(four(tmp_path)))
    for label, seeds, time in (("clear", 1, 1), ("lucky", 1, 0), ("unsure", 0, 1)):
        p, later = found[label].p_adjusted, time_of(found[label]).p_adjusted
        assert p is not None and later is not None
        assert ((p < 0.05), (later < 0.05)) == (bool(seeds), bool(time)), label
    assert (found["clear"].verdict, found["clear"].marks) == ("better", ("better",))
    assert (found["lucky"].verdict, found["lucky"].marks) == ("n.s.", ())
    assert (found["unsure"].verdict, found["unsure"].marks) == ("n.s.", ())
    assert [time_of(found[label]).unsettled for label in found] == ["", "time", "seeds"]


@pytest.mark.parametrize(
    ("claim", "words"),
    [("seed", ["better", "better", "n.s."]), ("time", ["better", "n.s.", "better"])],
)
def test_a_claim_on_one_of_them_takes_that_one_alone(
    tmp_path: Path, claim: Any, words: list[str]
) -> None:
    found = contrasts(compared(four(tmp_path), claim=claim))
    assert [contrast.verdict for contrast in found.values()] == words


def test_the_numbers_are_those_of_the_losses_averaged_over_seeds(tmp_path: Path) -> None:
    found = contrasts(compared(four(tmp_path)))["unsure"]
    a, b = (
        losses.astype(np.float32).astype(np.float64).mean(axis=0) for losses in (UNSURE, REFERENCE)
    )
    d = differences(a, b, "lower")
    (decision,), (reported,) = ewc(d, HORIZON), hln(d, HORIZON)
    time = time_of(found)
    assert (time.origins, time.horizon) == (400, HORIZON)
    assert time.decision == decision
    assert time.reported == reported
    assert found.difference == pytest.approx(-d.mean(), rel=1e-6)  # values are means of float32


def test_tests_over_time_are_a_family_of_their_own(tmp_path: Path) -> None:
    """Three contrasts on each of two fixed task points: m = 6 over seeds, and 6 over time."""
    found = four(tmp_path)
    found.forecaster("frozen", FROZEN, task="etth2").forecaster("clear", CLEAR, task="etth2")
    found.forecaster("lucky", LUCKY, task="etth2").forecaster("unsure", UNSURE, task="etth2")
    comparison = compared(found)
    assert [(f.metric, f.task_label, f.m) for f in comparison.time_families] == [("mse", "", 6)]
    assert [(f.metric, f.task_label, f.m) for f in comparison.families] == [("mse", "", 6)]
    tests = [time_of(c) for s in comparison.sections for c in s.contrasts]
    raw = [test.p_raw for test in tests]
    assert [test.p_adjusted for test in tests] == pytest.approx(adjust(raw).tolist())
    per_task = compared(found, family="task")
    assert [(f.task_label, f.m) for f in per_task.time_families] == [("etth1", 3), ("etth2", 3)]
    alone = compared(found, family="none")
    assert all(time_of(c).p_adjusted == time_of(c).p for s in alone.sections for c in s.contrasts)


def test_a_failed_forecaster_counts_with_p_one_over_time_too(tmp_path: Path) -> None:
    found = run(tmp_path).forecaster("clear", CLEAR)
    before = time_of(contrasts(compared(found))["clear"]).p_adjusted
    found.forecaster("broken", CLEAR, failed=dict.fromkeys(range(5), "oom"))
    comparison = compared(found)
    after = contrasts(comparison)
    assert [(f.m, f.failed) for f in comparison.time_families] == [(2, 1)]
    broken = time_of(after["broken"])
    assert (broken.gap, broken.p, broken.p_raw, broken.p_adjusted) == ("failed", None, 1.0, None)
    assert after["broken"].verdict == "fail"
    assert before is not None
    assert time_of(after["clear"]).p_adjusted == pytest.approx(2 * before)


def test_a_partial_forecaster_is_averaged_over_the_seeds_both_have(tmp_path: Path) -> None:
    found = contrasts(compared(run(tmp_path).forecaster("clear", CLEAR, failed={1: "oom"})))
    clear = found["clear"]
    assert clear.marks == ("better", "partial")
    kept = [0, 2, 3, 4]
    a, b = (
        losses[kept].astype(np.float32).astype(np.float64).mean(axis=0)
        for losses in (CLEAR, REFERENCE)
    )
    (expected,) = ewc(differences(a, b, "lower"), HORIZON)
    assert time_of(clear).decision == expected


def test_a_deterministic_forecaster_stands_for_every_seed(tmp_path: Path) -> None:
    found = contrasts(compared(run(tmp_path).forecaster("persistence", FROZEN[0] + 0.3)))
    persistence = found["persistence"]
    assert persistence.n == 5
    assert persistence.p_adjusted is not None and persistence.p_adjusted < 0.05
    assert (persistence.verdict, persistence.marks) == ("worse", ("worse",))


def test_between_two_deterministic_ones_time_alone_decides(tmp_path: Path) -> None:
    """Their difference is the same for every seed: no p over seeds, and none is needed."""
    found = ForecastRun(tmp_path / "run").forecaster("persistence", FROZEN[0])
    found.forecaster("seasonal-naive", CLEAR[2]).forecaster("drift-naive", LUCKY[2])
    comparison = compared(found)
    by_label = contrasts(comparison)
    assert [(c.p_raw, c.verdict) for c in by_label.values()] == [(None, "better"), (None, "n.s.")]
    assert (
        "The same for every seed, so that time p alone decides: seasonal-naive and persistence on "
        "etth1, drift-naive and persistence on etth1."
    ) in comparison.notes
    exact = contrasts(compared(found, claim="seed"))
    assert [c.verdict for c in exact.values()] == ["det", "det"]


def test_equal_forecasters_tie(tmp_path: Path) -> None:
    found = contrasts(compared(run(tmp_path).forecaster("twin", REFERENCE)))
    time = time_of(found["twin"])
    assert time.decision is not None and time.decision.tie
    assert (time.p, time.p_adjusted, found["twin"].verdict) == (1.0, 1.0, "n.s.")


def test_one_value_and_five_equal_ones_tie(tmp_path: Path) -> None:
    """The mean of five equal losses is theirs but for a rounding, which is no difference."""
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN)
    twin = contrasts(compared(found.forecaster("fixed", FROZEN[0])))["fixed"]
    assert time_of(twin).p == 1.0


def test_losses_that_differ_by_a_constant_get_no_p_and_no_mark(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", np.full((5, 400), 0.5))
    levels = np.array([0.25, 0.26, 0.24, 0.25, 0.27])[:, None]
    comparison = compared(found.forecaster("better", np.zeros((5, 400)) + levels))
    better = contrasts(comparison)["better"]
    time = time_of(better)
    assert (time.gap, time.p, time.p_raw) == ("undefined", None, 1.0)
    assert (better.verdict, better.marks) == ("untested", ())
    assert (
        "No time p (the losses differ by a constant), so no mark: better on etth1."
    ) in comparison.notes


def test_too_few_origins_leave_a_difference_unmarked(tmp_path: Path) -> None:
    """31 origins for 4 steps: 8 times 4 are needed."""
    found = ForecastRun(tmp_path / "run")
    found.forecaster("frozen", FROZEN[:, :31]).forecaster("clear", CLEAR[:, :31])
    comparison = compared(found)
    clear = contrasts(comparison)["clear"]
    assert clear.p_adjusted is not None and clear.p_adjusted < 0.05
    time = time_of(clear)
    assert (time.gap, time.p_raw, comparison.time_families) == ("too short", None, ())
    assert (clear.verdict, clear.marks) == ("untested", ())
    assert (
        "No time p (fewer than 8 origins for each step of the horizon), so no mark: clear on etth1."
    ) in comparison.notes


def test_a_stride_shortens_the_horizon(tmp_path: Path) -> None:
    """Forecasts of 4 steps made every second step overlap in 2 origins."""
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, params={"stride": 2})
    found.forecaster("clear", CLEAR, params={"stride": 2})
    assert time_of(contrasts(compared(found))["clear"]).horizon == 2


def test_fewer_than_three_seeds_are_marked_by_time_alone(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run", seeds=range(2))
    found.forecaster("frozen", FROZEN[:2]).forecaster("clear", CLEAR[:2])
    assert contrasts(compared(found))["clear"].verdict == "n<3"
    assert contrasts(compared(found, claim="time"))["clear"].verdict == "better"


def test_where_no_losses_are_stored_nothing_is_tested(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, series=None)
    comparison = compared(found.forecaster("clear", CLEAR, series=None))
    clear = contrasts(comparison)["clear"]
    assert (clear.time, clear.p_raw, clear.verdict) == (None, None, "untested")
    assert any("differences stand without a test" in note for note in comparison.notes)
    seeds = contrasts(compared(found, claim="seed"))["clear"]
    assert seeds.verdict == "better"


def test_a_forecaster_without_losses_beside_others_is_named(tmp_path: Path) -> None:
    found = run(tmp_path).forecaster("clear", CLEAR).forecaster("bare", CLEAR, series=None)
    comparison = compared(found)
    assert [(f.m, f.failed) for f in comparison.time_families] == [(2, 1)]  # with p = 1
    bare = contrasts(comparison)["bare"]
    assert (time_of(bare).gap, bare.verdict, bare.marks) == ("not stored", "untested", ())
    assert contrasts(comparison)["clear"].verdict == "better"
    assert (
        "No time p (some trials stored no losses), so no mark: bare on etth1." in comparison.notes
    )


def test_losses_that_are_not_the_metric_are_not_used(tmp_path: Path) -> None:
    values = (CLEAR.mean(axis=1) + 0.01).tolist()
    comparison = compared(run(tmp_path).forecaster("clear", CLEAR, values=values))
    assert time_of(contrasts(comparison)["clear"]).gap == "not the metric"
    assert (
        "No time p (the stored losses do not average to the metric), so no mark: clear on etth1."
    ) in comparison.notes


@pytest.mark.parametrize(
    ("metric", "series"),
    [("mse", "squared_error"), ("mae", "absolute_error"), ("pinball", "pinball")],
)
def test_a_metric_is_the_mean_of_its_own_losses(tmp_path: Path, metric: str, series: str) -> None:
    names: dict[str, Any] = {"metric": metric, "series": series}
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, **names)
    comparison = compared(found.forecaster("clear", CLEAR, **names))
    assert comparison.sections[0].losses == series
    assert time_of(contrasts(comparison)["clear"]).p is not None


def test_series_of_another_name_are_no_losses(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, series="attention")
    comparison = compared(found.forecaster("clear", CLEAR, series="attention"))
    assert comparison.sections[0].losses == ""
    assert contrasts(comparison)["clear"].time is None


def test_scores_that_are_better_when_higher_turn_the_sign(tmp_path: Path) -> None:
    names: dict[str, Any] = {"metric": "hit", "series": "hit", "direction": "higher"}
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, **names)
    clear = contrasts(compared(found.forecaster("clear", CLEAR, **names)))["clear"]
    assert clear.verdict == "worse"
    decision = time_of(clear).decision
    assert decision is not None and decision.statistic is not None and decision.statistic < 0


def test_data_of_their_own_leave_claims_to_the_seeds(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run")
    for label, losses in (("frozen", FROZEN), ("lucky", LUCKY)):
        found.forecaster(label, losses, task="drift", seeded=True)
    comparison = compared(found)
    lucky = contrasts(comparison)["lucky"]
    assert (lucky.time, lucky.verdict, comparison.own_series) == (None, "better", ("drift",))
    assert (
        "On drift each seed has a series of its own: claims there rest on seeds alone."
    ) in comparison.notes
    assert not any("time p" in note for note in comparison.notes)


def test_a_claim_over_time_needs_a_fixed_series(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN, task="drift", seeded=True)
    with pytest.raises(MembError) as caught:
        compared(found.forecaster("clear", CLEAR, task="drift", seeded=True), claim="time")
    assert str(caught.value) == (
        "nothing to claim over time: no fixed series with stored losses among the records\n"
        "  help: claims on data that vary with the seed rest on seeds: leave --claim out"
    )


def test_different_origins_are_refused(tmp_path: Path) -> None:
    found = run(tmp_path).forecaster("short", CLEAR[:, :399])
    with pytest.raises(MembError, match="cover different origins: 399, 400"):
        compared(found)


def test_unpaired_seeds_are_averaged_each_on_their_own(tmp_path: Path) -> None:
    found = contrasts(compared(four(tmp_path), unpaired=True))
    clear = found["clear"]
    assert clear.significance is not None and clear.significance.test == "welch"
    assert clear.verdict == "better"
    paired = time_of(contrasts(compared(four(tmp_path)))["clear"])
    assert time_of(clear).decision == paired.decision  # the same five seeds on either side


def test_swapping_names_turns_signs_and_keeps_p(tmp_path: Path) -> None:
    found = four(tmp_path)
    forth = contrasts(compared(found))["clear"]
    back = contrasts(compared(found, reference="clear"))["frozen"]
    assert back.verdict == "worse"
    one, other = time_of(forth).decision, time_of(back).decision
    assert one is not None and other is not None
    assert one.p == other.p
    assert one.statistic == -(other.statistic or math.nan)


def test_adding_a_memory_keeps_the_raw_p_of_others(tmp_path: Path) -> None:
    few = contrasts(compared(run(tmp_path).forecaster("clear", CLEAR)))["clear"]
    many = contrasts(compared(four(tmp_path)))["clear"]
    assert (few.p_raw, time_of(few).p) == (many.p_raw, time_of(many).p)


def test_rescaling_the_losses_keeps_p(tmp_path: Path) -> None:
    plain = contrasts(compared(four(tmp_path / "a")))
    found = ForecastRun(tmp_path / "b").forecaster("frozen", 10 * REFERENCE)
    for label, losses in (("clear", CLEAR), ("lucky", LUCKY), ("unsure", UNSURE)):
        found.forecaster(label, 10 * losses)
    for label, contrast in contrasts(compared(found)).items():
        # losses are stored with the 24 bits of float32, each rounded on its own
        assert time_of(contrast).p == pytest.approx(time_of(plain[label]).p, rel=1e-3)
        assert contrast.p_raw == pytest.approx(plain[label].p_raw, rel=1e-3)


@pytest.mark.parametrize("format", FORMATS)
def test_the_order_of_records_changes_no_byte(tmp_path: Path, format: Any) -> None:
    found = four(tmp_path)
    frame = bench.load(found.write())
    shuffled = frame.sample(frac=1, random_state=np.random.RandomState(3)).copy()
    shuffled.attrs = frame.attrs | {"series": dict(reversed(frame.attrs["series"].items()))}
    assert render(compare(shuffled), format) == render(compare(frame), format)


def test_a_missing_record_is_a_hole_and_not_a_smaller_n(tmp_path: Path) -> None:
    found = four(tmp_path)
    found.records = [r for r in found.records if r["trial_key"] != "etth1-clear-4"]
    comparison = compared(found)
    row = comparison.sections[0].row("clear")
    assert row is not None and row.state == "partial"
    assert contrasts(comparison)["clear"].marks == ("better", "partial")


def test_equivalence_takes_both_intervals(tmp_path: Path) -> None:
    """Lucky is within .03 of frozen for every seed, yet not from one half of time to the next."""
    found = run(tmp_path).forecaster("lucky", LUCKY)
    near = beside(FROZEN, 0.0005, over_seeds=0.003, over_time=0.05)
    by_label = contrasts(compared(found.forecaster("near", near), margins={"mse": 0.03}))
    assert by_label["near"].verdict == "equiv"
    lucky = by_label["lucky"]
    assert lucky.equivalence is not None and lucky.equivalence.equivalent
    assert (time_of(lucky).equivalent, lucky.verdict) == (False, "n.s.")


def test_equivalence_over_time_is_judged_by_the_ninety_percent_interval(tmp_path: Path) -> None:
    """As two one-sided tests at 5%: |mean| + t_{.95, df} error has to lie within the margin."""
    found = run(tmp_path).forecaster("near", beside(FROZEN, 0.0005, over_time=0.05))
    decision = time_of(contrasts(compared(found))["near"]).decision
    assert decision is not None and decision.error is not None
    limit = abs(decision.mean) + stats.t.ppf(0.95, decision.df) * decision.error
    for margin, within in ((1.01 * limit, True), (0.99 * limit, False)):
        near = contrasts(compared(found, margins={"mse": margin}))["near"]
        assert time_of(near).equivalent is within


def test_the_group_not_separated_from_the_best_takes_both(tmp_path: Path) -> None:
    by_label = contrasts(compared(four(tmp_path), mode="vs-best"))
    assert {label: c.against for label, c in by_label.items()} == dict.fromkeys(
        ["frozen", "lucky", "unsure"], "clear"
    )
    assert by_label["frozen"].marks == ("worse",)
    assert by_label["lucky"].marks == ("not-separated",)


def test_all_pairs_are_tested_over_time(tmp_path: Path) -> None:
    comparison = compared(four(tmp_path), mode="all-pairs")
    assert [f.m for f in comparison.time_families] == [6]
    assert all(time_of(c).p is not None for c in comparison.sections[0].contrasts)
