"""What exists to be compared: memories, tasks and backbones, by name.

A class enters with a decorator in its own file; nothing else lists it. Names are found by reading
the syntax trees of `memories/` and `tasks/`, so that listing and completing names imports nothing;
a class is imported when it is asked for.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from bench.errors import MembError, nearest

Kind = Literal["memory", "task", "backbone"]
KINDS: tuple[Kind, ...] = ("memory", "task", "backbone")
PLURALS: dict[Kind, str] = {"memory": "memories", "task": "tasks", "backbone": "backbones"}
ROOTS = ("memories", "tasks")
"""Packages of this project that are searched for decorated classes."""
_HOME = Path(__file__).resolve().parent.parent

C = TypeVar("C", bound=type)


@dataclass(frozen=True)
class Entry:
    """One registered class.

    Attributes:
        kind: What it is.
        name: The kebab-case name that a user types.
        cls: The class.
        family: The group it is listed under.
        source: Authors and year of what it implements.
        plugin: The plug-in it came with, as `bench.plugins.load` takes it; empty for our own.
    """

    kind: Kind
    name: str
    cls: Any = field(compare=False)
    family: str = ""
    source: str = ""
    plugin: str = ""

    @property
    def description(self) -> str:
        """First line of the class's docstring."""
        return (inspect.getdoc(self.cls) or "").split("\n", 1)[0]

    @property
    def file(self) -> Path:
        """The file that defines the class."""
        return Path(inspect.getfile(self.cls))


_entries: dict[tuple[Kind, str], Entry] = {}
_plugin = ""


@contextmanager
def registering_for(plugin: str) -> Iterator[None]:
    """Entries registered inside belong to this plug-in; if it raises, none of them stays."""
    global _plugin
    before, outer = dict(_entries), _plugin
    _plugin = plugin
    try:
        yield
    except BaseException:
        for key in [key for key, entry in _entries.items() if entry.plugin == plugin]:
            del _entries[key]
        _entries.update({key: entry for key, entry in before.items() if key not in _entries})
        raise
    finally:
        _plugin = outer


def adopt(plugin: str, module: str) -> list[Entry]:
    """Entries of a plug-in: registered while it loaded, or by a module imported before that.

    Args:
        plugin: The plug-in they belong to from now on.
        module: Dotted name of the module it consists of.
    """
    for key, entry in list(_entries.items()):
        if not entry.plugin and f"{entry.cls.__module__}.".startswith(f"{module}."):
            _entries[key] = replace(entry, plugin=plugin)
    return [entry for entry in _entries.values() if entry.plugin == plugin]


def _register(kind: Kind, name: str, family: str, source: str) -> Callable[[C], C]:
    if name != name.lower() or "_" in name or " " in name:
        raise MembError(f"{kind} name '{name}' is not kebab-case", help="write it like my-memory")

    def decorate(cls: C) -> C:
        file = Path(inspect.getfile(cls)).resolve()
        known = _entries.get((kind, name))
        taken_by = known.file.resolve() if known is not None else _shipped_in(kind, name, file)
        again = known is None or known.cls.__qualname__ == cls.__qualname__
        if taken_by is not None and not (taken_by == file and again):
            raise MembError(
                f"{kind} '{name}' is registered twice: {taken_by} and {file}",
                help="rename one of them",
            )
        # a plug-in may be the first to import a memory of ours
        plugin = "" if _is_ours(file) else _plugin
        _entries[kind, name] = Entry(kind, name, cls, family, source, plugin)
        return cls

    return decorate


def _is_ours(file: Path) -> bool:
    return any(file.is_relative_to(_HOME / root) for root in ROOTS)


def _shipped_in(kind: Kind, name: str, file: Path) -> Path | None:
    """The project's own file that registers a name, imported or not, for a file from outside."""
    if _is_ours(file):
        return None
    module = _scan().get((kind, name))
    return None if module is None else _HOME.joinpath(*module.split(".")).with_suffix(".py")


def memory(name: str, *, family: str = "", source: str = "") -> Callable[[C], C]:
    """Register a memory class under a kebab-case name.

    Args:
        name: What a user types.
        family: Group in listings, e.g. ``matrix``.
        source: Authors and year, e.g. ``Kohonen 1972``.
    """
    return _register("memory", name, family, source)


def task(name: str, *, family: str = "", source: str = "") -> Callable[[C], C]:
    """Register a task class under a kebab-case name."""
    return _register("task", name, family, source)


def backbone(name: str, *, family: str = "backbone", source: str = "") -> Callable[[C], C]:
    """Register a forecasting backbone: a module mapping [B, L, C] to [B, H, C]."""
    return _register("backbone", name, family, source)


# --- finding names without importing ---------------------------------------------------------


def _decorated(path: Path) -> list[tuple[Kind, str]]:
    """The (kind, name) pairs that a file's decorators register."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    found: list[tuple[Kind, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and call.args):
                continue
            called = call.func.attr if isinstance(call.func, ast.Attribute) else None
            called = call.func.id if isinstance(call.func, ast.Name) else called
            first = call.args[0]
            if called in KINDS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.append((called, first.value))
    return found


def _scan_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("memb") / "names.json"


@cache
def _scan() -> dict[tuple[Kind, str], str]:
    """Names in the project's packages to the module that registers each."""
    stored_at = _scan_cache()
    try:
        stored: dict[str, Any] = json.loads(stored_at.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stored = {}
    fresh: dict[str, Any] = {}
    names: dict[tuple[Kind, str], str] = {}
    for root in ROOTS:
        base = _HOME / root
        for path in sorted(base.rglob("*.py")):
            stat = path.stat()
            stamp = [stat.st_mtime_ns, stat.st_size]
            known = stored.get(str(path))
            found = known["names"] if known and known["stamp"] == stamp else _decorated(path)
            fresh[str(path)] = {"stamp": stamp, "names": found}
            module = ".".join((root, *path.relative_to(base).with_suffix("").parts))
            for kind, name in found:
                names[kind, name] = module
    if fresh != stored:
        try:  # a read-only home only costs the next call its speed
            stored_at.parent.mkdir(parents=True, exist_ok=True)
            stored_at.write_text(json.dumps(fresh), encoding="utf-8")
        except OSError:
            pass
    return names


def names(kind: Kind) -> list[str]:
    """All known names of a kind, sorted, with nothing imported."""
    scanned = {name for k, name in _scan() if k == kind}
    return sorted(scanned | {name for k, name in _entries if k == kind})


def get(kind: Kind, name: str) -> Entry:
    """The entry registered under a name.

    Raises:
        MembError: If there is none; names the nearest one.
    """
    if (kind, name) not in _entries and (kind, name) in _scan():
        importlib.import_module(_scan()[kind, name])
    if (kind, name) not in _entries:
        help = f"{nearest(name, names(kind))} 'memb list {PLURALS[kind]}' shows all".strip()
        raise MembError(f"unknown {kind} '{name}'", help=help)
    return _entries[kind, name]


def entries(kind: Kind) -> Iterator[Entry]:
    """All entries of a kind, imported, in order of family and name."""
    found = [get(kind, name) for name in names(kind)]
    yield from sorted(found, key=lambda e: (e.family, e.name))
