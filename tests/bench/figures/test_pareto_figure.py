"""Fronts of quality against cost as they are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Annotation

from bench.figures import pareto
from bench.figures.drawing import Absent, Drawing, blank
from bench.figures.label_places import annotate
from tests.bench.figures.runs import RECALL, STATE, capacity, compared
from tests.bench.frames import FrameBuilder


def only(builder: FrameBuilder) -> Drawing:
    (found,) = pareto.drawings(*compared(builder))
    assert isinstance(found, Drawing)
    return found


def test_the_data_are_means_intervals_and_costs() -> None:
    comparison, frame = compared(capacity())
    (found,) = pareto.drawings(comparison, frame)
    assert isinstance(found, Drawing)
    data = found.data.set_index("memory")
    row = comparison.sections[0].row("delta")
    assert row is not None and row.interval is not None
    assert data.loc["delta", "mean"] == pytest.approx(23.0)
    assert data.loc["delta", "ci_lo"] == row.interval.lo
    assert data["state_floats"].to_dict() == {
        "linear-assoc": 4096, "delta": 2048, "exact-knn": 65536,
    }  # fmt: skip
    assert data["read_us"].to_dict() == {"linear-assoc": 2, "delta": 4, "exact-knn": 9}


def test_fronts_are_joined_by_steps_through_the_points_that_none_beats() -> None:
    """linear-assoc has a larger state than delta and recalls less; its reads are the fastest."""
    found = only(capacity())
    steps = [
        next(x for x in axes.lines if x.get_drawstyle() == "steps-post")
        for axes in found.figure.axes
    ]
    by_state, by_read = (list(zip(*x.get_data(), strict=True)) for x in steps)
    assert by_state[:-1] == [(2048.0, 23.0), (65536.0, 64.0)]
    assert by_state[-1][1] == 64.0
    assert by_read[:-1] == [(2.0, 11.0), (4.0, 23.0), (9.0, 64.0)]


def test_dominated_points_are_pale() -> None:
    axes = only(capacity()).figure.axes[0]
    alphas = {x.get_xdata()[0]: x.get_alpha() for x in axes.lines if len(x.get_xdata()) == 1}
    assert alphas == {4096.0: 0.35, 2048.0: 1.0, 65536.0: 1.0}


def test_costs_are_logarithmic_and_a_memory_without_a_state_has_its_place() -> None:
    builder = capacity()
    builder.cell("nothing", [0.0] * 5, task="capacity", metric=RECALL)
    builder.cell("nothing", [0.0] * 5, task="capacity", metric=STATE)
    with_zero, without = only(builder).figure.axes[0], only(capacity()).figure.axes[0]
    assert with_zero.get_xscale() == "symlog"
    assert with_zero.get_xlim()[0] < 0 < with_zero.get_xlim()[1]
    assert without.get_xscale() == "log"


def test_without_timings_there_is_one_panel() -> None:
    builder = FrameBuilder()
    for label, recall, state in (("a", 10.0, 64.0), ("b", 20.0, 128.0)):
        builder.cell(label, [recall] * 3, task="capacity", metric=RECALL)
        builder.cell(label, [state] * 3, task="capacity", metric=STATE)
    assert len(only(builder).figure.axes) == 1


def test_a_run_without_states_has_none_and_says_why() -> None:
    builder = FrameBuilder().cell("a", [1.0] * 3).cell("b", [2.0] * 3)
    (found,) = pareto.drawings(*compared(builder))
    assert isinstance(found, Absent)
    assert "measured state" in found.reason


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=15))
@settings(max_examples=15, deadline=None)
def test_names_cover_neither_each_other_nor_a_point(points: list[tuple[float, float]]) -> None:
    figure = blank(4, 3)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
    annotate(axes, [(x, y, f"name-{k}", False) for k, (x, y) in enumerate(points)], points)
    renderer = figure.canvas.get_renderer()
    texts = [text for text in axes.texts if isinstance(text, Annotation)]
    assert texts  # the first name always finds room
    boxes = [super(Annotation, text).get_window_extent(renderer) for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    marks = axes.transData.transform(points)
    assert not any(box.contains(*mark) for box in boxes for mark in marks)
