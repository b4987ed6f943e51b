"""Warnings of trials, told in few sentences."""

from __future__ import annotations

from collections import Counter

from bench.remarks import sentences

LABELS = ("a", "b")
TASKS = ("x[k=1]", "x[k=2]", "y")
PLANNED = {task: Counter(dict.fromkeys(LABELS, 5)) for task in TASKS}


def test_a_warning_of_all_is_one_sentence() -> None:
    said = {(task, "too easy"): Counter(a=5, b=5) for task in TASKS}
    assert sentences(said, PLANNED) == ["All memories on every task: too easy"]


def test_memories_that_warn_elsewhere_stand_apart_in_the_same_sentence() -> None:
    said = {
        ("x[k=1]", "at the edge"): Counter(a=5, b=2),
        ("x[k=2]", "at the edge"): Counter(b=1),
        ("y", "too easy"): Counter(a=4),
    }
    assert sentences(said, PLANNED) == [
        "a on x[k=1]; b (3 of 10 trials) on x[..] (both): at the edge",
        "a (4 of 5 seeds) on y: too easy",
    ]


def test_equal_shares_are_said_once() -> None:
    said = {("y", "too easy"): Counter(a=2, b=2)}
    assert sentences(said, PLANNED) == ["All memories (2 of 5 seeds each) on y: too easy"]


def test_unequal_shares_are_each_memorys_own() -> None:
    assert sentences({("y", "too easy"): Counter(a=2, b=3)}, PLANNED) == [
        "a (2 of 5 seeds), b (3 of 5 seeds) on y: too easy"
    ]
    assert sentences({("y", "too easy"): Counter(a=5, b=3)}, PLANNED) == [
        "All memories (b in 3 of 5 seeds) on y: too easy"
    ]


def test_many_unequal_shares_are_a_range() -> None:
    planned = {"y": Counter({f"m{i}": 5 for i in range(9)})}
    said = {("y", "not recovered"): Counter({f"m{i}": 1 + i % 4 for i in range(9)})}
    assert sentences(said, planned) == ["All memories (1 to 4 of 5 seeds each) on y: not recovered"]


def test_no_warnings_are_no_sentences() -> None:
    assert sentences({}, PLANNED) == []
