"""What validation found wrong, in the words and notation of the suite's author."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from bench.errors import nearest
from bench.reading.strict_yaml import KeyPath

MAX_SHOWN = 60

_PLAIN = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "none_required": "must be null",
    "finite_number": "must be finite",
}
_FORMATTED = {
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
_COUNTED = {
    "too_short": "must have at least {min_length} items, got {actual_length}",
    "too_long": "must have at most {max_length} items, got {actual_length}",
    "string_too_short": "must not be empty",
}
_OWN = "memb"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, not yet placed in a file.

    Attributes:
        path: Keys and indices from where validation began to what is wrong.
        message: What is wrong.
        help: What to do about it, or empty.
        on_key: Whether the key is wrong rather than its value.
        whole: Whether the message names what it is about; if not, it goes on from the path.
    """

    path: KeyPath
    message: str
    help: str = ""
    on_key: bool = False
    whole: bool = False

    def under(self, prefix: KeyPath) -> Finding:
        """The same finding seen from further out."""
        return replace(self, path=(*prefix, *self.path))


def shown(value: Any) -> str:
    """A value as it would stand in a suite, shortened to one readable line."""
    text = _notation(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _notation(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_notation(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_notation(item)}' for key, item in value.items())}}}"
    return str(value)


def dotted(path: Sequence[str | int]) -> str:
    """A path in the notation of a programming language, e.g. ``memories[2].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def own_error(message: str) -> PydanticCustomError:
    """An error to raise in a pydantic validator whose message is complete as it is."""
    return PydanticCustomError(_OWN, "{said}", {"said": message})


def of(error: ValidationError) -> list[Finding]:
    """What a pydantic validation found, one finding per error."""
    return [_finding(details) for details in error.errors(include_url=False)]


def _finding(details: ErrorDetails) -> Finding:
    kind, path, context = details["type"], details["loc"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return Finding(path, f"unknown key '{path[-1]}'", on_key=True, whole=True)
    if kind == "missing":
        return Finding(path[:-1], f"missing {_part(path[-1])}", whole=True)
    if kind == _OWN:
        return Finding(path, context["said"])
    if kind in _COUNTED:
        counted = _COUNTED[kind].format(**context).replace(" 1 items", " 1 item")
        return Finding(path, counted)
    got = f", got {shown(details['input'])}"
    if kind in _FORMATTED:
        return Finding(path, _FORMATTED[kind].format(**_trimmed(context)) + got, _choice(details))
    if kind in _PLAIN:
        return Finding(path, _PLAIN[kind] + got)
    said = re.sub(r"^(Input|Value|String) should ", "must ", details["msg"])
    return Finding(path, said.removeprefix("Value error, ") + got)


def _part(part: str | int) -> str:
    return f"item {part + 1}" if isinstance(part, int) else f"key '{part}'"


def _trimmed(context: dict[str, Any]) -> dict[str, Any]:
    """Bounds without the `.0` that pydantic gives whole ones."""
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in context.items()
    }


def _choice(details: ErrorDetails) -> str:
    """The nearest of the allowed words, if there are any."""
    expected = str(details.get("ctx", {}).get("expected", ""))
    return nearest(str(details["input"]), re.findall(r"'([^']*)'", expected))
