"""What a memory or task lets a suite set, read from its constructor's typed signature."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from bench.errors import MembError
from bench.registry import Entry

SlotKind: TypeAlias = Literal["memory", "backbone"]
"""What a parameter may take by its registry name."""
REQUIRED: Any = inspect.Parameter.empty
"""Default of a parameter that has none."""

_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)


@dataclass(frozen=True)
class Parameter:
    """One constructor parameter that a suite may set.

    Attributes:
        name: Its name.
        type: Its type in words, e.g. ``int >= 1 or null``.
        default: What the constructor assumes, or `REQUIRED`.
        choices: The allowed words, if it is a choice.
        bounds: Its bounds in words, e.g. ``> 0, <= 1``.
        doc: Its line in the docstring.
        nesting: How deeply its values are lists; a list one deeper is a grid.
        slot: What it takes by name, an associative memory or a backbone; None if neither.
        optional: Whether null is allowed.
        adapter: Validates a value; None for a slot.
    """

    name: str
    type: str
    default: Any = field(compare=False)
    choices: tuple[Any, ...]
    bounds: str
    doc: str
    nesting: int
    slot: SlotKind | None
    optional: bool
    adapter: TypeAdapter[Any] | None = field(compare=False, repr=False)

    @property
    def required(self) -> bool:
        """Whether the suite has to give it."""
        return self.default is REQUIRED


def of(entry: Entry) -> tuple[Parameter, ...]:
    """The entry's own parameters, in the order of its constructor.

    A memory's or backbone's are all but those that the task dictates; a task's are all. Where a
    constructor takes ``**options``, those of the class it inherits from follow.

    Raises:
        MembError: If a parameter has no annotation, or one that no suite could satisfy.
    """
    return _own(entry.cls, entry.kind, entry.name)


def dictated(entry: Entry) -> tuple[str, ...]:
    """Which of the arguments that a task dictates the entry's constructor takes."""
    from memories.base import dictated_names

    taken = {name for name, _, _ in _arguments(entry.cls)}
    return tuple(name for name in dictated_names(entry.cls) if name in taken)


@cache
def _own(cls: type, kind: str, name: str) -> tuple[Parameter, ...]:
    from memories.base import dictated_names

    skipped = () if kind == "task" else dictated_names(cls)
    docs = _documented(cls)
    found = []
    for argument, owner, constructor in _arguments(cls):
        if argument in skipped:
            continue
        try:
            found.append(_parameter(argument, constructor, docs.get(argument, "")))
        except (NameError, TypeError, PydanticUserError) as error:
            reason = str(error).split("\n", 1)[0]
            raise MembError(
                f"parameter '{argument}' of {kind} '{name}' cannot be set from a suite: {reason}",
                place=f"{inspect.getfile(owner)}:{inspect.getsourcelines(owner)[1]}",
                help="annotate it with plain types: int, float, bool, str, Literal, tuple, ...",
            ) from error
    return tuple(found)


def _arguments(cls: type) -> Iterator[tuple[str, type, Any]]:
    """Name, owning class and constructor of every named argument, each name once."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        constructor = vars(owner).get("__init__")
        if not isinstance(constructor, types.FunctionType):
            continue
        arguments = list(inspect.signature(constructor).parameters.values())[1:]
        for argument in arguments:
            named = argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
            if named and argument.name not in seen:
                seen.add(argument.name)
                yield argument.name, owner, constructor
        if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments):
            return


def _parameter(name: str, constructor: Any, doc: str) -> Parameter:
    argument = inspect.signature(constructor).parameters[name]
    if argument.annotation is argument.empty:
        raise TypeError("it has no annotation")
    annotation = _evaluated(argument.annotation, constructor)
    members = _members(annotation)
    plain = [member for member in members if member is not types.NoneType]
    slot = next((kind for member in plain if (kind := slot_kind(member))), None)
    if slot and len(plain) > 1:
        raise TypeError(f"a {slot} slot can only be optional, not one type among others")
    optional = len(plain) < len(members)
    inner, metadata = _unwrapped(plain[0]) if len(plain) == 1 else (None, [])
    return Parameter(
        name=name,
        type=slot + (" or null" if optional else "") if slot else words(annotation),
        default=argument.default,
        choices=get_args(inner) if get_origin(inner) is Literal else (),
        bounds=", ".join(_bounds(metadata)),
        doc=doc,
        nesting=0 if slot else _nesting(annotation),
        slot=slot,
        optional=optional,
        adapter=None if slot else TypeAdapter(annotation),
    )


def _evaluated(annotation: Any, constructor: Any) -> Any:
    """An annotation as written in the constructor's module, text or not, as a type."""
    from memories.base import AssociativeMemory

    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    # MemorySlot names the class as text, which the module of the constructor need not import
    names = {"AssociativeMemory": AssociativeMemory}
    hints = typing.get_type_hints(holder, constructor.__globals__, names, include_extras=True)
    return hints["it"]


