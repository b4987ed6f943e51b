"""What there is, for a person to read: listings, and all about one name."""

from __future__ import annotations

import inspect
from typing import Any

from bench import registry, suite
from bench.errors import MembError, nearest
from bench.reading import params
from bench.registry import Entry

WHAT = ("memories", "tasks", "backbones", "suites")
FLAGS = ("uses_context", "uses_time", "recalls_order", "chunked_scan", "binary_keys", "slow")
"""Capabilities that are listed where a memory has them."""
UNUSUAL = {"hetero": "auto-associative", "composes": "does not compose", "vectorized": "looped"}
"""Capabilities that are listed where a memory lacks them."""


def catalogue(what: str) -> list[dict[str, Any]]:
    """One row per memory, task, backbone or suite.

    Raises:
        MembError: If `what` is none of these.
    """
    if what not in WHAT:
        raise MembError(
            f"nothing to list called '{what}'", help=nearest(what, WHAT) or ", ".join(WHAT)
        )
    if what == "suites":
        return [_suite(name) for name in suite.shipped()]
    kind = next(kind for kind, plural in registry.PLURALS.items() if plural == what)
    return [_row(entry) for entry in registry.entries(kind)]


def _suite(name: str) -> dict[str, Any]:
    data = suite.read(name).data
    return {"name": name, "description": data.get("description", "")}


def _row(entry: Entry) -> dict[str, Any]:
    row = {"name": entry.name, "family": entry.family}
    if entry.kind == "memory":
        row["protocol"] = _protocol(entry)
    return row | {"description": entry.description, "source": entry.source}


def _protocol(entry: Entry) -> str:
    from memories.base import protocol_of

    return protocol_of(entry.cls) if entry.kind == "memory" else ""


def about(name: str) -> dict[str, Any]:
    """Everything about the memory, task or backbone of that name.

    Raises:
        MembError: If there is none; names the nearest of any kind.
    """
    kinds = [kind for kind in registry.KINDS if name in registry.names(kind)]
    if not kinds:
        known = [known for kind in registry.KINDS for known in registry.names(kind)]
        help = f"{nearest(name, known)} 'memb list memories|tasks|backbones' shows all".strip()
        raise MembError(f"nothing is called '{name}'", help=help)
    entry = registry.get(kinds[0], name)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "family": entry.family,
        "protocol": _protocol(entry),
        "source": entry.source,
        "flags": ", ".join(_flags(entry)),
        "file": str(entry.file),
        "text": _text(entry),
        "params": [_parameter(parameter) for parameter in params.of(entry)],
    }


def _flags(entry: Entry) -> list[str]:
    if entry.kind != "memory":
        return []
    has = [flag for flag in FLAGS if getattr(entry.cls, flag, False)]
    has += [f"gate {name}" for name in sorted(getattr(entry.cls, "takes_gates", ()))]
    return has + [words for flag, words in UNUSUAL.items() if not getattr(entry.cls, flag, True)]


def _text(entry: Entry) -> str:
    """The class's docstring up to its section on arguments, which has a table of its own."""
    text = inspect.getdoc(entry.cls) or ""
    return text.split("\nArgs:\n", 1)[0].strip()


def _parameter(parameter: params.Parameter) -> dict[str, Any]:
    default = "required" if parameter.required else parameter.default
    return {
        "name": parameter.name,
        "type": parameter.type,
        "default": "null" if default is None else str(default),
        "doc": parameter.doc,
    }
