"""A backbone as a task's parameter: a name, or a name with parameters, checked to the bottom."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from bench import registry
from bench.reading import grids, params, values
from bench.reading.findings import Finding
from memories.base import BackboneSlot

TASK = registry.get("task", "online-tsf")
FIXED = {"dataset": "synth-drift"}


def resolved(backbone: Any) -> tuple[Any, list[Finding]]:
    found, wrong = values.resolve(TASK, {**FIXED, "backbone": backbone})
    return found.get("backbone"), wrong


def test_a_backbone_slot_says_what_it_takes() -> None:
    own = {p.name: p for p in params.of(TASK)}["backbone"]
    assert (own.slot, own.type, own.required, own.nesting) == ("backbone", "backbone", False, 0)
    assert str(own.default) == "dlinear"


def test_a_name_and_a_mapping_mean_the_same_and_are_complete() -> None:
    by_name, wrong = resolved("dlinear")
    assert wrong == []
    assert by_name["name"] == "dlinear"
    assert by_name["params"].items() >= {"kernel": 25, "individual": False}.items()
    assert resolved({"name": "dlinear"}) == (by_name, [])
    assert resolved({"name": "dlinear", "params": {"kernel": 25}}) == (by_name, [])
    assert resolved(by_name) == (by_name, []), "canonical values stay as they are"


def test_the_default_is_the_canonical_dlinear() -> None:
    assert values.resolve(TASK, FIXED)[0]["backbone"] == resolved("dlinear")[0]


def test_the_constructor_receives_the_choice_as_plain_data() -> None:
    settings, _ = values.resolve(TASK, {**FIXED, "backbone": "patchtst"})
    given = values.arguments(TASK, settings)["backbone"]
    assert isinstance(given, BackboneSlot)
    assert (given.name, str(given)) == ("patchtst", "patchtst")
    assert given.params["preset"] == "ett-hour"
    assert to_jsonable_python(given) == settings["backbone"]


@pytest.mark.parametrize(
    ("given", "path", "message", "help"),
    [
        (3, (), "must be a backbone's name or {name: ..., params: {...}}, got 3", ""),
        (None, (), "must be a backbone's name or {name: ..., params: {...}}, got null", ""),
        (
            "patchtts",
            (),
            "unknown backbone 'patchtts'",
            "did you mean 'patchtst'? 'memb list backbones' shows all",
        ),
        (
            "ogd",
            (),
            "unknown backbone 'ogd'",
            "'memb list backbones' shows all",
        ),
        (
            {"name": "dlinear", "parms": {}},
            ("parms",),
            "unknown key 'parms'",
            "did you mean 'params'?",
        ),
        ({"name": "dlinear", "params": 3}, ("params",), "must be a mapping, got 3", ""),
        (
            {"name": "patchtst", "params": {"preset": "tls"}},
            ("params", "preset"),
            "must be 'ett-hour', 'large', 'mid' or 'tsl', got 'tls'",
            "did you mean 'tsl'?",
        ),
        (
            {"name": "dlinear", "params": {"horizon": 3}},
            ("params", "horizon"),
            "'horizon' is given by the task, not by the suite",
            "",
        ),
    ],
)
def test_a_backbone_is_validated_to_the_bottom(
    given: Any, path: tuple[str, ...], message: str, help: str
) -> None:
    _, wrong = resolved(given)
    assert [(f.path, f.message, f.help) for f in wrong] == [(("backbone", *path), message, help)]


def test_a_list_of_backbones_is_a_grid_with_readable_labels() -> None:
    choice = {"name": "patchtst", "params": {"preset": "tsl"}}
    points, wrong = grids.expand(TASK, {**FIXED, "backbone": ["dlinear", "patchtst", choice]})
    assert wrong == []
    assert [point.suffix for point in points] == [
        "[backbone=dlinear]",
        "[backbone=patchtst]",
        "[backbone=patchtst(preset=tsl)]",
    ]
    assert [point.params["backbone"]["name"] for point in points] == [
        "dlinear",
        "patchtst",
        "patchtst",
    ]


def test_the_same_backbone_written_twice_is_found_in_a_grid() -> None:
    _, wrong = grids.expand(TASK, {**FIXED, "backbone": ["dlinear", {"name": "dlinear"}]})
    assert [finding.path for finding in wrong] == [("backbone", 1)]
    assert "stands twice in the grid" in wrong[0].message


def test_the_code_of_a_task_includes_its_backbones() -> None:
    settings, _ = values.resolve(TASK, {**FIXED, "backbone": "patchtst"})
    file = registry.get("backbone", "patchtst").file
    assert set(values.source_files(TASK, settings)) == {TASK.file, file}
