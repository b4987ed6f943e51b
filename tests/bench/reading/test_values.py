from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from annotated_types import Gt, MinLen, MultipleOf, Predicate
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.reading import params, values
from bench.reading.findings import Finding
from tests.bench import fakes

pytestmark = pytest.mark.usefixtures("fake_entries")


def is_even(number: int) -> bool:
    return number % 2 == 0


def parameter(annotation: Any) -> params.Parameter:
    class Local:
        def __init__(self, it: Any) -> None: ...

    Local.__init__.__annotations__["it"] = annotation
    return params.of(registry.Entry("memory", "local", Local))[0]


@pytest.mark.parametrize(
    ("annotation", "given", "canonical"),
    [
        (float, 1, 1.0),
        (int | None, None, None),
        (tuple[int, ...], [1, 2], [1, 2]),
        (tuple[float, str], [1, "a"], [1.0, "a"]),
        (Literal["a", "b"], "b", "b"),
        (int | Literal["auto"], "auto", "auto"),
        (dict[str, int | bool | str], {"a": True, "b": "x"}, {"a": True, "b": "x"}),
        (Path, "a/b", "a/b"),
        (bool, False, False),
        (int, 10**20, 10**20),
    ],
)
def test_a_valid_value_becomes_canonical(annotation: Any, given: Any, canonical: Any) -> None:
    found, wrong = values.check(parameter(annotation), given)
    assert wrong == []
    assert found == canonical
    assert type(found) is type(canonical)


@pytest.mark.parametrize(
    ("annotation", "given", "path", "message"),
    [
        (int, True, (), "must be a whole number, got true"),
        (int, 1.0, (), "must be a whole number, got 1.0"),
        (int, "1", (), "must be a whole number, got '1'"),
        (int, None, (), "must be a whole number, got null"),
        (float, True, (), "must be a number, got true"),
        (float, float("inf"), (), "must be finite"),
        (list[float], [1, float("nan")], (1,), "must be finite"),
        (bool, 1, (), "must be true or false, got 1"),
        (bool, "no", (), "must be true or false, got 'no'"),
        (str, 3, (), "must be text, got 3"),
        (tuple[int, ...], 3, (), "must be a list, got 3"),
        (tuple[int, ...], [1, "x"], (1,), "must be a whole number, got 'x'"),
        (tuple[int, int], [1], (), "missing item 2"),
        (Annotated[list[int], MinLen(2)], [1], (), "must have at least 2 items, got 1"),
        (dict[str, int], [1], (), "must be a mapping, got [1]"),
        (Literal["mean", "sum"], "maen", (), "must be 'mean' or 'sum', got 'maen'"),
        (Annotated[float, Gt(0.5)], 0.5, (), "must be > 0.5, got 0.5"),
        (Annotated[float, Gt(0)] | None, -1, (), "must be > 0, got -1"),
        (Annotated[int, MultipleOf(2)], 3, (), "must be a multiple of 2, got 3"),
        (Annotated[int, Predicate(is_even)], 3, (), "Predicate 'is_even' failed, got 3"),
        (int | Literal["auto"], "aut", (), "must be int or 'auto', got 'aut'"),
        (int, {"a": [None]}, (), "must be a whole number, got {a: [null]}"),
        (int, "x" * 99, (), f"must be a whole number, got '{'x' * 56}..."),
    ],
)
def test_an_invalid_value_is_told_in_the_suites_own_words(
    annotation: Any, given: Any, path: tuple[int, ...], message: str
) -> None:
    _, wrong = values.check(parameter(annotation), given)
    assert [(finding.path, finding.message) for finding in wrong] == [(path, message)]


def test_a_mistyped_choice_is_answered_with_the_nearest() -> None:
    _, wrong = values.check(parameter(Literal["mean", "sum"]), "maen")
    assert wrong[0].help == "did you mean 'mean'?"


