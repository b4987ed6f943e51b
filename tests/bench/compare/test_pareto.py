"""Fronts of quality against state and against read time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compare.pareto import Point, fronts, undominated
from bench.errors import MembError
from bench.tables import pareto
from tests.bench.frames import FrameBuilder, Metric

RECALL = Metric("capacity_90", "higher", "items", bounds=(0.0, 512.0))
STATE = Metric("state_floats", "lower", "floats", kind="static", primary=False)
PARAMS = Metric("param_floats", "lower", "floats", kind="static", primary=False)
READ = Metric("read_us", "lower", "us", kind="perf", primary=False)
WRITE = Metric("write_us", "lower", "us", kind="perf", primary=False)
BITS = Metric("bits_per_float", "higher", "bits", primary=False)


def memory(
    builder: FrameBuilder,
    label: str,
    recall: list[float | str],
    state: float,
    read: float | None,
    *,
    task: str = "capacity",
    protocol: str = "p1",
) -> None:
    def cell(metric: Metric, values: list[float | str], **options: object) -> None:
        builder.cell(label, values, task=task, protocol=protocol, metric=metric, **options)

    cell(RECALL, recall)
    cell(STATE, [state] * len(recall))
    cell(PARAMS, [64.0] * len(recall))
    if read is not None:
        for x in (1.0, 256.0):
            cell(READ, [read + 100 * (x == 1)], seeds=[None], x=x)
            cell(WRITE, [2 * read], seeds=[None], x=x)


def three() -> FrameBuilder:
    """Large and small are on the state front; fast is on the read front with large."""
    builder = FrameBuilder()
    memory(builder, "large", [100.0, 110.0], 4096, 9.0)
    memory(builder, "small", [50.0, 52.0], 1024, 8.0)
    memory(builder, "wasteful", [50.0, 50.0], 2048, 8.5)
    memory(builder, "fast", [40.0, 44.0], 1024, 1.0)
    return builder


def test_a_point_is_on_a_front_unless_another_beats_it_in_both() -> None:
    (front,) = fronts(three().frame())
    on = {p.label: (p.on_state_front, p.on_read_front) for p in front.points}
    assert on == {
        "large": (True, True),
        "small": (True, True),
        "wasteful": (False, False),
        "fast": (False, True),
    }
    assert [p.label for p in front.points] == ["large", "small", "wasteful", "fast"]
    first = front.points[0]
    assert first == Point("large", "capacity", 105.0, 4096.0, 64.0, 9.0, 18.0, None, True, True)


def test_budgets_of_one_protocol_share_a_front_and_an_unsized_memory_is_one_point() -> None:
    builder = FrameBuilder()
    for budget, recall in ((1024, 20.0), (4096, 80.0)):
        task = f"capacity[budget={budget}]"
        memory(builder, "ring", [recall, recall], budget, 2.0, task=task)
        memory(builder, "knn", [512.0, 512.0], 65536, 5.0, task=task)
    memory(builder, "ring", [1.0, 1.0], 9, 2.0, task="other", protocol="p2")
    first, other = fronts(builder.frame())
    assert first.tasks == ("capacity[budget=1024]", "capacity[budget=4096]")
    assert [(p.label, p.quality) for p in first.points] == [
        ("knn", 512.0),
        ("ring", 80.0),
        ("ring", 20.0),
    ]
    assert other.tasks == ("other",)


def test_an_incomplete_memory_is_named_and_beats_nobody() -> None:
    builder = three()
    memory(builder, "broken", [500.0, "error"], 1, 0.1)
    (front,) = fronts(builder.frame())
    assert front.left_out == ("broken",)
    assert front.points[0].label == "large"
    assert "Left out of capacity_90, for want of a complete result: broken." in "\n".join(
        pareto.sheet([front]).footer
    )


def test_a_metric_that_is_not_tested_leaves_out_what_failed_on_a_seed_too() -> None:
    """For a failed seed only primary metrics have a hole; the survivors are a biased sample."""
    builder = FrameBuilder()
    for label, values in (("whole", [0.9, 0.5]), ("broken", [1.0, "error"])):
        memory(builder, label, [10.0, values[1] if values[1] == "error" else 10.0], 64, 1.0)
        kept = [value for value in values if value != "error"]
        builder.cell(label, kept, task="capacity", metric=BITS, seeds=range(len(kept)))
    (front,) = fronts(builder.frame(), metrics=["bits_per_float"])
    assert [point.label for point in front.points] == ["whole"]
    assert front.left_out == ("broken",)


def test_a_memory_with_a_point_at_one_budget_is_not_left_out_at_another() -> None:
    builder = FrameBuilder()
    memory(builder, "ring", ["skipped", "skipped"], 16, None, task="a[budget=8]")
    memory(builder, "ring", [5.0, 5.0], 64, 1.0, task="a[budget=64]")
    (front,) = fronts(builder.frame())
    assert (len(front.points), front.left_out) == (1, ())


def test_a_memory_without_times_is_on_no_read_front() -> None:
    builder = three()
    memory(builder, "untimed", [200.0, 200.0], 1, None)
    (front,) = fronts(builder.frame())
    best = front.points[0]
    assert (best.label, best.read_us) == ("untimed", None)
    assert best.on_state_front
    assert not best.on_read_front
    assert {p.label for p in front.points if p.on_read_front} == {"large", "small", "fast"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_the_front_is_what_no_pair_dominates(costs: list[tuple[int, int]]) -> None:
    on = undominated([(float(a), float(b)) for a, b in costs])
    assert any(on)
    for (a, b), flag in zip(costs, on, strict=True):
        beaten = any(x <= a and y <= b and (x, y) != (a, b) for x, y in costs)
        assert flag is not beaten


def test_a_metric_can_be_named_and_a_lower_one_turns_the_front() -> None:
    builder = FrameBuilder()
    error = Metric("mse", "lower")
    for label, value, state in (("a", 0.1, 10), ("b", 0.2, 10), ("c", 0.3, 5)):
        builder.cell(label, [value, value], metric=error)
        builder.cell(label, [state, state], metric=STATE)
    (front,) = fronts(builder.frame(), metrics=["mse"])
    assert [p.label for p in front.points if p.on_state_front] == ["a", "c"]
    with pytest.raises(MembError, match="unknown metric 'mes'"):
        fronts(builder.frame(), metrics=["mes"])


def test_without_a_measured_state_there_is_nothing_to_show() -> None:
    builder = FrameBuilder().cell("a", [1.0, 2.0]).cell("b", [1.0, 2.0])
    with pytest.raises(MembError, match="no memory has both"):
        fronts(builder.frame())


@pytest.mark.parametrize("format", ["markdown", "latex", "csv", "json"])
def test_every_format_holds_every_point(format: str) -> None:
    text = pareto.render(fronts(three().frame()), format)
    assert all(label in text for label in ("large", "small", "wasteful", "fast"))
    assert "\x1b" not in text
    assert text.endswith("\n")


def test_bits_per_float_have_a_column_only_where_a_task_reports_them() -> None:
    builder = three()
    (plain,) = pareto.sheet(fronts(builder.frame())).grids
    assert "bits per float ↑" not in plain.header
    builder.cell("large", [0.2, 0.4], metric=BITS, task="capacity")
    (with_bits,) = pareto.sheet(fronts(builder.frame())).grids
    column = with_bits.header.index("bits per float ↑")
    assert with_bits.rows[0][column].text == "0.3000"
    assert with_bits.rows[1][column].text == "-"
    assert math.isclose(fronts(builder.frame())[0].points[0].bits_per_float or 0, 0.3)


def test_a_router_is_timed_by_its_routes_and_what_it_learns() -> None:
    """In batches of 256, as an associative memory is by its reads and writes."""
    builder = FrameBuilder()
    accuracy = Metric("family_accuracy", "higher", bounds=(0.0, 1.0))
    route = Metric("route_us", "lower", "us", kind="perf", primary=False)
    learn = Metric("learn_us", "lower", "us", kind="perf", primary=False)
    builder.cell("5-nn", [0.7, 0.8], task="routing", metric=accuracy)
    builder.cell("5-nn", [65280.0] * 2, task="routing", metric=STATE)
    for cost, time in ((route, 12.0), (learn, 3.0)):
        builder.cell("5-nn", [time], task="routing", metric=cost, seeds=[None], x=256.0)
        builder.cell("5-nn", [50 * time], task="routing", metric=cost, seeds=[None], x=1.0)
    (front,) = fronts(builder.frame())
    assert [(p.read_us, p.write_us) for p in front.points] == [(12.0, 3.0)]


def test_a_forecaster_is_timed_by_its_forecasts_and_its_revealed_rows() -> None:
    """The front in time is that of predictions: 40 us with more error, 900 us with less."""
    builder = FrameBuilder()
    mse = Metric("mse", "lower", bounds=(0.0, None))
    predict = Metric("predict_us", "lower", "us", kind="perf", primary=False)
    observe = Metric("observe_us", "lower", "us", kind="perf", primary=False)
    for label, errors, state, time in (("ogd", [0.8, 0.6], 14016, 40.0), ("hmem", [0.5], 2e5, 9e2)):
        builder.cell(label, errors, task="etth1", protocol="p", metric=mse)
        builder.cell(label, [state] * len(errors), task="etth1", protocol="p", metric=STATE)
        for cost, factor in ((predict, 1), (observe, 3)):
            builder.cell(
                label, [factor * time], task="etth1", protocol="p", metric=cost, seeds=[None]
            )
    (front,) = fronts(builder.frame())
    assert front.calls == "forecasts"
    assert {p.label: (p.read_us, p.write_us, p.on_read_front) for p in front.points} == {
        "ogd": (40.0, 120.0, True),
        "hmem": (900.0, 2700.0, True),
    }
    text = pareto.render([front], "markdown")
    assert "predict us" in text
    assert "observe us" in text
    assert "read us" not in text
    assert "per forecast and per revealed row" in text
    assert "per query" not in text


def test_a_token_memory_is_timed_by_its_tokens_and_by_what_it_absorbs() -> None:
    builder = FrameBuilder()
    mse = Metric("mse", "lower", bounds=(0.0, None))
    tokens = Metric("tokens_us", "lower", "us", kind="perf", primary=False)
    absorb = Metric("absorb_us", "lower", "us", kind="perf", primary=False)
    for label, error, state, time in (("spectral", 0.4, 2e5, 90.0), ("zero", 0.5, 1.0, 8.0)):
        builder.cell(label, [error], task="tsl", protocol="p", metric=mse)
        builder.cell(label, [state], task="tsl", protocol="p", metric=STATE)
        for cost, factor in ((tokens, 1), (absorb, 4)):
            builder.cell(
                label, [factor * time], task="tsl", protocol="p", metric=cost, seeds=[None]
            )
    (front,) = fronts(builder.frame())
    assert front.calls == "passes"
    assert {p.label: (p.read_us, p.write_us) for p in front.points} == {
        "spectral": (90.0, 360.0),
        "zero": (8.0, 32.0),
    }
    text = pareto.render([front], "markdown")
    assert "tokens us ↓ | absorb us ↓" in " ".join(text.split())
    assert "per read of all tokens and per pass of one window" in text
    assert "per query" not in text
