"""Which memories are ranked together, and on which tasks."""

from __future__ import annotations

from typing import Any

from bench.compare import compare
from bench.compare.fields import apart, components, meeting
from tests.bench.compare.suite_frames import frame_of
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

FIVE = [0.40, 0.42, 0.39, 0.41, 0.43]
OTHER = [0.30, 0.33, 0.31, 0.29, 0.32]
SKIPPED = ["skipped"] * 5


def scopes(frame: Any, **options: Any) -> list[tuple[str, set[str], tuple[str, ...]]]:
    found = compare(frame, **options)
    return [(o.scope, {e.label for e in o.entrants}, o.rows) for o in found.overall]


def test_memories_that_meet_everywhere_are_one_field() -> None:
    tasks = {task: {"a": FIVE, "b": OTHER} for task in ("recall", "drift")}
    assert scopes(frame_of(tasks)) == [("all", {"a", "b"}, ("recall", "drift"))]


def test_memories_that_never_meet_are_ranked_apart() -> None:
    tasks = {
        "recall": {"delta": FIVE, "ring": OTHER},
        "co2": {"frozen": FIVE, "ogd": OTHER},
        "capacity": {"delta": FIVE, "ring": OTHER},
        "drift": {"frozen": FIVE, "ogd": OTHER},
    }
    assert scopes(frame_of(tasks)) == [
        ("all", {"delta", "ring"}, ("recall", "capacity")),
        ("all", {"frozen", "ogd"}, ("co2", "drift")),
    ]


def test_where_some_are_skipped_no_column_mixes_sets_of_tasks() -> None:
    tasks = {
        "recall": {"a": FIVE, "b": OTHER, "c": FIVE},
        "drift": {"a": FIVE, "b": OTHER, "c": OTHER},
        "when": {"a": FIVE, "b": OTHER, "c": SKIPPED},
    }
    assert scopes(frame_of(tasks)) == [
        ("full", {"a", "b"}, ("recall", "drift", "when")),
        ("common", {"a", "b", "c"}, ("recall", "drift")),
    ]


def test_memories_linked_by_a_third_are_one_component() -> None:
    tasks = {
        "recall": {"a": FIVE, "b": OTHER},
        "drift": {"b": FIVE, "c": OTHER},
        "when": {"b": FIVE, "c": OTHER},
    }
    found = compare(frame_of(tasks))
    (group,) = components(found.sections, found.labels)
    assert group.labels == ("a", "b", "c")
    assert found.overall == ()  # b alone meets all three, and no task has all three memories
    assert "No ranks over tasks: too few memories meet on all tasks." in found.notes


def test_unranked_rows_do_not_enter() -> None:
    tasks = {task: {"a": FIVE, "b": OTHER, "big": FIVE} for task in ("recall", "drift")}
    standings = {task: {"big": {"ranked": False}} for task in tasks}
    assert scopes(frame_of(tasks, standings=standings)) == [
        ("all", {"a", "b"}, ("recall", "drift"))
    ]


def test_one_row_is_nothing_to_aggregate() -> None:
    assert compare(frame_of({"recall": {"a": FIVE, "b": OTHER}})).overall == ()


def test_tasks_of_one_block_are_one_row_unless_asked_otherwise() -> None:
    tasks = {f"etth1[horizon={h}]": {"a": FIVE, "b": OTHER} for h in (24, 96)}
    blocks = dict.fromkeys(tasks, "etth1")
    found = compare(frame_of(tasks, blocks=blocks))
    assert found.overall == ()
    assert (
        "No ranks over tasks: all tasks are one block, etth1, and count once; --rows task ranks "
        "them each."
    ) in found.notes
    assert scopes(frame_of(tasks, blocks=blocks), rows="task") == [
        ("all", {"a", "b"}, tuple(tasks))
    ]


def test_several_metrics_of_a_task_are_one_block_or_rows_with_the_metrics_name() -> None:
    builder = FrameBuilder()
    for label, values in (("a", FIVE), ("b", OTHER)):
        builder.cell(label, values, task="interference", metric=Metric("retro", "higher"))
        builder.cell(label, values, task="interference", metric=Metric("pro", "higher"))
        builder.cell(label, values, task="recall", metric=ACCURACY)
    frame = builder.frame()
    assert scopes(frame) == [("all", {"a", "b"}, ("interference", "recall"))]
    assert scopes(frame, rows="task") == [
        ("all", {"a", "b"}, ("interference (pro)", "interference (retro)", "recall"))
    ]


def test_costs_and_untested_metrics_do_not_enter() -> None:
    builder = FrameBuilder()
    for label, values in (("a", FIVE), ("b", OTHER)):
        for task in ("recall", "drift"):
            builder.cell(label, values, task=task)
            builder.cell(label, values, task=task, metric=Metric("floats", kind="static"))
            builder.cell(label, values, task=task, metric=Metric("extra", primary=False))
    found = compare(builder.frame(), all_metrics=True)
    assert {metric for _, metric in found.overall[0].tasks} == {"mse"}
    assert [meeting(s) for s in found.sections if s.metric == "floats"] == [(), ()]


def test_sections_without_a_common_memory_are_apart_until_one_bridges_them() -> None:
    builder = FrameBuilder()
    for task, labels in (("a", "uv"), ("b", "xy"), ("c", "uw"), ("d", "yz")):
        for label in labels:
            builder.cell(label, FIVE, task=task)
    builder.cell("x", SKIPPED, task="a")  # planned there and unfit: no bridge
    split = apart(compare(builder.frame()).sections)
    assert [[section.task_label for section in own] for own in split] == [["a", "c"], ["b", "d"]]
    builder.cell("u", FIVE, task="d")
    (joined,) = apart(compare(builder.frame()).sections)
    assert [section.task_label for section in joined] == ["a", "b", "c", "d"]
