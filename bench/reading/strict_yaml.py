"""YAML as a person means it: YAML 1.2 scalars, duplicate keys refused, every position kept.

PyYAML follows YAML 1.1, where `1e-3` is text, `no` is false, `12:30` is 750 and the last of two
equal keys wins. Here the core schema of YAML 1.2 (Ben-Kiki, Evans and döt Net 2009, section 10.3)
holds. Tags are refused, so a file can describe nothing but plain data, and nesting and aliases
are bounded, so no file of a few lines can exhaust the machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml.composer import ComposerError
from yaml.error import Mark as YamlMark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from bench.errors import MembError, Problem

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a value, e.g. ``("memories", 2, "name")``."""

MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Values a document may expand to; a suite has hundreds, an alias bomb has billions."""


@dataclass(frozen=True, order=True)
class Mark:
    """A position in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass
class Document:
    """Plain data and where each piece of it stands.

    Attributes:
        file: The file as the user named it.
        data: Mappings, lists, text, numbers, booleans and None.
        keys: Position of each mapping key, by path.
        values: Position of each value, by path; values merged in stand at their anchor.
    """

    file: str
    data: Any = None
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    values: dict[KeyPath, Mark] = field(default_factory=dict)

    def place(self, path: KeyPath, *, key: bool = False) -> str:
        """``file:line:col`` of the value at a path, or of the nearest thing around it.

        Args:
            path: Where to look.
            key: Whether the key itself is meant.
        """
        marks = [self.keys.get(path)] if key else []
        marks += [self.values.get(path[:length]) for length in range(len(path), -1, -1)]
        mark = next((mark for mark in marks if mark is not None), Mark(1, 1))
        return f"{self.file}:{mark.line}:{mark.column}"


def load(text: str, *, file: str) -> Document:
    """The document a text holds; its data are None if the text is empty.

    Args:
        text: YAML, one document.
        file: What positions and messages call it.

    Raises:
        MembError: For a text that is not YAML, a duplicate key, a key that is not text, a tag, a
            number out of range, or a document that is too deep or too large; with file:line:col.
    """
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except ReaderError as error:
        raise MembError([_unreadable(error, text, file)]) from error
    except yaml.MarkedYAMLError as error:
        raise MembError([_syntax(error, file)]) from error
    builder = _Builder(file)
    if root is not None:
        builder.document.data = builder.build(root, (), ())
    if builder.problems:
        found = [builder.problems[mark] for mark in sorted(builder.problems)]
        raise MembError(found, summary=f"{len(found)} problems in {file}")
    return builder.document


