"""Names and numbers in sentences."""

from __future__ import annotations

import pytest

from bench import in_words

GRID = [f"recall[items={n}]" for n in (5, 10, 20)]
SQUARE = [f"pairs[items={n},noise={x}]" for n in (5, 10) for x in (0, 1)]
KNOWN = [*GRID, "drift", *SQUARE]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (KNOWN, "every task"),
        (["drift"], "drift"),
        (GRID, "recall[..] (all 3)"),
        (GRID[:1], "recall[items=5]"),
        ([GRID[2], GRID[0]], "recall[items=5, 20]"),
        ([*GRID[:2], "drift"], "recall[items=5, 10], drift"),
        (SQUARE[:3], "pairs[items=5,noise=0], [items=5,noise=1], [items=10,noise=0]"),
        ([*GRID, *SQUARE], "recall[..] (all 3), pairs[..] (all 4)"),
        (["elsewhere", "drift"], "drift, elsewhere"),
    ],
)
def test_task_points_of_a_grid_are_named_once(found: list[str], text: str) -> None:
    assert in_words.tasks(found, KNOWN) == text


def test_what_stands_for_all_tasks_fits_the_sentence() -> None:
    assert in_words.tasks(GRID, GRID, "any task") == "any task"
    assert in_words.tasks(GRID[:2], GRID[:2]) == "every task"


def test_the_only_task_keeps_its_name() -> None:
    assert in_words.tasks(["drift"], ["drift"]) == "drift"


def test_a_grid_of_two_is_both() -> None:
    assert in_words.tasks(GRID[:2], [*GRID[:2], "drift"]) == "recall[..] (both)"


def test_a_bracket_that_holds_no_parameter_is_left_as_it_is() -> None:
    assert in_words.tasks(["a[x]", "a[y]"], ["a[x]", "a[y]", "a[z]"]) == "a[x], [y]"
    assert in_words.tasks(["a", "a[k=1]"], ["a", "a[k=1]", "a[k=2]"]) == "a, a[k=1]"


def test_most_memories_are_named_by_those_left_out() -> None:
    known = [f"m{i}" for i in range(12)]
    assert in_words.memories(known, known) == "all memories"
    assert in_words.memories(known[2:], known) == "all memories but m0, m1"
    assert in_words.memories(known[:3], known) == "m0, m1, m2"
    assert in_words.memories(reversed(known[:3]), known) == "m0, m1, m2"
    assert in_words.memories(["m0"], ["m0"]) == "m0"


def test_seeds_without_a_gap_are_a_range() -> None:
    assert in_words.seeds([3]) == "seed 3"
    assert in_words.seeds([1, 0]) == "seeds 0, 1"
    assert in_words.seeds(range(10)) == "seeds 0 to 9"
    assert in_words.seeds([0, 1, 3]) == "seeds 0, 1, 3"


def test_a_span_is_its_ends() -> None:
    assert in_words.span([5, 5]) == "5"
    assert in_words.span([5, 3, 4]) == "3 to 5"


def test_names_stand_once_in_the_order_given() -> None:
    assert in_words.listed(["b", "a", "b"]) == "b, a"
