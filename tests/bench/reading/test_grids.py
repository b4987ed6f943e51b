from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.reading import grids
from bench.reading.grids import MAX_POINTS, expand, is_grid

pytestmark = pytest.mark.usefixtures("fake_entries")


def points(given: dict[str, Any], name: str = "fake-rag") -> list[grids.Point]:
    found, wrong = expand(registry.get("memory", name), given)
    assert wrong == []
    return found


def findings(given: dict[str, Any], name: str = "fake-rag") -> list[tuple[Any, str]]:
    found, wrong = expand(registry.get("memory", name), given)
    assert found == []
    return [(finding.path, finding.message) for finding in wrong]


@pytest.mark.parametrize(
    ("value", "nesting", "grid"),
    [
        (1, 0, False),
        ([1], 0, True),
        ([], 0, True),
        ({"a": [1]}, 0, False),
        ([1, 2], 1, False),
        ([], 1, False),
        ([[1], [2]], 1, True),
        ([1, [2]], 1, True),
        ([[1]], 2, False),
        ([[[1]]], 2, True),
    ],
)
def test_a_list_one_level_deeper_than_the_value_is_a_grid(
    value: Any, nesting: int, grid: bool
) -> None:
    assert is_grid(value, nesting) is grid


def test_without_a_list_there_is_one_point_and_no_suffix() -> None:
    (point,) = points({"top_k": 3, "sizes": [1, 2]})
    assert point.suffix == ""
    assert (point.params["top_k"], point.params["sizes"]) == (3, [1, 2])
    assert point.where == {"top_k": ("top_k",), "sizes": ("sizes",)}


def test_a_grid_is_the_product_in_the_order_written_last_varying_fastest() -> None:
    found = points({"mode": ["softmax", "nearest"], "top_k": [1, 2], "decay": 0.5})
    assert [point.suffix for point in found] == [
        "[mode=softmax,top-k=1]",
        "[mode=softmax,top-k=2]",
        "[mode=nearest,top-k=1]",
        "[mode=nearest,top-k=2]",
    ]
    assert [point.params["top_k"] for point in found] == [1, 2, 1, 2]
    assert found[3].where["mode"] == ("mode", 1)
    assert found[3].where["decay"] == ("decay",)


@pytest.mark.parametrize(
    ("given", "suffixes"),
    [
        ({"decay": [1e-3, 1, 0.5]}, ["[decay=0.001]", "[decay=1]", "[decay=0.5]"]),
        ({"soft": [True, False]}, ["[soft=true]", "[soft=false]"]),
        ({"gain": [None, 2]}, ["[gain=null]", "[gain=2]"]),
        ({"sizes": [[1, 2], [3], []]}, ["[sizes=1+2]", "[sizes=3]", "[sizes=]"]),
        ({"top_k": [5]}, ["[top-k=5]"]),
    ],
)
def test_labels_write_values_as_a_person_would(given: dict[str, Any], suffixes: list[str]) -> None:
    assert [point.suffix for point in points(given)] == suffixes


def test_a_slots_grid_is_labelled_by_the_name_and_what_is_set() -> None:
    slots = ["fake-rag", {"name": "fake-rag", "params": {"top_k": 5}}, {"name": "linear-assoc"}]
    found = points({"memory": slots}, "fake-bank")
    assert [point.suffix for point in found] == [
        "[memory=fake-rag]",
        "[memory=fake-rag(top-k=5)]",
        "[memory=linear-assoc]",
    ]
    assert found[1].params["memory"]["params"]["top_k"] == 5


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"top_k": []}, [(("top_k",), "an empty list gives no value to try")]),
        ({"top_k": [1, 0, "a"]}, [
            (("top_k", 1), "must be >= 1, got 0"),
            (("top_k", 2), "must be a whole number, got 'a'"),
        ]),
        ({"decay": [0.5, 1, 1.0]}, [(("decay", 2), "1.0 stands twice in the grid")]),
        ({"sizes": [[1], 2]}, [(("sizes", 1), "must be a list, got 2")]),
        ({"gain": ["x", None]}, [(("gain", 0), "must be a number, got 'x'")]),
        ({"top": [1, 2]}, [(("top",), "unknown parameter 'top' of fake-rag")]),
        (
            {"top_k": list(range(1, 1000)), "gain": list(range(1000))},
            [((), f"the grid has 999000 points; at most {MAX_POINTS} are allowed")],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_grid_is_found_at_its_place(
    given: dict[str, Any], wrong: list[tuple[Any, str]]
) -> None:
    assert findings(given) == wrong


def test_a_missing_required_parameter_is_found_beside_a_grid() -> None:
    assert findings({"rate": [1, 2]}, "fake-bank") == [
        ((), "missing parameter 'memory' of fake-bank")
    ]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "top_k": st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True),
            "decay": st.lists(st.sampled_from([0.1, 0.25, 1]), min_size=1, unique=True)
            | st.just(0.5),
            "sizes": st.lists(
                st.lists(st.integers(1, 3), max_size=2), min_size=1, max_size=3, unique_by=tuple
            ),
            "soft": st.booleans(),
        },
    )
)
def test_a_grid_holds_every_combination_once_under_its_own_label(given: dict[str, Any]) -> None:
    found = points(given)
    sizes = [len(value) for value in given.values() if isinstance(value, list)]
    assert len(found) == math.prod(sizes)
    assert len({point.suffix for point in found}) == len(found)
    assert len({json.dumps(point.params) for point in found}) == len(found)
    for point in found:
        for name, value in given.items():
            assert point.params[name] in (value if isinstance(value, list) else [value])
