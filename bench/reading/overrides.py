"""What the command line changes in a suite before it is validated: ``--set`` and ``--seeds``.

A changed value is validated like one in the file; what is wrong with it is reported at the option
that gave it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from bench.errors import MembError, Problem, nearest
from bench.reading import strict_yaml
from bench.reading.findings import shown
from bench.reading.strict_yaml import Document, KeyPath
from bench.reading.suite_format import MAX_SEEDS, MemoryEntry, Statistics, SuiteFile, TaskEntry

_SECTIONS: dict[str, type[BaseModel]] = {"memories": MemoryEntry, "tasks": TaskEntry}


@dataclass
class Draft:
    """A suite's data while the command line still changes them.

    Attributes:
        document: The file.
        data: Its data, changed.
        origins: The option that gave a value, by path.
        problems: Options that could not be applied.
    """

    document: Document
    data: Any
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath, *, key: bool = False) -> str:
        """The option or the ``file:line:col`` that a value, or its key, comes from."""
        for length in range(len(path), -1, -1):
            if (origin := self.origins.get(path[:length])) is not None:
                return origin
            if path[:length] in self.document.values:
                break
        return self.document.place(path, key=key)

    def put(self, path: KeyPath, value: Any, origin: str) -> None:
        """Set a value, making the mappings around it.

        Raises:
            MembError: If something around it is not a mapping.
        """
        inner = self.data
        for depth, key in enumerate(path[:-1], start=1):
            if isinstance(inner, dict) and key not in inner:
                inner[key] = {}
            bare = isinstance(key, int) or "params" in path[: depth - 1]
            if bare and isinstance(inner[key], str):  # a name alone stands for a mapping
                inner[key] = {"name": inner[key]}
            if not isinstance(inner[key], dict | list):
                raise MembError(f"'{key}' is {shown(inner[key])}, not a mapping", place=origin)
            inner = inner[key]
        inner[path[-1]] = value
        for known in (self.document.keys, self.document.values, self.origins):
            for stale in [other for other in known if other[: len(path)] == path]:
                del known[stale]
        self.origins[path] = origin


def apply(document: Document, overrides: Sequence[str], seeds: str | None) -> Draft:
    """The suite's data with ``--set`` options applied in order, then ``--seeds``.

    Args:
        document: The file; left as it is.
        overrides: Texts ``PATH=VALUE``, e.g. ``memories.hmem.top_k=10``. The value is YAML. An
            entry is named by its label, or by its name, which then means all entries of that name.
        seeds: ``3`` (as many seeds), ``0,2,5`` or ``0..9`` (these seeds), or None.
    """
    draft = Draft(copy.deepcopy(document), copy.deepcopy(document.data))
    if not isinstance(draft.data, dict):
        return draft  # nothing to change; validation says what is wrong with the file
    for text in overrides:
        _attempt(draft, f"--set {text}", lambda text=text: _set(draft, text))
    if seeds is not None:
        origin = f"--seeds {seeds}"
        _attempt(draft, origin, lambda: draft.put(("seeds",), parse_seeds(seeds), origin))
    return draft


def parse_seeds(text: str) -> int | list[int]:
    """A number of seeds or their list, from ``3``, ``0,2,5``, ``0..9`` or a mix of the last two.

    Raises:
        MembError: If the text is none of these.
    """
    if re.fullmatch(r"\d{1,9}", text.strip()):
        return int(text)
    seeds: list[int] = []
    for part in text.removesuffix(",").split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\.\.(\d{1,9}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise MembError(
                f"{shown(part)} is no seed and no range of seeds",
                help="write 3 for three seeds, 0,2,5 or 0..9 for these seeds",
            )
        if last - first >= MAX_SEEDS:
            raise MembError(f"more than {MAX_SEEDS} seeds")
        seeds += range(first, last + 1)
    return seeds


def _attempt(draft: Draft, origin: str, change: Any) -> None:
    try:
        change()
    except MembError as error:
        draft.problems += [Problem(p.message, place=origin, help=p.help) for p in error.problems]


def _set(draft: Draft, text: str) -> None:
    where, equals, given = text.partition("=")
    if not equals or not where.strip() or not given.strip():
        help = "write --set memories.LABEL.PARAMETER=VALUE; for no value write null"
        raise MembError(f"'{text}' is not PATH=VALUE", help=help)
    value = strict_yaml.load(given.strip(), file="value").data
    for path in _paths(draft.data, where.strip()):
        draft.put(path, copy.deepcopy(value), f"--set {text}")


def _paths(data: dict[str, Any], where: str) -> list[KeyPath]:
    """The paths that the left side of an override means.

    Raises:
        MembError: If there is no such key or entry.
    """
    head, _, rest = where.partition(".")
    if head not in SuiteFile.model_fields:
        help = nearest(head, SuiteFile.model_fields) or "begin with memories., tasks. or seeds"
        raise MembError(f"a suite has no key '{head}'", help=help)
    if not rest:
        return [(head,)]
    if head == "statistics":
        if rest not in Statistics.model_fields:
            help = nearest(rest, Statistics.model_fields)
            raise MembError(f"statistics has no key '{rest}'", help=help)
        return [(head, rest)]
    if head not in _SECTIONS:
        raise MembError(
            f"'{head}' is one value and has no '{rest}'", help=f"write --set {head}=..."
        )
    return list(_entry_paths(data, head, rest))


def _entry_paths(data: dict[str, Any], section: str, rest: str) -> Iterator[KeyPath]:
    """Paths below ``memories`` or ``tasks``: an entry, then one of its keys or parameters."""
    labels, names = names_in(data, section)
    known = sorted({*labels, *names} - {None}, key=lambda name: len(str(name)), reverse=True)
    # labels may hold dots: the longest that fits is meant
    entry = next((name for name in known if f"{rest}.".startswith(f"{name}.")), None)
    if entry is None:
        word, listed = rest.partition(".")[0], ", ".join(sorted(map(str, {*labels} - {None})))
        help = f"{nearest(word, map(str, known))} it has {listed or 'none'}".strip()
        raise MembError(f"the suite has no '{word}' among its {section}", help=help)
    keys = rest[len(str(entry)) + 1 :].split(".")
    if keys == [""]:
        help = f"write --set {section}.{entry}.PARAMETER=VALUE"
        raise MembError(f"'{section}.{entry}' names no parameter", help=help)
    if keys[0] not in _SECTIONS[section].model_fields:
        keys = ["params", *keys]
    column = labels if entry in labels else names
    for index in [index for index, name in enumerate(column) if name == entry]:
        yield (section, index, *keys)


def names_in(data: Any, section: str) -> tuple[list[str | None], list[str | None]]:
    """Label and name of every entry of a section as far as it has them, valid or not."""
    given = data.get(section) if isinstance(data, dict) else None
    labels: list[str | None] = []
    names: list[str | None] = []
    for raw in given if isinstance(given, list) else []:
        entry = raw if isinstance(raw, dict) else {"name": raw}
        name, label = entry.get("name"), entry.get("label")
        names.append(name if isinstance(name, str) else None)
        labels.append(label if isinstance(label, str) else names[-1])
    return labels, names
