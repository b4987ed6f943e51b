"""Parameter values: validated against a signature, completed with defaults, made canonical.

Validation follows JSON's types, strictly: true is no whole number, 1.0 is no whole number either,
a whole number is a number, a list serves wherever Python wants a list or a tuple. Canonical
values are plain JSON data, so that equal settings are equal text and hash alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from bench import registry
from bench.errors import MembError, nearest
from bench.reading import findings, params
from bench.reading.findings import Finding, shown
from bench.reading.params import Parameter, SlotKind
from bench.reading.strict_yaml import KeyPath
from bench.registry import Entry

SLOT_KEYS = ("name", "params")


def check(parameter: Parameter, value: Any) -> tuple[Any, list[Finding]]:
    """The canonical form of a value and what is wrong with it, paths starting at the value."""
    if parameter.slot:
        return _check_slot(parameter.slot, parameter.optional, value)
    strange = next(_non_finite(value), None)
    if strange is not None:
        return None, [Finding(strange, "must be finite")]
    adapter = _adapter(parameter)
    try:
        typed = adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        found = findings.of(error)
        if " or " in parameter.type and not all(f.path == () for f in found):
            # a union reports every member's complaint; one sentence says as much
            found = [Finding((), f"must be {parameter.type}, got {shown(value)}")]
        return None, found
    return adapter.dump_python(typed, mode="json"), []


def resolve(entry: Entry, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """All own parameters of an entry in canonical form, defaults filled in, and what is wrong.

    Args:
        entry: Whose parameters.
        given: Values by name, none of them a grid.

    Raises:
        MembError: If a default of the constructor breaks its own annotation.
    """
    own = {parameter.name: parameter for parameter in params.of(entry)}
    resolved, found = defaults(entry, without=given)
    for name, value in given.items():
        if name in own:
            resolved[name], wrong = check(own[name], value)
            found += [finding.under((name,)) for finding in wrong]
        else:
            found.append(unknown(entry, name))
    return {name: resolved[name] for name in own if name in resolved}, found


def defaults(entry: Entry, *, without: Container[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Canonical defaults of the own parameters that are not given, and which lack one.

    Raises:
        MembError: If a default of the constructor breaks its own annotation.
    """
    own = [parameter for parameter in params.of(entry) if parameter.name not in without]
    missing = [
        Finding((), f"missing parameter '{parameter.name}' of {entry.name}", whole=True)
        for parameter in own
        if parameter.required
    ]
    return {p.name: default(entry, p) for p in own if not p.required}, missing


def default(entry: Entry, parameter: Parameter) -> Any:
    """The canonical form of what a constructor assumes for a parameter.

    Raises:
        MembError: If the default breaks the parameter's own annotation.
    """
    try:
        canonical, wrong = check(parameter, to_jsonable_python(parameter.default))
    except ValueError as error:  # what pydantic raises for a value outside JSON
        canonical, wrong = None, [Finding((), str(error))]
    if wrong:
        raise MembError(
            f"default of parameter '{parameter.name}' of {entry.kind} '{entry.name}': "
            f"{wrong[0].message}",
            place=str(entry.file),
            help="correct the constructor's default or its annotation",
        )
    return canonical


def unknown(entry: Entry, name: str) -> Finding:
    """The finding for a name that is no parameter of an entry."""
    own = [parameter.name for parameter in params.of(entry)]
    if name in params.dictated(entry):
        message = f"'{name}' is given by the task, not by the suite"
        return Finding((name,), message, on_key=True, whole=True)
    listed = f"{entry.name} takes {', '.join(own) or 'none'}"
    help = f"{nearest(name, own)} {listed}".strip()
    message = f"unknown parameter '{name}' of {entry.name}"
    return Finding((name,), message, help, on_key=True, whole=True)


def arguments(entry: Entry, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments from canonical values: tuples where it wants tuples, and so on.

    A memory slot becomes a factory: called with what the slot dictates, it passes on what the
    memory in it takes. A backbone slot stays plain data.
    """
    from memories.base import BackboneSlot

    own = {parameter.name: parameter for parameter in params.of(entry)}
    typed: dict[str, Any] = {}
    for name, value in resolved.items():
        if own[name].slot and value is None:
            typed[name] = None
        elif own[name].slot == "memory":
            typed[name] = _factory(value)
        elif own[name].slot == "backbone":
            typed[name] = BackboneSlot(value["name"], value["params"])
        else:
            adapter = _adapter(own[name])
            typed[name] = adapter.validate_json(json.dumps(value), strict=True)
    return typed


def source_files(entry: Entry, resolved: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files that define an entry and what is in its slots, sorted."""
    files = {entry.file}
    for parameter in params.of(entry):
        value = resolved.get(parameter.name)
        if parameter.slot and value is not None:
            files.update(source_files(registry.get(parameter.slot, value["name"]), value["params"]))
    return tuple(sorted(files))


def _factory(value: Mapping[str, Any]) -> Callable[..., Any]:
    entry = registry.get("memory", value["name"])
    own = arguments(entry, value["params"])
    taken = params.dictated(entry)

    def build(**dictated: Any) -> Any:
        return entry.cls(**{k: v for k, v in dictated.items() if k in taken}, **own)

    return build


def _adapter(parameter: Parameter) -> Any:
    if parameter.adapter is None:
        raise TypeError(f"slot '{parameter.name}' is not validated by type")
    return parameter.adapter


def _check_slot(kind: SlotKind, optional: bool, value: Any) -> tuple[Any, list[Finding]]:
    if value is None and optional:
        return None, []
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        usage = f"must be a {kind}'s name or {{name: ..., params: {{...}}}}"
        return None, [Finding((), f"{usage}, got {shown(value)}")]
    at: KeyPath = () if isinstance(value, str) else ("name",)
    wrong = [
        Finding((key,), f"unknown key '{key}'", nearest(key, SLOT_KEYS), on_key=True, whole=True)
        for key in given
        if key not in SLOT_KEYS
    ]
    try:
        entry = registry.get(kind, given["name"])
    except MembError as error:
        problem = error.problems[0]
        return None, [*wrong, Finding(at, problem.message, problem.help, whole=True)]
    if message := _unfit(entry):
        return None, [*wrong, Finding(at, message, whole=True)]
    if not isinstance(given.get("params", {}), dict):
        wrong.append(Finding(("params",), f"must be a mapping, got {shown(given['params'])}"))
        return None, wrong
    resolved, nested = resolve(entry, given.get("params", {}))
    wrong += [finding.under(("params",)) for finding in nested]
    return {"name": entry.name, "params": resolved}, wrong


def _unfit(entry: Entry) -> str:
    """Why a memory cannot sit in a slot; empty if it can, and for a backbone."""
    from memories.base import protocol_of

    if entry.kind == "backbone" or (protocol := protocol_of(entry.cls)) == "associative":
        return ""
    return f"'{entry.name}' follows the protocol '{protocol}': the slot takes 'associative'"


def _non_finite(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Paths of infinities and NaN, which JSON cannot hold and no parameter needs."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _non_finite(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _non_finite(item, (*path, index))
