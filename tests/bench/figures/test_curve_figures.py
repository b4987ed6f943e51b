"""Curves of a run: what is drawn, and that the numbers are means of the seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.figures import capacity, curve
from bench.figures.curve_data import axis_of, curves
from tests.bench.figures.runs import (
    LOADS,
    RECALL,
    add_curve,
    compared,
    falling,
)
from tests.bench.figures.runs import (
    capacity as capacity_run,
)
from tests.bench.frames import FrameBuilder, Metric

LAG = Metric("acc_code_by_lag", "higher", bounds=(0.0, 1.0), primary=False)
BY_CHANNEL = Metric("mse_by_channel", primary=False)
BY_LEAD = Metric("mse_by_lead", primary=False)
STORED = Metric("acc_stored", "higher", bounds=(0.0, 1.0), primary=False)


def test_a_capacity_curve_holds_means_and_t_intervals_of_the_seeds() -> None:
    (found,) = capacity.drawings(*compared(capacity_run()))
    assert (found.kind, found.about) == ("capacity-curve", ("capacity", "acc_code"))
    own = found.data[found.data["memory"].eq("delta")]
    values = np.array(falling(1.0, 0.1))
    assert own["x"].tolist() == list(LOADS)
    assert own["mean"].tolist() == pytest.approx(values.mean(axis=0))
    lo, hi = stats.t.interval(0.95, 4, values.mean(axis=0), stats.sem(values))
    assert own["ci_lo"].tolist() == pytest.approx(lo)
    assert own["ci_hi"].tolist() == pytest.approx(np.minimum(hi, 1.0))
    assert set(own["n"]) == {5}


def test_the_capacity_beside_a_curve_is_that_of_the_table_and_says_if_it_is_a_bound() -> None:
    comparison, frame = compared(capacity_run())
    (found,) = capacity.drawings(comparison, frame)
    means = {row.label: row.mean for row in comparison.sections[0].rows}
    data = found.data.drop_duplicates("memory").set_index("memory")
    assert data["capacity"].to_dict() == pytest.approx(means)
    assert data["capacity_is_lower_bound"].to_dict() == {
        "linear-assoc": False, "delta": False, "exact-knn": True,
    }  # fmt: skip
    (legend,) = [axes.get_legend() for axes in found.figure.axes]
    texts = [text.get_text().replace("\u00a0", " ") for text in legend.get_texts()]
    assert texts == ["exact-knn: ≥ 64", "delta: 23", "linear-assoc (reference): 11"]


def test_ticks_on_the_axis_stand_at_the_capacities_that_were_reached() -> None:
    (found,) = capacity.drawings(*compared(capacity_run()))
    ticks = [x.get_xdata()[0] for x in found.figure.axes[0].lines if len(x.get_xdata()) == 1]
    assert sorted(ticks) == pytest.approx([11.0, 23.0])


def test_the_axis_of_items_is_in_powers_of_two_and_accuracy_is_never_logarithmic() -> None:
    builder = capacity_run()
    add_curve(builder, "zero", falling(0.02, 0.0))
    (found,) = capacity.drawings(*compared(builder))
    (axes,) = found.figure.axes
    assert axes.get_xscale() == "log"
    assert [t for t in axes.get_xticks() if t in LOADS] == list(LOADS)
    assert axes.get_yscale() == "linear"


def test_errors_over_more_than_a_factor_of_ten_are_logarithmic() -> None:
    builder = FrameBuilder()
    for label, level in (("a", 0.1), ("b", 5.0)):
        builder.cell(label, [level] * 3, task="online-tsf")
        steps = [[level, level * 1.1]] * 3
        add_curve(builder, label, steps, task="online-tsf", metric=BY_LEAD, xs=[1, 2])
    (found,) = curve.drawings(*compared(builder))
    assert found.figure.axes[0].get_yscale() == "log"


def test_a_line_at_chance_stands_where_guessing_does() -> None:
    (found,) = capacity.drawings(*compared(capacity_run()))
    level = [x.get_ydata()[0] for x in found.figure.axes[0].lines if x.get_alpha() is None]
    assert 0.01 in level
    assert "guessing" in found.caption


def test_few_seeds_are_drawn_one_by_one_and_many_are_not() -> None:
    (few,) = capacity.drawings(*compared(capacity_run(seeds=3)))
    (many,) = capacity.drawings(*compared(capacity_run(seeds=5)))
    assert "n = 3 seeds" in few.caption and "single seeds" in few.caption
    assert "n = 5 seeds" in many.caption and "single seeds" not in many.caption
    thin = [x for x in few.figure.axes[0].lines if x.get_linewidth() == 0.5]
    assert len(thin) == 9


def test_a_memory_that_lost_seeds_says_so_and_one_without_a_curve_is_named() -> None:
    builder = capacity_run()
    values = [*falling(0.8, 0.2, 3)]
    for place, x in enumerate(LOADS):
        builder.cell("shaky", [row[place] for row in values], task="capacity", x=x,
                     metric=Metric("acc_code", "higher", bounds=(0, 1), primary=False))  # fmt: skip
    builder.cell("shaky", [5.0, 6.0, 5.0, "error", "oom"], task="capacity", metric=RECALL)
    builder.cell("broken", ["error"] * 5, task="capacity", metric=RECALL)
    (found,) = capacity.drawings(*compared(builder))
    own = found.data[found.data["memory"].eq("shaky")]
    assert (set(own["n"]), set(own["n_planned"])) == ({3}, {5})
    texts = [text.get_text() for text in found.figure.axes[0].get_legend().get_texts()]
    assert any(text.startswith("shaky\u00a0(3/5)") for text in texts)
    assert "Without a curve: broken." in found.caption
    assert "n = 3 to 5 seeds" in found.caption


def test_coordinates_that_are_names_are_no_curve() -> None:
    assert axis_of("online-tsf", "mse_by_channel") is None
    assert axis_of("online-tsf", "recovery_ratio_by_change") is None
    assert axis_of("anything", "a_metric_of_a_plug_in") is not None


def test_side_curves_are_drawn_when_asked_for() -> None:
    builder = capacity_run()
    for label in ("linear-assoc", "delta"):
        add_curve(builder, label, falling(1.0, 0.1), metric=STORED)
        add_curve(builder, label, falling(1.0, 0.1), metric=LAG, xs=[0, 1, 2, 4])
    frame = builder.frame()
    assert [c.metric for c in curves(frame)] == ["acc_code", "acc_code_by_lag"]
    assert [c.metric for c in curves(frame, metrics=["acc_stored"])] == ["acc_stored"]
    assert len(list(curves(frame, everything=True))) == 3


def test_a_lag_of_zero_has_its_place_on_an_axis_of_powers_of_two() -> None:
    builder = capacity_run()
    for label in ("linear-assoc", "delta"):
        add_curve(builder, label, falling(1.0, 0.1), metric=LAG, xs=[0, 1, 2, 4])
    (found,) = curve.drawings(*compared(builder))
    assert found.kind == "forgetting-curve"
    (axes,) = found.figure.axes
    assert axes.get_xscale() == "symlog"
    assert [t for t in axes.get_xticks() if t in (0, 1, 2, 4)] == [0, 1, 2, 4]


def test_a_memory_that_lacks_some_coordinates_is_drawn_with_those_it_has() -> None:
    builder = capacity_run()
    add_curve(builder, "short", falling(0.9, 0.1), xs=LOADS[:2])
    (found,) = capacity.drawings(*compared(builder))
    assert found.data[found.data["memory"].eq("short")]["x"].tolist() == list(LOADS[:2])
    assert "Some have no value at some coordinates." in found.caption


def test_a_single_coordinate_is_no_curve() -> None:
    builder = FrameBuilder().cell("a", [1.0] * 3, task="capacity", metric=RECALL)
    add_curve(builder, "a", [[0.5]] * 3, xs=[8])
    assert list(capacity.drawings(*compared(builder))) == []
