"""A fingerprint of the code that a result depends on, taken without importing it.

It covers the syntax trees of a module and of everything it imports, directly or not, from
`memories/`, from `tasks/` and, for a plug-in, from its own folder or package. Comments, formatting
and docstrings do not count, nor do paths: the same code gives the same print anywhere. The
harness itself is not covered: its protocol version is raised by hand. Nor is an import whose
name is computed while the code runs.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import MembError
from bench.registry import ROOTS

PROJECT = Path(__file__).resolve().parent.parent
_ENGINE = ("bench", "cli", "suites")
_LIBRARIES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class _Import:
    """One import statement: ``from <level dots><module> import <names>``, or ``import module``."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True)
class _Source:
    digest: str
    imports: tuple[_Import, ...]


_parsed: dict[Path, tuple[tuple[int, int], _Source]] = {}


def code_fingerprint(*files: Path) -> str:
    """The SHA-256 of what files and their transitive imports say to the interpreter.

    Args:
        files: The modules to start from, e.g. those that define a memory and what sits in its
            slots; their order does not matter.

    Raises:
        MembError: If one of the modules does not parse; with file:line:col.
    """
    prints: dict[tuple[str, str], None] = {}
    for file in files:
        start = file.resolve()
        for path in reachable(start):
            prints[_name(path, start), _source(path).digest] = None
    told = "\n".join(f"{name} {digest}" for name, digest in sorted(prints))
    return hashlib.sha256(told.encode()).hexdigest()


def reachable(file: Path) -> set[Path]:
    """A module's own file and the covered files that it imports, directly or not."""
    start = file.resolve()
    places = _search_places(start)
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += _packages_around(path)
        for statement in _source(path).imports:
            waiting += _targets(statement, path, places)
    return found


def sibling_modules(file: Path) -> dict[str, Path]:
    """Top-level names that a plug-in imports absolutely from its own folder, and their files."""
    start = file.resolve()
    own = [_Place(start.parent, None)]
    siblings: dict[str, Path] = {}
    for path in reachable(start):
        for statement in _source(path).imports:
            top = statement.module.partition(".")[0]
            if statement.level == 0 and top not in ROOTS:
                for target in _targets(_Import(top), path, own):
                    siblings[top] = target
    return siblings


@dataclass(frozen=True)
class _Place:
    """A folder that top-level modules are looked up in, perhaps only those of these names."""

    folder: Path
    names: tuple[str, ...] | None


def _search_places(file: Path) -> list[_Place]:
    project = _Place(PROJECT, ROOTS)
    if file.is_relative_to(PROJECT) and file.relative_to(PROJECT).parts[0] in ROOTS:
        return [project]
    top = _package_top(file)
    if top is not None:
        return [project, _Place(top.parent, (top.name,))]
    # a module installed by itself has the whole of site-packages beside it
    return [project] if file.parent.name in _LIBRARIES else [project, _Place(file.parent, None)]


def _package_top(file: Path) -> Path | None:
    """The folder of the outermost package a file belongs to, or None."""
    around = _packages_around(file)
    return around[-1].parent if around else None


def _packages_around(file: Path) -> list[Path]:
    """The `__init__.py` of every package a file is in, innermost first: importing it runs them."""
    inits = [folder / "__init__.py" for folder in file.parents]
    return list(itertools.takewhile(Path.is_file, inits))


def _name(path: Path, start: Path) -> str:
    """A file's name in the print: its dotted module name, whatever folder the code lies in."""
    for place in _search_places(start):
        if path.is_relative_to(place.folder):
            relative = path.relative_to(place.folder)
            if place.names is None or relative.parts[0] in place.names:
                return relative.as_posix()
    return path.name


def _targets(statement: _Import, importer: Path, places: Iterable[_Place]) -> Iterator[Path]:
    """The covered files that an import statement runs."""
    parts = statement.module.split(".") if statement.module else []
    if statement.level:
        folders = [importer.parents[min(statement.level, len(importer.parents)) - 1]]
    elif parts[0] in _ENGINE:
        return
    else:
        folders = [place.folder for place in places if not place.names or parts[0] in place.names]
    for folder in folders:
        yield from _along(folder, parts, statement.names)


def _along(folder: Path, parts: list[str], names: tuple[str, ...]) -> Iterator[Path]:
    """Files of a dotted module below a folder, its packages, and names that are submodules."""
    for part in parts:
        folder = folder / part
        yield from _files(folder)
    if names == ("*",):
        # __all__ of a package may name submodules: take them all rather than too few
        yield from (path.resolve() for path in folder.glob("*.py"))
        return
    for name in names:
        yield from _files(folder / name)


def _files(module: Path) -> Iterator[Path]:
    """The file of a module, or the `__init__.py` of a package, which goes first; or nothing."""
    for path in (module / "__init__.py", module.with_name(module.name + ".py")):
        if path.is_file():
            yield path.resolve()
            return


def _source(path: Path) -> _Source:
    """A file's digest and imports, parsed again only when it changed."""
    stat = path.stat()
    stamp = (stat.st_mtime_ns, stat.st_size)
    known = _parsed.get(path)
    if known is None or known[0] != stamp:
        known = (stamp, _parse(path))
        _parsed[path] = known
    return known[1]


def _parse(path: Path) -> _Source:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        place = f"{path}:{error.lineno or 1}:{error.offset or 1}"
        raise MembError(f"does not parse: {error.msg}", place=place) from error
    digest = hashlib.sha256()
    for token in _tokens(tree):
        digest.update(token.encode("utf-8", "surrogatepass") + b"\0")
    return _Source(digest.hexdigest(), tuple(_imports(tree)))


def _tokens(value: object) -> Iterator[str]:
    """A syntax tree as text that does not differ between versions of Python.

    `ast.dump` does: newer versions add fields. Empty fields are therefore left out.
    """
    if isinstance(value, ast.AST):
        yield type(value).__name__
        for name, child in ast.iter_fields(value):
            if child is not None and child != [] and name not in ("kind", "type_comment"):
                yield name
                yield from _tokens(child)
        yield ")"
    elif isinstance(value, list):
        for item in value:
            if not _is_docstring(item):
                yield from _tokens(item)
        yield "]"
    else:
        yield f"{type(value).__name__} {value!r}"


def _is_docstring(node: object) -> bool:
    """Whether a statement is text standing alone: a docstring, or one of an attribute."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return False
    return isinstance(node.value.value, str)


def _imports(tree: ast.AST) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield _Import(node.module or "", names, node.level)
        elif isinstance(node, ast.Call) and (module := _imported_by_call(node)):
            yield _Import(module)


def _imported_by_call(node: ast.Call) -> str:
    """The module of ``import_module("name")`` or ``__import__("name")``, or an empty string."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    called = node.func.id if isinstance(node.func, ast.Name) else called
    if called not in ("import_module", "__import__") or not node.args:
        return ""
    argument = node.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value.lstrip(".")
    return ""
