"""Memories and tasks from outside: files, modules, and packages that announce themselves.

Each plug-in is imported in isolation: one that breaks is reported and leaves nothing behind, the
others are loaded. An installed package announces its modules by the entry-point groups
``memb.memories`` and ``memb.tasks``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from bench import fingerprint, registry
from bench.errors import MembError, Problem

GROUPS = ("memb.memories", "memb.tasks")

_loaded: list[str] = []


def load(specs: Sequence[str], *, entry_points: bool = True) -> list[Problem]:
    """What went wrong with the plug-ins that could not be loaded; all others are registered.

    A plug-in that is loaded already is left as it is.

    Args:
        specs: Paths of Python files, or dotted module names.
        entry_points: Whether to load what installed packages announce as well.
    """
    problems = []
    for spec in specs:
        path = Path(spec).expanduser()
        if path.suffix == ".py" or len(path.parts) > 1:
            problems += _load(str(path.resolve()), _import_file, shown=spec)
        else:
            problems += _load(spec, importlib.import_module, shown=spec)
    for module, package in _announced().items() if entry_points else ():
        problems += _load(module, importlib.import_module, shown=f"{module} of {package}")
    return problems


def loaded() -> list[str]:
    """The plug-ins that are loaded, in order; `load` takes them again in another process."""
    return list(_loaded)


def _announced() -> dict[str, str]:
    """Modules that installed packages announce, each once, to the package that does."""
    return {
        entry.module: entry.dist.name if entry.dist else "an installed package"
        for group in GROUPS
        for entry in importlib.metadata.entry_points(group=group)
    }


def _load(spec: str, import_it: Callable[[str], ModuleType], *, shown: str) -> list[Problem]:
    """Import one plug-in and keep what it registered, or say why it could not be."""
    if spec in _loaded:
        return []
    before = set(sys.modules)
    importlib.invalidate_caches()  # the file may be younger than the folder's listing
    try:
        with registry.registering_for(spec):
            module = import_it(spec)
            if not registry.adopt(spec, module.__name__):
                raise MembError(
                    f"plug-in {shown} registers nothing",
                    help="decorate a class with @memory(name) or @task(name) of bench.registry",
                )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything
        _forget(spec, set(sys.modules) - before)
        return _told(error, spec, shown)
    _loaded.append(spec)
    return []


def _import_file(path: str) -> ModuleType:
    """The module of a file, under a private name that is the same in every process.

    It may import its neighbours, as ``from . import x`` or as ``import x``.

    Raises:
        MembError: If there is no such file, or `import x` would find another x than its neighbour.
    """
    file = Path(path)
    if not file.is_file():
        raise MembError(f"plug-in file {file} does not exist")
    if file.suffix != ".py" or "." in file.stem:
        raise MembError(f"{file.name} is no name of a Python module", help="call it my_memory.py")
    package = _package_of(file)
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package, "Neighbours of a plug-in file.")
        sys.modules[package].__path__ = [str(file.parent)]
    if str(file.parent) not in sys.path:
        # last, so that it hides nothing; for good, since an import may stand in a function
        sys.path.append(str(file.parent))
    module = importlib.import_module(f"{package}.{file.stem}")
    for name, neighbour in fingerprint.sibling_modules(file).items():
        found = getattr(sys.modules.get(name), "__file__", None)
        if found is not None and Path(found).resolve() != neighbour:
            raise MembError(
                f"'import {name}' found {found}, not {neighbour}",
                place=str(file),
                help=f"rename it, or write 'from . import {name}'",
            )
    return module


def _package_of(file: Path) -> str:
    return f"memb_plugin_{hashlib.sha256(str(file.parent).encode()).hexdigest()[:12]}"


def _forget(spec: str, names: set[str]) -> None:
    """Drop modules of a failed plug-in, so that a corrected one is imported afresh."""
    own = _package_of(Path(spec)) if spec.endswith(".py") else spec.partition(".")[0]
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        beside = spec.endswith(".py") and file and Path(file).parent == Path(spec).parent
        if beside or f"{name}.".startswith(f"{own}."):
            del sys.modules[name]


def _told(error: BaseException, spec: str, shown: str) -> list[Problem]:
    """A plug-in's failure as problems with a place."""
    if isinstance(error, MembError):
        return [replace(p, place=p.place or _last_place(error, spec)) for p in error.problems]
    if isinstance(error, SyntaxError) and error.filename is not None:
        place = f"{error.filename}:{error.lineno or 1}:{error.offset or 1}"
        return [Problem(f"plug-in {shown} does not parse: {error.msg}", place=place)]
    if isinstance(error, ModuleNotFoundError) and f"{spec}.".startswith(f"{error.name}."):
        help = f"a file is given by its path: ./{spec}.py"
        return [Problem(f"plug-in {shown}: no such module", help=help)]
    said = str(error).split("\n", 1)[0]
    message = f"plug-in {shown} raised {type(error).__name__}: {said}".removesuffix(": ")
    return [Problem(message, place=_last_place(error, spec))]


def _last_place(error: BaseException, spec: str) -> str:
    """``file:line`` of the last frame that belongs to the plug-in rather than to a library."""
    part = str(Path(spec).parent) if spec.endswith(".py") else spec.partition(".")[0]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if part in frame.filename
        and "site-packages" not in frame.filename
        and Path(frame.filename).parent != Path(__file__).parent
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