def test_every_item_that_is_wrong_is_found() -> None:
    _, wrong = values.check(parameter(tuple[Annotated[int, Gt(0)], ...]), [0, 1, -1])
    assert [finding.path for finding in wrong] == [(0,), (2,)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
KINDS = st.sampled_from([int, float, bool, str, int | None, list[int], dict[str, float]])


@given(KINDS, JSON)
def test_any_data_are_either_canonical_or_wrong_and_canonical_data_stay_as_they_are(
    annotation: Any, data: Any
) -> None:
    canonical, wrong = values.check(parameter(annotation), data)
    if not wrong:
        json.dumps(canonical, allow_nan=False)
        assert values.check(parameter(annotation), canonical) == (canonical, [])


def test_defaults_are_filled_in_and_written_like_given_values() -> None:
    entry = registry.get("memory", "fake-rag")
    resolved, wrong = values.resolve(entry, {"top_k": 3})
    assert wrong == []
    assert resolved == {
        "top_k": 3,
        "decay": 1.0,
        "mode": "nearest",
        "sizes": [2, 4],
        "gain": None,
        "soft": False,
    }
    assert type(resolved["decay"]) is float
    assert values.resolve(entry, dict(reversed(resolved.items()))) == (resolved, [])
    assert list(values.resolve(entry, {"soft": False, "top_k": 3})[0]) == list(resolved)


@pytest.mark.parametrize(
    ("name", "message", "help"),
    [
        (
            "top-k",
            "unknown parameter 'top-k' of fake-rag",
            "did you mean 'top_k'? fake-rag takes top_k, decay, mode, sizes, gain, soft",
        ),
        ("key_dim", "'key_dim' is given by the task, not by the suite", ""),
    ],
)
def test_a_parameter_that_is_not_its_own_is_refused(name: str, message: str, help: str) -> None:
    _, wrong = values.resolve(registry.get("memory", "fake-rag"), {name: 1})
    assert wrong == [Finding((name,), message, help, on_key=True, whole=True)]


def test_a_slot_takes_a_name_or_a_name_with_parameters() -> None:
    entry = registry.get("memory", "fake-bank")
    by_name, wrong = values.resolve(entry, {"memory": "fake-rag"})
    assert wrong == []
    by_mapping, wrong = values.resolve(entry, {"memory": {"name": "fake-rag", "params": {}}})
    assert wrong == []
    assert by_name == by_mapping
    assert by_name["memory"]["name"] == "fake-rag"
    assert by_name["memory"]["params"]["sizes"] == [2, 4]
    assert by_name["second"] is None


@pytest.mark.parametrize(
    ("given", "path", "message", "help"),
    [
        (3, (), "must be a memory's name or {name: ..., params: {...}}, got 3", ""),
        (None, (), "must be a memory's name or {name: ..., params: {...}}, got null", ""),
        (
            {"nam": "x"},
            (),
            "must be a memory's name or {name: ..., params: {...}}, got {nam: 'x'}",
            "",
        ),
        (
            "fake-rug",
            (),
            "unknown memory 'fake-rug'",
            "did you mean 'fake-rag'? 'memb list memories' shows all",
        ),
        (
            {"name": "fake-bank"},
            ("name",),
            "'fake-bank' follows the protocol 'forecaster': the slot takes 'associative'",
            "",
        ),
        ({"name": "fake-rag", "params": 3}, ("params",), "must be a mapping, got 3", ""),
        (
            {"name": "fake-rag", "params": {"top_k": 0}},
            ("params", "top_k"),
            "must be >= 1, got 0",
            "",
        ),
        (
            {"name": "fake-rag", "param": {}},
            ("param",),
            "unknown key 'param'",
            "did you mean 'params'?",
        ),
    ],
)
def test_a_slot_is_validated_to_the_bottom(
    given: Any, path: tuple[str, ...], message: str, help: str
) -> None:
    _, wrong = values.resolve(registry.get("memory", "fake-bank"), {"memory": given})
    assert [(f.path, f.message, f.help) for f in wrong] == [(("memory", *path), message, help)]


def test_a_required_parameter_that_is_missing_is_named() -> None:
    _, wrong = values.resolve(registry.get("memory", "fake-bank"), {})
    assert [f.message for f in wrong] == ["missing parameter 'memory' of fake-bank"]


def test_constructor_arguments_have_the_types_it_declares() -> None:
    entry = registry.get("memory", "fake-rag")
    resolved, _ = values.resolve(entry, {"sizes": [3], "decay": 0.5})
    arguments = values.arguments(entry, resolved)
    assert arguments["sizes"] == (3,)
    memory = fakes.Rag(2, 3, **arguments, generator=torch.Generator())
    assert (memory.sizes, memory.decay) == ((3,), 0.5)


def test_a_slots_factory_passes_on_what_the_memory_in_it_takes() -> None:
    entry = registry.get("memory", "fake-bank")
    slot = {"name": "fake-rag", "params": {"top_k": 5}}
    resolved, _ = values.resolve(entry, {"memory": slot})
    arguments: Mapping[str, Any] = values.arguments(entry, resolved)
    assert arguments["second"] is None
    generator = torch.Generator()
    inner = arguments["memory"](
        key_dim=2, value_dim=3, max_events=9, context_dim=0, generator=generator
    )
    assert isinstance(inner, fakes.Rag)
    assert (inner.top_k, inner.max_events, inner.generator) == (5, 9, generator)


def test_the_code_of_a_memory_includes_what_sits_in_its_slots() -> None:
    entry = registry.get("memory", "fake-bank")
    resolved, _ = values.resolve(entry, {"memory": "linear-assoc", "second": "fake-rag"})
    linear = registry.get("memory", "linear-assoc")
    assert values.source_files(entry, resolved) == tuple(sorted({entry.file, linear.file}))
    assert values.source_files(linear, {}) == (linear.file,)