class _Loader(yaml.SafeLoader):
    """Composes nodes with the scalar rules of YAML 1.2 and refuses tags and deep nesting."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise ComposerError(None, None, f"tag '{tag}' is not allowed", event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            deep = f"nested more than {MAX_DEPTH} levels deep"
            raise ComposerError(None, None, deep, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_PREFIX = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR, _MERGE = (
    _PREFIX + kind for kind in ("null", "bool", "int", "float", "str", "merge")
)
_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1 is inherited
_SIGNED_DIGITS = list("-+0123456789")
for _tag, _pattern, _first in (
    (_NULL, r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    (_BOOL, r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    (_INT, r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", _SIGNED_DIGITS),
    (
        _FLOAT,
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        [*_SIGNED_DIGITS, "."],
    ),
    (_MERGE, r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern + r"\Z"), _first)


def _number(tag: str, text: str) -> int | float:
    """The number a scalar stands for.

    Raises:
        ValueError: If it has too many digits or does not fit a 64-bit float.
    """
    if tag == _INT:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if text[-1] in "fFnN":  # .inf and .nan, whose Python names have no dot
        return float(text.replace(".", ""))
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


class _Builder:
    """Turns composed nodes into data, noting positions and problems on the way."""

    def __init__(self, file: str) -> None:
        self.document = Document(file)
        self.problems: dict[Mark, Problem] = {}
        self.built = 0

    def build(self, node: Node, path: KeyPath, around: tuple[int, ...]) -> Any:
        """The data of a node; `around` are the nodes it stands in, to find endless aliases."""
        if id(node) in around:
            self.stop("an alias stands inside the anchor that it repeats", node)
        self.count(node)
        self.document.values[path] = _mark(node.start_mark)
        around = (*around, id(node))
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, i), around) for i, item in enumerate(node.value)]
        if isinstance(node, MappingNode):
            built = {}
            for key, key_node, value in self.pairs(node, around):
                self.document.keys[*path, key] = _mark(key_node.start_mark)
                built[key] = self.build(value, (*path, key), around)
            return built
        return self.scalar(node)

    def count(self, node: Node) -> None:
        """Count one value or merged entry towards the bound."""
        self.built += 1
        if self.built > MAX_VALUES:
            self.stop(f"the document expands to more than {MAX_VALUES} values", node)

    def scalar(self, node: Node) -> Any:
        """The value of a scalar node."""
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return node.value.lower() == "true"
        if node.tag in (_INT, _FLOAT):
            try:
                return _number(node.tag, node.value)
            except ValueError:
                self.note(f"the number {_short(node.value)} is out of range", node)
        return node.value

    def pairs(self, node: MappingNode, around: tuple[int, ...]) -> list[tuple[str, Node, Node]]:
        """Key, key node and value node of each entry; merged entries first, own ones win."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for source in self.merge_sources(value_node, around):
                    for key, *nodes in self.pairs(source, (*around, id(source))):
                        self.count(key_node)
                        merged.setdefault(key, (nodes[0], nodes[1]))
                continue
            key = self.key(key_node)
            if key in own:
                first = _mark(own[key][0].start_mark)
                twice = f"key '{key}' stands twice, first on line {first.line}"
                self.note(twice, key_node, help="remove one of the two")
            own.setdefault(key, (key_node, value_node))
        merged = {key: nodes for key, nodes in merged.items() if key not in own}
        return [(key, *nodes) for key, nodes in (merged | own).items()]

    def merge_sources(self, node: Node, around: tuple[int, ...]) -> Iterator[MappingNode]:
        """The mappings behind a merge key."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if id(source) in around:
                self.stop("a mapping merges itself", node)
            if isinstance(source, MappingNode):
                yield source
            else:
                self.note("'<<' takes a mapping or a list of mappings", source)

    def key(self, node: Node) -> str:
        """A mapping key as text."""
        if isinstance(node, ScalarNode) and node.tag == _STR:
            return str(node.value)
        if isinstance(node, ScalarNode):
            self.note(f"a key must be text, got {_short(node.value)}", node, help="quote it")
            return str(node.value)
        self.note("a key must be text, got a list or mapping", node)
        return f"<key {len(self.problems)}>"

    def note(self, message: str, node: Node, help: str = "") -> None:
        """Keep a problem and go on, so that all are reported at once."""
        mark = _mark(node.start_mark)
        self.problems[mark] = _problem(message, self.document.file, mark, help)

    def stop(self, message: str, node: Node) -> NoReturn:
        """Give up: going on would not end."""
        raise MembError([_problem(message, self.document.file, _mark(node.start_mark))])


def _mark(mark: YamlMark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _syntax(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = Mark(1, 1) if mark is None else _mark(mark)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    help = "indent with spaces" if error.problem and r"'\t'" in error.problem else ""
    return _problem(f"not valid YAML here: {said}", file, where, help)


def _unreadable(error: ReaderError, text: str, file: str) -> Problem:
    before = text[: error.position]
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return _problem(f"character U+{ord(text[error.position]):04X} is not allowed", file, mark)


def _problem(message: str, file: str, mark: Mark, help: str = "") -> Problem:
    return Problem(message, place=f"{file}:{mark.line}:{mark.column}", help=help)
