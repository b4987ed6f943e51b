"""Results over a parameter that a suite varies."""

from __future__ import annotations

import numpy as np
import pytest

from bench.compare import Comparison, compare
from bench.figures import sweep
from bench.figures.sections import headline
from tests.bench.figures.runs import with_params
from tests.bench.frames import ACCURACY, FrameBuilder

SIMILARITIES = (0.0, 0.5, 0.99, 1.0)


def grid(xs: tuple[float, ...], others: tuple[str, ...] = ("",), name: str = "x") -> Comparison:
    builder, params = FrameBuilder(), {}
    for other in others:
        for place, x in enumerate(xs):
            task = f"interference[{name}={x:g}{other}]"
            params[task] = {"dim": 64, name: x, "cue": other or "none"}
            for label, start in (("a", 0.9), ("b", 0.8), ("c", 0.7)):
                values = [start - 0.1 * place + d for d in (0.0, 0.01, -0.01)]
                builder.cell(label, values, task=task, metric=ACCURACY)
    return compare(with_params(builder.frame(), params))


def test_points_are_the_means_of_the_tasks_in_order_of_the_parameter() -> None:
    comparison = grid((20.0, 5.0, 10.0), name="items")
    (found,) = sweep.drawings(comparison)
    assert found.name == "sweep--interference--accuracy--items"
    own = found.data[found.data["memory"].eq("a")]
    assert own["items"].tolist() == [5.0, 10.0, 20.0]
    rows = {section.task_label: section.row("a") for section in comparison.sections}
    for record in own.to_dict("records"):
        row = rows[record["task"]]
        assert row is not None and row.interval is not None
        assert (record["mean"], record["ci_lo"]) == (row.mean, row.interval.lo)
        assert record["n"] == 3


def test_two_values_are_no_curve() -> None:
    assert list(sweep.drawings(grid((1.0, 2.0)))) == []


def test_tasks_that_differ_in_a_word_stand_in_panels_side_by_side() -> None:
    comparison = grid((1.0, 2.0, 3.0), ("none", "context"))
    (found,) = sweep.drawings(comparison)
    assert [axes.get_title(loc="left") for axes in found.figure.axes] == [
        "cue = none", "cue = context",
    ]  # fmt: skip
    assert set(found.data["panel"]) == {"cue = none", "cue = context"}


def test_values_that_crowd_are_evenly_spaced_and_the_caption_says_so() -> None:
    (found,) = sweep.drawings(grid(SIMILARITIES, name="similarity"))
    (axes,) = found.figure.axes
    at = [axes.transData.transform((x, 0.5))[0] for x in SIMILARITIES]
    assert np.diff(at) == pytest.approx(np.full(3, np.diff(at)[0]))
    assert "evenly spaced" in found.caption
    (spaced,) = sweep.drawings(grid((0.0, 1.0, 2.0)))
    assert "evenly" not in spaced.caption


def test_a_parameter_over_more_than_a_factor_of_ten_is_logarithmic() -> None:
    (found,) = sweep.drawings(grid((5.0, 20.0, 100.0), name="items"))
    assert found.figure.axes[0].get_xscale() == "log"


def test_a_memory_that_is_not_everywhere_is_named_and_not_drawn() -> None:
    builder, params = FrameBuilder(), {}
    for x in (1.0, 2.0, 3.0):
        task = f"t[x={x:g}]"
        params[task] = {"x": x}
        builder.cell("a", [0.5, 0.6, 0.7], task=task, metric=ACCURACY)
        values: list[float | str] = [0.4] * 3 if x < 3 else ["error"] * 3
        builder.cell("gone", values, task=task, metric=ACCURACY)
    (found,) = sweep.drawings(compare(with_params(builder.frame(), params)))
    assert set(found.data["memory"]) == {"a"}
    assert "Without a result at every point: gone." in found.caption


def test_too_many_settings_beside_the_axis_are_no_figure() -> None:
    others = tuple(f"cue-{k}" for k in range(sweep.MOST_PANELS + 1))
    assert sweep.sweeps(list(headline(grid((1.0, 2.0, 3.0), others)))) == []


def test_a_grid_that_no_memory_finished_is_no_figure() -> None:
    builder, params = FrameBuilder(), {}
    for x in (1.0, 2.0, 3.0):
        params[f"t[x={x:g}]"] = {"x": x}
        for label, gone in (("a", 1.0), ("b", 2.0)):
            values: list[float | str] = ["error"] * 3 if x == gone else [0.5, 0.6, 0.7]
            builder.cell(label, values, task=f"t[x={x:g}]", metric=ACCURACY)
    assert list(sweep.drawings(compare(with_params(builder.frame(), params)))) == []
