"""Reading a dataset's options from names and values into its typed option class."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tasks.data.errors import DataProblem, did_you_mean

T = TypeVar("T")


def parse_options(cls: type[T], given: Mapping[str, Any], dataset: str) -> T:
    """The options as an instance of the dataclass `cls`.

    Args:
        cls: Frozen dataclass; its fields are the options the dataset takes.
        given: Option names to values.
        dataset: Name of the dataset, for errors.

    Raises:
        DataProblem: If an option is unknown or its value has the wrong type or choice.
    """
    hints = get_type_hints(cls)
    for name, value in given.items():
        if name not in hints:
            takes = f"it takes {', '.join(hints)}" if hints else "it takes none"
            hint = did_you_mean(name, hints, like="_")
            raise DataProblem(
                f"dataset '{dataset}' takes no option '{name}'", dataset, f"{hint} {takes}".strip()
            )
        if not _accepts(hints[name], value):
            raise DataProblem(
                f"option '{name}' must be {_wording(hints[name])}, got {value!r}", dataset
            )
    return cls(**given)


def _accepts(hint: Any, value: object) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if origin in (types.UnionType, Union):
        return any(_accepts(part, value) for part in get_args(hint))
    return type(value) is hint  # exact: True is no row count


def _wording(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(hint))
    if origin in (types.UnionType, Union):
        return " or ".join(_wording(part) for part in get_args(hint))
    words = {bool: "true or false", int: "an integer", type(None): "null"}
    return words.get(hint, str(getattr(hint, "__name__", hint)))
