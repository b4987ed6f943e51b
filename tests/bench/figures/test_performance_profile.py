"""Shares of runs within a factor of the best."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.compare import Comparison
from bench.figures import profile
from bench.figures.drawing import Absent, Drawing
from tests.bench.figures.runs import compared
from tests.bench.frames import FrameBuilder

VALUES = {
    "a": {"steady": [1.0, 1.1, 0.9], "fast": [0.5, 0.6, 0.4], "shaky": [2.0, "oom", 8.0]},
    "b": {"steady": [3.0, 3.0, 3.0], "fast": [9.0, 12.0, 60.0], "shaky": [6.0, 6.0, 6.0]},
}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    builder = FrameBuilder()
    for task, cells in VALUES.items():
        for label, values in cells.items():
            builder.cell(label, values, task=task)
    return compared(builder, rows="task")[0]


def only(comparison: Comparison) -> Drawing:
    (found,) = profile.drawings(comparison)
    assert isinstance(found, Drawing)
    return found


def share(label: str, tau: float) -> float:
    """Counted run by run; the best mean is .5 on task a and 3 on task b."""
    hits = []
    for task, best in (("a", 0.5), ("b", 3.0)):
        own = VALUES[task][label]
        hits.append(np.mean([not isinstance(v, str) and v / best <= tau for v in own]))
    return float(np.mean(hits))


def test_each_share_is_that_of_runs_counted_one_by_one(comparison: Comparison) -> None:
    data = only(comparison).data
    assert len(data) == 3 * 201
    for row in data.iloc[::20].to_dict("records"):
        assert row["share"] == pytest.approx(share(row["memory"], row["tau"])), row


def test_a_failed_run_is_within_no_factor(comparison: Comparison) -> None:
    data = only(comparison).data
    assert data[data["memory"].eq("shaky")]["share"].max() == pytest.approx(5 / 6)
    assert "a failed run is within no factor" in only(comparison).caption


def test_costs_of_failed_trials_are_infinite_and_the_rest_those_measured(
    comparison: Comparison,
) -> None:
    found = profile.costs(comparison.sections[0], ["shaky", "fast"])
    assert found.tolist() == [[2.0, math.inf, 8.0], [0.5, 0.6, 0.4]]


def test_few_seeds_have_no_band_and_many_have(comparison: Comparison) -> None:
    few = only(comparison)
    assert "No bands: fewer than 5 seeds." in few.caption
    assert few.data["ci_lo"].isna().all()
    builder = FrameBuilder()
    for task in ("a", "b"):
        builder.cell("x", [1.0, 2.0, 3.0, 4.0, 5.0], task=task)
        builder.cell("y", [2.0, 1.0, 1.0, 1.0, 9.0], task=task)
    many = only(compared(builder, rows="task")[0])
    assert (many.data["ci_lo"] <= many.data["share"]).all()
    assert (many.data["ci_hi"] >= many.data["share"]).all()
    assert many.figure.axes[0].collections


def test_the_axis_runs_from_the_best_to_a_hundred_times_it(comparison: Comparison) -> None:
    (axes,) = only(comparison).figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == pytest.approx((1.0, 100.0))


def test_one_row_has_no_profile() -> None:
    builder = FrameBuilder().cell("x", [1.0, 2.0, 3.0]).cell("y", [2.0, 1.0, 1.0])
    (found,) = profile.drawings(compared(builder)[0])
    assert isinstance(found, Absent)
