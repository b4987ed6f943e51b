"""Rows and their states: every planned trial is accounted for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from bench.compare import Comparison, Row, Section, compare, records
from bench.compare.records import TaskPoint
from bench.errors import MembError
from bench.tables import render
from tests.bench.frames import ACCURACY, MSE, FrameBuilder, Metric

FIVE = [0.40, 0.42, 0.39, 0.41, 0.43]
WORSE = [0.50, 0.53, 0.51, 0.49, 0.52]


def section(comparison: Comparison, metric: str = "mse", task: str = "recall") -> Section:
    (found,) = [
        s for s in comparison.sections if (s.metric, s.task_label, s.x) == (metric, task, None)
    ]
    return found


def row(comparison: Comparison, label: str, metric: str = "mse", task: str = "recall") -> Row:
    found = section(comparison, metric, task).row(label)
    assert found is not None
    return found


def test_a_complete_cell_has_mean_sd_and_interval() -> None:
    """Mean .41, sd .0158114, t(.975, 4) = 2.776445: half width .019632."""
    found = row(compare(FrameBuilder().cell("delta", FIVE).frame()), "delta")
    assert (found.state, found.n, found.n_planned) == ("complete", 5, 5)
    assert found.mean == pytest.approx(0.41)
    assert found.sd == pytest.approx(0.0158114, abs=5e-8)
    assert found.interval is not None
    assert found.interval.hi - 0.41 == pytest.approx(0.019632, abs=5e-7)


@pytest.mark.parametrize("status", ["nonfinite", "error", "timeout", "oom", "missing"])
def test_one_lost_seed_makes_a_cell_partial_and_is_named(status: str) -> None:
    frame = (
        FrameBuilder()
        .cell("delta", FIVE)
        .cell("ring", [0.5, 0.5, status, 0.6, 0.5], message="why")
        .frame()
    )
    found = row(compare(frame), "ring")
    assert (found.state, found.n, found.n_planned) == ("partial", 4, 5)
    (failure,) = found.failures
    assert (failure.seed, failure.status, failure.message) == (2, status, "why")


@pytest.mark.parametrize(
    ("values", "state"),
    [
        (["oom", "error", "oom"], "failed"),
        (["missing"] * 3, "missing"),
        (["skipped"] * 3, "skipped"),
        (["missing", "oom", "missing"], "failed"),
        (["skipped", "oom", "skipped"], "failed"),
        (["skipped", "skipped", "missing"], "missing"),
    ],
)
def test_a_cell_without_values_says_why(values: list[str], state: str) -> None:
    frame = FrameBuilder().cell("delta", FIVE[:3]).cell("ring", values).frame()
    found = row(compare(frame), "ring")
    assert (found.state, found.n, found.mean) == (state, 0, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_stored_value_that_is_not_finite_is_a_failure(value: float) -> None:
    frame = FrameBuilder().cell("delta", [0.4, value, 0.5]).frame()
    found = row(compare(frame), "delta")
    assert found.state == "partial"
    assert (found.failures[0].seed, found.failures[0].status) == (1, "nonfinite")


def test_deleting_one_record_changes_the_state_and_not_just_n() -> None:
    frame = FrameBuilder().cell("delta", FIVE).cell("ring", WORSE).frame()
    cut = frame[~((frame["label"] == "ring") & (frame["seed"] == 3))].copy()
    cut.attrs = frame.attrs
    found = row(compare(cut), "ring")
    assert (found.state, found.n) == ("partial", 4)
    assert (found.failures[0].seed, found.failures[0].status) == (3, "missing")


def test_a_record_that_lacks_one_of_the_metrics_is_seen() -> None:
    frame = (
        FrameBuilder()
        .cell("delta", FIVE)
        .cell("delta", [0.9, 0.8], metric=ACCURACY, seeds=[0, 1])
        .frame()
    )
    found = row(compare(frame), "delta", "accuracy")
    assert [f.seed for f in found.failures] == [2, 3, 4]
    assert {f.message for f in found.failures} == {"the record lacks this metric"}


def test_a_failure_before_any_metric_was_known_shows_in_each_table_of_the_task() -> None:
    nameless = Metric(name="")
    frame = (
        FrameBuilder()
        .cell("delta", FIVE)
        .cell("delta", FIVE, metric=ACCURACY)
        .cell("ring", ["error"] * 5, metric=nameless, message="boom")
        .frame()
    )
    comparison = compare(frame)
    for metric in ("mse", "accuracy"):
        found = row(comparison, "ring", metric)
        assert found.state == "failed"
        assert {(f.status, f.message) for f in found.failures} == {("error", "boom")}


def test_a_task_of_which_nothing_is_known_has_a_table_that_names_the_failure() -> None:
    frame = (
        FrameBuilder()
        .cell("delta", FIVE)
        .cell("delta", ["error"] * 5, task="capacity", metric=Metric(name=""), message="boom")
        .frame()
    )
    found = section(compare(frame), "", "capacity")
    assert found.rows[0].state == "failed"
    assert found.contrasts == ()


def test_a_task_that_no_trial_has_reached_is_missing_and_not_said_to_fit_nobody() -> None:
    """As in a run that was interrupted, or has yet to begin."""
    builder = FrameBuilder().cell("a", [0.4, 0.5, 0.6]).cell("b", [0.5, 0.5, 0.7])
    for label in ("a", "b"):
        never = ["missing"] * 3
        builder.cell(label, never, task="later", metric=Metric(""), message="never ran")
    comparison = compare(builder.frame())
    later = comparison.sections[-1]
    assert (later.task_label, later.metric) == ("later", "")
    assert [row.state for row in later.rows] == ["missing", "missing"]
    assert "missing: a, b on later: never ran." in comparison.notes


def test_deterministic_cells_have_one_value_and_no_spread() -> None:
    frame = (
        FrameBuilder()
        .cell("ogd", FIVE, seeded=False)
        .cell("persistence", [0.7], seeds=[None], seeded=False, deterministic=True)
        .frame()
    )
    found = row(compare(frame), "persistence")
    assert (found.deterministic, found.seedless, found.state) == (True, True, "complete")
    assert (found.n_planned, found.mean, found.sd, found.interval) == (1, 0.7, None, None)


def test_equal_values_of_all_seeds_are_marked_as_such() -> None:
    found = row(compare(FrameBuilder().cell("delta", [1.0] * 5).frame()), "delta")
    assert (found.all_equal, found.mean, found.sd) == (True, 1.0, 0.0)


def test_intervals_stay_within_the_bounds_of_the_metric() -> None:
    frame = FrameBuilder().cell("delta", [1.0, 0.9, 1.0], metric=ACCURACY).frame()
    found = row(compare(frame), "delta", "accuracy").interval
    assert found is not None
    assert found.hi == 1.0
    assert found.lo > 0.8


def test_best_and_second_best_are_named_by_direction() -> None:
    frame = FrameBuilder()
    for label, value in {"a": 0.3, "b": 0.2, "c": 0.5}.items():
        frame.cell(label, [value, value + 0.02, value - 0.01])
        frame.cell(label, [value, value + 0.02, value - 0.01], metric=ACCURACY)
    comparison = compare(frame.frame())
    assert [r.standing for r in section(comparison).rows] == ["second", "best", ""]
    assert [r.standing for r in section(comparison, "accuracy").rows] == ["second", "", "best"]


def test_tied_bests_all_stand_out_and_none_is_second() -> None:
    frame = FrameBuilder().cell("a", [0.3, 0.4]).cell("b", [0.4, 0.3]).cell("c", [0.5, 0.6]).frame()
    assert [r.standing for r in section(compare(frame)).rows] == ["best", "best", ""]


def test_means_that_differ_by_rounding_tie() -> None:
    """A part in 1e13 is no difference, one in 1e11 is."""
    for step, standings in ((1e-13, ["best", "best"]), (1e-11, ["best", "second"])):
        builder = FrameBuilder().cell("a", [0.5, 0.5, 0.5]).cell("b", [0.5 * (1 + step)] * 3)
        found = section(compare(builder.frame()))
        assert [row.standing for row in found.rows] == standings


def test_a_partial_cell_is_never_the_best() -> None:
    frame = (
        FrameBuilder()
        .cell("a", [0.4, 0.4, 0.5])
        .cell("b", [0.1, 0.1, "oom"])
        .cell("c", [0.5, 0.6, 0.5])
        .frame()
    )
    assert [r.standing for r in section(compare(frame)).rows] == ["best", "", "second"]


def test_nothing_is_best_where_the_reference_was_lost() -> None:
    frame = FrameBuilder().cell("ref", ["oom"] * 3).cell("a", FIVE[:3]).cell("b", WORSE[:3]).frame()
    assert {r.standing for r in section(compare(frame)).rows} == {""}


def test_metrics_that_are_not_primary_are_shown_only_on_request_and_never_judged() -> None:
    floats = Metric("state_floats", kind="static", primary=False)
    builder = FrameBuilder().cell("a", FIVE).cell("b", WORSE)
    builder.cell("a", [100.0] * 5, metric=floats).cell("b", [50.0] * 5, metric=floats)
    assert [s.metric for s in compare(builder.frame()).sections] == ["mse"]
    everything = compare(builder.frame(), all_metrics=True)
    assert [(s.metric, s.tested) for s in everything.sections] == [
        ("mse", True),
        ("state_floats", False),
    ]
    extra = section(everything, "state_floats")
    assert {r.standing for r in extra.rows} == {""}
    assert [(c.verdict, c.p_raw, c.marks) for c in extra.contrasts] == [("untested", None, ())]


def test_the_points_of_a_curve_are_shown_only_when_it_is_named() -> None:
    curve = Metric("mse_cumulative", primary=False)
    cost = Metric("write_us", kind="perf", primary=False)
    builder = FrameBuilder().cell("a", FIVE)
    for x in (1.0, 256.0):
        builder.cell("a", FIVE, metric=curve, x=x)
        builder.cell("a", [3.0], metric=cost, x=x, seeds=[None])
    shown = [(s.metric, s.x) for s in compare(builder.frame(), all_metrics=True).sections]
    assert shown == [("mse", None), ("write_us", 1.0), ("write_us", 256.0)]
    named = compare(builder.frame(), metrics=["mse_cumulative"])
    assert [(s.metric, s.x) for s in named.sections] == [
        ("mse_cumulative", 1.0),
        ("mse_cumulative", 256.0),
    ]


def test_asking_for_one_metric_leaves_out_the_others() -> None:
    builder = FrameBuilder().cell("a", FIVE).cell("a", FIVE, metric=ACCURACY)
    assert [s.metric for s in compare(builder.frame(), metrics=["accuracy"]).sections] == [
        "accuracy"
    ]


def test_curve_points_have_intervals_and_no_tests() -> None:
    builder = FrameBuilder()
    for label, values in {"a": FIVE, "b": WORSE}.items():
        builder.cell(label, values)
        for x in (32.0, 8.0):
            builder.cell(label, values, metric=ACCURACY, x=x)
    assert len(compare(builder.frame()).sections) == 1
    found = compare(builder.frame(), metrics=["accuracy"]).sections
    assert [s.x for s in found] == [8.0, 32.0]
    assert all(s.rows[0].interval is not None for s in found)
    assert {c.p_raw for s in found for c in s.contrasts} == {None}


def test_a_metric_that_one_memory_does_not_report_is_not_applicable_to_it() -> None:
    extra = Metric("adapted", primary=False)
    builder = FrameBuilder().cell("a", FIVE).cell("b", WORSE).cell("a", FIVE, metric=extra)
    assert row(compare(builder.frame(), all_metrics=True), "b", "adapted").state == "skipped"


def test_times_measured_once_are_shown_as_they_are() -> None:
    write = Metric("write_us", kind="perf", primary=False, unit="us")
    builder = FrameBuilder().cell("a", FIVE).cell("b", WORSE)
    builder.cell("a", [3.0], metric=write, seeds=[None])
    builder.cell("b", [5.0], metric=write, seeds=[None])
    found = compare(builder.frame(), all_metrics=True)
    assert row(found, "b", "write_us").values == (5.0,)
    assert not row(found, "b", "write_us").deterministic
    (contrast,) = section(found, "write_us").contrasts
    assert (contrast.difference, contrast.interval, contrast.verdict) == (2.0, None, "untested")


def test_a_memory_that_is_not_planned_on_a_task_has_no_row_there() -> None:
    builder = FrameBuilder().cell("a", FIVE).cell("b", WORSE).cell("a", FIVE, task="capacity")
    found = section(compare(builder.frame()), task="capacity")
    assert [r.label for r in found.rows] == ["a"]


def test_each_run_brings_its_own_seeds() -> None:
    """Seeds of another run are not holes of this one."""
    builder = FrameBuilder().cell("a", FIVE, run="one")
    builder.cell("b", WORSE, run="two", seeds=range(5, 10))
    assert {r.state for r in section(compare(builder.frame())).rows} == {"complete"}


def test_two_values_of_one_trial_are_refused() -> None:
    builder = FrameBuilder().cell("a", [0.4, 0.5]).cell("a", [0.4, 0.6])
    with pytest.raises(MembError, match=r"2 values of mse for seed 1: 0\.5, 0\.6"):
        compare(builder.frame())


def test_two_protocols_on_one_task_are_refused() -> None:
    builder = FrameBuilder().cell("a", FIVE).cell("b", WORSE, protocol="p2")
    with pytest.raises(MembError, match="2 protocols: p1, p2"):
        compare(builder.frame())


def test_one_label_for_two_settings_is_refused() -> None:
    builder = FrameBuilder().cell("rag", FIVE, params={"k": 5}, memory="ar-rag")
    builder.cell("rag", WORSE, params={"k": 10}, memory="ar-rag", seeds=range(5, 10))
    with pytest.raises(MembError, match="label 'rag' stands for 2 settings"):
        compare(builder.frame())


def test_order_is_the_suites_and_the_rest_is_sorted() -> None:
    builder = FrameBuilder().cell("b", FIVE).cell("a", WORSE).cell("z", FIVE).cell("c", FIVE)
    frame = builder.frame(labels=["z", "b", "gone"])
    assert compare(frame).labels == ("z", "b", "a", "c")


def test_metrics_come_in_a_fixed_order_primary_first() -> None:
    builder = FrameBuilder()
    for name, primary in (("zeta", True), ("alpha", False), ("beta", True)):
        builder.cell("a", FIVE, metric=Metric(name, primary=primary))
    found = compare(builder.frame(), all_metrics=True)
    assert [s.metric for s in found.sections] == ["beta", "zeta", "alpha"]
    assert MSE.primary  # the default of the factory, which the tests above rely on


def test_points_of_a_curve_that_nobody_asked_for_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trial that measured nothing else is still one that was planned, and costs keep their x."""
    read: list[list[tuple[str, float]]] = []

    def counted(frame: pd.DataFrame, order: Sequence[str]) -> list[TaskPoint]:
        rows = frame[["metric", "x"]].fillna({"x": -1.0}).itertuples(index=False, name=None)
        read.append(list(rows))
        return records.read(frame, order)

    monkeypatch.setattr("bench.compare.records", SimpleNamespace(read=counted))
    curve = Metric("mse_windowed", primary=False)
    built = FrameBuilder().cell("delta", FIVE)
    for x in (1.0, 2.0, 3.0):
        built.cell("delta", FIVE, metric=curve, x=x).cell("ring", FIVE, metric=curve, x=x)
    built.cell("delta", [7.0], metric=Metric("write_us", kind="perf"), x=256.0, seeds=[None])
    found = compare(built.frame(), all_metrics=True)
    assert [s.metric for s in found.sections] == ["mse", "write_us"]
    assert row(found, "ring").n_planned == 5
    assert Counter(read[0]) == {("mse", -1.0): 5, ("mse_windowed", 1.0): 5, ("write_us", 256.0): 1}
    asked = compare(built.frame(), metrics=["mse_windowed"])
    assert [(s.metric, s.x) for s in asked.sections] == [("mse_windowed", x) for x in (1, 2, 3)]


@pytest.mark.parametrize(
    "asked", [{}, {"all_metrics": True}, {"metrics": ["curve"]}, {"metrics": ["note", "write_us"]}]
)
def test_rows_that_no_section_takes_may_as_well_be_there(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    curve, note = Metric("curve", primary=False), Metric("note", primary=False)
    built = FrameBuilder()
    for label, values in {"delta": FIVE, "ring": [1.0, "error", 2.0, math.nan, "oom"]}.items():
        built.cell(label, values).cell(label, FIVE, metric=note, seeds=range(5, 10))
        built.cell(label, values, metric=curve, x=1.0).cell(label, FIVE, metric=curve, x=2.0)
        built.cell(label, [7.0], metric=Metric("write_us", kind="perf"), x=1.0, seeds=[None])
    frame = built.frame()
    few = render(compare(frame, **asked), "json")
    read: list[int] = []

    def all_of_them(self: Any, given: pd.DataFrame) -> pd.DataFrame:
        read.append(len(given))
        return given

    monkeypatch.setattr("bench.compare.cells.Wanted.among", all_of_them)
    assert render(compare(frame, **asked), "json") == few
    assert read == [len(frame)]