def slot_kind(annotation: Any) -> SlotKind | None:
    """Which of `memories.base.MemorySlot` and `BackboneSlot` an annotation is, or None."""
    from memories.base import AssociativeMemory, BackboneSlot

    if annotation is BackboneSlot:
        return "backbone"
    if get_origin(annotation) is not collections.abc.Callable:
        return None
    is_memory = get_args(annotation)[-1] in (AssociativeMemory, "AssociativeMemory")
    return "memory" if is_memory else None


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without `Annotated`, and what it was annotated with."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    inner, *metadata = get_args(annotation)
    return inner, metadata


def _nesting(annotation: Any) -> int:
    annotation, _ = _unwrapped(annotation)
    members = _members(annotation)
    if len(members) > 1:
        return max(_nesting(member) for member in members)
    if (get_origin(annotation) or annotation) in _SEQUENCES:
        inner = [arg for arg in get_args(annotation) if arg is not Ellipsis]
        return 1 + max((_nesting(arg) for arg in inner), default=0)
    return 0


def words(annotation: Any) -> str:
    """A type in words, e.g. ``list of int >= 1`` or ``'a' | 'b'``."""
    annotation, metadata = _unwrapped(annotation)
    bounds = ", ".join(_bounds(metadata))
    return f"{_bare(annotation)} {bounds}".rstrip()


def _bare(annotation: Any) -> str:
    if annotation is types.NoneType:
        return "null"
    members = _members(annotation)
    if len(members) > 1:
        return " or ".join(words(member) for member in members)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(repr(choice) for choice in args)
    if (origin or annotation) in _SEQUENCES:
        inner = [words(arg) for arg in args if arg is not Ellipsis]
        if origin is tuple and Ellipsis not in args:
            return f"[{', '.join(inner)}]"
        return f"list of {inner[0]}" if inner else "list"
    if origin is dict:
        return f"mapping of {words(args[0])} to {words(args[1])}"
    return getattr(annotation, "__name__", str(annotation))


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "a multiple of"}


def _bounds(metadata: list[Any]) -> Iterator[str]:
    """Bounds of `annotated_types` or pydantic's `Field` in words."""
    for item in metadata:
        for constraint in [item, *getattr(item, "metadata", ())]:
            for attribute, sign in _SIGNS.items():
                bound = getattr(constraint, attribute, None)
                if bound is not None:
                    yield f"{sign} {bound}"


def _documented(cls: type) -> dict[str, str]:
    """Parameter names to their text in the ``Args:`` sections of a class and its bases."""
    docs: dict[str, str] = {}
    for owner in cls.__mro__:
        for text in (owner.__doc__, getattr(vars(owner).get("__init__"), "__doc__", None)):
            for name, doc in _args_section(inspect.cleandoc(text or "")):
                docs.setdefault(name, doc)
    return docs


def _args_section(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and texts in the ``Args:`` section of a Google-style docstring."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", docstring, re.MULTILINE)
    if section is None:
        return
    lines = inspect.cleandoc("\n" + section[1])
    for match in re.finditer(r"^(\w+)[^:\n]*:((?:.*)(?:\n[ \t]+.*)*)", lines, re.MULTILINE):
        yield match[1], " ".join(match[2].split())
