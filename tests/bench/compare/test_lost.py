"""A task point that fails as a whole makes no claim elsewhere easier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench
from bench.compare import Comparison, Mode, compare
from bench.compare.model import Family
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside
from tests.bench.frames import ACCURACY, MSE, FrameBuilder, Metric

UNKNOWN = Metric("", "", primary=False)
"""What stands in a frame for a task point of which no trial finished."""
LABELS = ("ref", "a", "b")


def values(label: str, n: int = 5) -> list[float]:
    rng = np.random.default_rng(LABELS.index(label))
    return (0.5 - 0.01 * LABELS.index(label) + rng.normal(0, 0.01, n)).round(4).tolist()


def point(builder: FrameBuilder, task: str, metric: Metric | None, n: int = 5) -> FrameBuilder:
    """Every memory on a task point; all trials failed where no metric is known."""
    for label in LABELS:
        if metric is None:
            builder.cell(label, ["oom"] * n, task=task, metric=UNKNOWN)
        else:
            builder.cell(label, values(label, n), task=task, metric=metric)
    return builder


def adjusted(comparison: Comparison, task: str) -> list[float | None]:
    (section,) = [s for s in comparison.sections if s.task_label == task]
    return [contrast.p_adjusted for contrast in section.contrasts]


@pytest.mark.parametrize(("mode", "each"), [("vs-reference", 2), ("all-pairs", 3)])
def test_its_tests_count_with_p_one(mode: Mode, each: int) -> None:
    builder = point(point(FrameBuilder(), "recall[n=1]", MSE), "recall[n=2]", None)
    found = compare(builder.frame(), mode=mode)
    assert found.families == (Family("mse", "", 2 * each, each),)
    whole = point(point(FrameBuilder(), "recall[n=1]", MSE), "recall[n=2]", MSE).frame()
    whole.loc[whole["task_label"] == "recall[n=2]", ["status", "value"]] = ["oom", np.nan]
    # as if the metric had been known
    assert adjusted(found, "recall[n=1]") == adjusted(compare(whole, mode=mode), "recall[n=1]")


def test_it_counts_where_its_task_is_known_and_everywhere_where_it_is_not() -> None:
    builder = point(point(FrameBuilder(), "recall[n=1]", MSE), "other", ACCURACY)
    known = compare(point(builder, "recall[n=2]", None).frame())
    assert known.families == (Family("mse", "", 4, 2), Family("accuracy", "", 2, 0))
    unknown = compare(point(builder, "third", None).frame())
    assert unknown.families == (Family("mse", "", 6, 4), Family("accuracy", "", 4, 2))


def test_families_of_one_task_hold_that_task_alone() -> None:
    builder = point(point(FrameBuilder(), "recall[n=1]", MSE), "recall[n=2]", None)
    assert compare(builder.frame(), family="task").families == (Family("mse", "recall[n=1]", 2, 0),)
    assert compare(builder.frame(), mode="vs-best").families == (
        Family("mse", "recall[n=1]", 2, 0),
    )


def test_what_was_not_to_be_tested_does_not_count() -> None:
    """Two seeds are too few by plan, and a skipped memory was never to be compared."""
    few = point(point(FrameBuilder(), "recall[n=1]", MSE), "recall[n=2]", None, n=2)
    assert [f.m for f in compare(few.frame()).families] == [2]
    unfit = point(FrameBuilder(), "recall[n=1]", MSE).cell(
        "ref", ["oom"] * 5, task="recall[n=2]", metric=UNKNOWN
    )
    unfit.cell("a", ["skipped"] * 5, task="recall[n=2]", metric=UNKNOWN)
    unfit.cell("b", ["oom"] * 5, task="recall[n=2]", metric=UNKNOWN)
    assert compare(unfit.frame()).families == (Family("mse", "", 3, 1),)


def test_tests_over_time_count_too(tmp_path: Path) -> None:
    """Three forecasters on two series, the second lost: one pair of each kind is added for each.

    The naive one is the same for every seed, so that its pairs are tested over seeds as well.
    """
    run = ForecastRun(tmp_path / "run")
    gone = dict.fromkeys([*range(5), None], "oom")
    for task, failed in (("etth1", None), ("etth2", gone)):
        run.forecaster("frozen", REFERENCE, task=task, failed=failed)
        run.forecaster("clear", beside(FROZEN, 0.05), task=task, failed=failed)
        run.forecaster("naive", FROZEN + 0.1, task=task, failed=failed)
    frame = bench.load(run.write())
    found = compare(frame)
    assert found.families == (Family("mse", "", 4, 2),)
    assert found.time_families == (Family("mse", "", 4, 2),)
    assert compare(frame, claim="seed").families == (Family("mse", "", 4, 2),)
