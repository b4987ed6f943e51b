"""Grids: a list where one value is expected is one row per value."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.reading import params, values
from bench.reading.findings import Finding, shown
from bench.reading.params import Parameter
from bench.reading.strict_yaml import KeyPath
from bench.registry import Entry

MAX_POINTS = 10_000
"""Rows one entry may expand to; a slip of the pen asks for millions."""


@dataclass(frozen=True)
class Point:
    """One setting of a memory's or task's parameters.

    Attributes:
        params: All own parameters, canonical.
        suffix: What distinguishes it in its grid, e.g. ``[top-k=5]``; empty without a grid.
        where: Path of each given parameter's value from the entry's ``params``.
    """

    params: dict[str, Any]
    suffix: str
    where: dict[str, KeyPath]


def is_grid(value: Any, nesting: int) -> bool:
    """Whether a value is a list of values of a parameter whose own values are lists that deep.

    For a sequence parameter a list is the value and a list of lists the grid.
    """
    if not isinstance(value, list):
        return False
    return nesting == 0 or any(is_grid(item, nesting - 1) for item in value)


def expand(entry: Entry, given: Mapping[str, Any]) -> tuple[list[Point], list[Finding]]:
    """The settings that an entry's ``params`` ask for and what is wrong with them.

    The product of the grids in the order they are written, the last one varying fastest.

    Args:
        entry: Whose parameters.
        given: The ``params`` of the suite.

    Returns:
        Points, empty if anything is wrong, and findings whose paths start inside ``params``.
    """
    own = {parameter.name: parameter for parameter in params.of(entry)}
    base, found = values.defaults(entry, without=given)
    choices: dict[str, list[Any]] = {}
    gridded: set[str] = set()
    for name, value in given.items():
        if name not in own:
            found.append(values.unknown(entry, name))
            continue
        if is_grid(value, own[name].nesting):
            gridded.add(name)
            choices[name], wrong = options(own[name], value)
        else:
            canonical, wrong = values.check(own[name], value)
            choices[name] = [canonical]
        found += [finding.under((name,)) for finding in wrong]
    size = math.prod(len(choice) for choice in choices.values())
    if size > MAX_POINTS:
        found.append(Finding((), f"the grid has {size} points; at most {MAX_POINTS} are allowed"))
    if found:
        return [], found
    grids = {name: given[name] for name in choices if name in gridded}
    points = [_point(own, base, picks, grids) for picks in _product(choices)]
    return points, []


def options(parameter: Parameter, given: list[Any]) -> tuple[list[Any], list[Finding]]:
    """The canonical values of a grid, distinct and at least one, and what is wrong with them."""
    if not given:
        return [], [Finding((), "an empty list gives no value to try")]
    canonical: dict[str, Any] = {}  # by text, which unlike `==` keeps true and 1 apart
    found: list[Finding] = []
    for index, item in enumerate(given):
        value, wrong = values.check(parameter, item)
        text = json.dumps(value)
        if not wrong and text in canonical:
            wrong = [Finding((), f"{shown(value)} stands twice in the grid")]
        if not wrong:
            canonical[text] = value
        found += [finding.under((index,)) for finding in wrong]
    return list(canonical.values()), found


def _product(choices: Mapping[str, list[Any]]) -> Iterator[dict[str, tuple[int, Any]]]:
    """Index and value of each parameter, for every combination."""
    for picks in itertools.product(*(enumerate(choice) for choice in choices.values())):
        yield dict(zip(choices, picks, strict=True))


def _point(
    own: Iterable[str],
    base: Mapping[str, Any],
    picks: Mapping[str, tuple[int, Any]],
    grids: Mapping[str, list[Any]],
) -> Point:
    resolved = {name: picks[name][1] if name in picks else base[name] for name in own}
    where: dict[str, KeyPath] = {
        name: (name, index) if name in grids else (name,) for name, (index, _) in picks.items()
    }
    parts = [label(name, grid[picks[name][0]]) for name, grid in grids.items()]
    return Point(resolved, f"[{','.join(parts)}]" if parts else "", where)


def label(name: str, value: Any) -> str:
    """A parameter and its value, as given, in a row's label, e.g. ``top-k=5``."""
    return f"{name.replace('_', '-')}={_compact(value)}"


def _compact(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list):
        return "+".join(_compact(item) for item in value)
    if isinstance(value, dict):
        slot = "name" in value and set(value) <= set(values.SLOT_KEYS)
        inner = value.get("params", {}) if slot else value
        listed = ",".join(label(key, item) for key, item in inner.items())
        return (value["name"] if slot else "") + (f"({listed})" if listed else "")
    return str(value)
