from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, MultipleOf
from pydantic import Field

from bench import registry
from bench.errors import MembError
from bench.reading import params, values
from bench.registry import Entry
from memories.base import AssociativeMemory, MemorySlot, OnlineForecaster

if TYPE_CHECKING:
    import decimal

pytestmark = pytest.mark.usefixtures("fake_entries")


def entry_of(cls: type, kind: registry.Kind = "memory") -> Entry:
    return Entry(kind, "local", cls)


def of(cls: type) -> dict[str, params.Parameter]:
    return {parameter.name: parameter for parameter in params.of(entry_of(cls))}


def test_a_memory_owns_all_that_the_task_does_not_dictate() -> None:
    own = params.of(registry.get("memory", "fake-rag"))
    assert [p.name for p in own] == ["top_k", "decay", "mode", "sizes", "gain", "soft"]
    assert params.dictated(registry.get("memory", "fake-rag")) == (
        "key_dim",
        "value_dim",
        "max_events",
        "generator",
    )


def test_a_task_owns_every_parameter_even_a_name_it_dictates_to_others() -> None:
    own = params.of(registry.get("task", "fake-probe"))
    assert [p.name for p in own] == ["dim", "loads", "horizon", "dataset", "noisy"]


def test_a_parameter_tells_type_default_choices_bounds_and_doc() -> None:
    own = {p.name: p for p in params.of(registry.get("memory", "fake-rag"))}
    assert own["top_k"].type == "int >= 1"
    assert own["top_k"].bounds == ">= 1"
    assert own["top_k"].default == 8
    assert own["top_k"].doc == "How many neighbours it reads: at least one."
    assert own["mode"].choices == ("nearest", "softmax")
    assert own["mode"].type == "'nearest' | 'softmax'"
    assert own["decay"].type == "float > 0, <= 1"
    assert own["sizes"].type == "list of int >= 1"
    assert own["gain"].type == "float or null"
    assert own["gain"].doc == "Factor on what is read; learned if null."
    assert not own["gain"].required


def test_a_slot_takes_a_memory_and_has_no_default_of_its_own() -> None:
    own = {p.name: p for p in params.of(registry.get("memory", "fake-bank"))}
    assert (own["memory"].type, own["memory"].slot, own["memory"].required) == (
        "memory",
        "memory",
        True,
    )
    assert (own["second"].type, own["second"].optional) == ("memory or null", True)


@pytest.mark.parametrize(
    ("annotation", "words", "nesting"),
    [
        (int, "int", 0),
        (int | str, "int or str", 0),
        (Literal["a", 2], "'a' | 2", 0),
        (list[float], "list of float", 1),
        (tuple[int, str], "[int, str]", 1),
        (Sequence[tuple[int, ...]], "list of list of int", 2),
        (int | tuple[int, ...], "int or list of int", 1),
        (dict[str, bool], "mapping of str to bool", 0),
        (Annotated[int, Interval(ge=1, lt=9)], "int >= 1, < 9", 0),
        (Annotated[int, MultipleOf(2)], "int a multiple of 2", 0),
        (Annotated[int, Field(gt=3)], "int > 3", 0),
        (Annotated[float, Gt(0)] | None, "float > 0 or null", 0),
        (list, "list", 1),
    ],
)
def test_types_are_told_in_words(annotation: Any, words: str, nesting: int) -> None:
    class Local:
        def __init__(self, it: Any) -> None: ...

    Local.__init__.__annotations__["it"] = annotation
    found = of(Local)["it"]
    assert (found.type, found.nesting) == (words, nesting)


def test_options_passed_on_bring_the_parameters_of_the_base_class() -> None:
    class Base:
        """Base.

        Args:
            beta: Sharpness.
            gamma: Hidden by the subclass.
        """

        def __init__(self, *, beta: float = 2.0, gamma: int = 1) -> None: ...

    class Variant(Base):
        """Variant.

        Args:
            gamma: Its own.
        """

        def __init__(self, *args: Any, gamma: str = "x", **options: Any) -> None: ...

    assert list(of(Variant)) == ["gamma", "beta"]
    assert of(Variant)["gamma"].type == "str"
    assert of(Variant)["gamma"].doc == "Its own."
    assert of(Variant)["beta"].doc == "Sharpness."


def test_a_class_without_a_constructor_has_no_parameters() -> None:
    class Plain:
        pass

    assert of(Plain) == {}


def test_a_dataclass_is_read_like_any_other_constructor() -> None:
    @dataclass
    class Local:
        rate: Annotated[float, Le(1)] = 0.5

    assert of(Local)["rate"].type == "float <= 1"


def test_what_the_task_dictates_may_have_any_annotation() -> None:
    class Local:
        def __init__(self, backbone: decimal.NotThere, *, rate: float = 1.0) -> None: ...

    assert list(of(Local)) == ["rate"]


def test_a_memory_sets_what_is_dictated_to_another_protocol_itself() -> None:
    """A forecaster is told how many steps a stream has; an associative memory may take steps."""

    class Settling(AssociativeMemory):
        def __init__(self, key_dim: int, *, steps: int = 3) -> None: ...

    class Streaming(OnlineForecaster):
        def __init__(self, channels: int, steps: int, *, key_dim: int = 3) -> None: ...

    assert list(of(Settling)) == ["steps"]
    assert list(of(Streaming)) == ["key_dim"]


class Unannotated:
    def __init__(self, *, rate=1.0) -> None: ...


class OnlyForTypeCheckers:
    def __init__(self, *, rate: decimal.Decimal) -> None: ...


class NoData:
    def __init__(self, *, thing: MembError) -> None: ...


class SlotOrNumber:
    def __init__(self, *, thing: MemorySlot | int) -> None: ...


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (Unannotated, "parameter 'rate' .* cannot be set from a suite: it has no annotation"),
        (OnlyForTypeCheckers, "parameter 'rate' .*: name 'decimal' is not defined"),
        (NoData, "parameter 'thing' .*: Unable to generate pydantic-core schema"),
        (SlotOrNumber, "parameter 'thing' .*: a memory slot can only be optional"),
    ],
)
def test_a_parameter_that_no_suite_could_set_is_named_with_its_class(
    cls: type, reason: str
) -> None:
    with pytest.raises(MembError, match=reason) as caught:
        params.of(entry_of(cls))
    assert caught.value.problems[0].place.startswith(__file__)


def test_a_default_that_breaks_its_own_annotation_is_the_authors_mistake() -> None:
    class Local:
        def __init__(self, *, count: Annotated[int, Ge(1)] = 0) -> None: ...

    entry = entry_of(Local)
    with pytest.raises(MembError) as caught:
        values.resolve(entry, {})
    assert caught.value.render() == (
        "default of parameter 'count' of memory 'local': must be >= 1, got 0\n"
        f"  --> {__file__}\n"
        "  help: correct the constructor's default or its annotation"
    )


def test_a_default_that_no_suite_could_write_is_the_authors_mistake() -> None:
    class Local:
        def __init__(self, *, thing: Any = object()) -> None: ...  # noqa: B008

    with pytest.raises(MembError, match="default of parameter 'thing' of memory 'local'"):
        values.resolve(entry_of(Local), {})


def test_every_registered_class_documents_its_parameters_and_has_valid_defaults() -> None:
    undocumented = []
    for kind in registry.KINDS:
        for entry in registry.entries(kind):
            own = params.of(entry)
            resolved, _ = values.defaults(entry, without=())  # raises for an invalid default
            assert list(resolved) == [p.name for p in own if not p.required]
            undocumented += [f"{entry.name}.{p.name}" for p in own if not p.doc]
    assert undocumented == []
