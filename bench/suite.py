"""A suite: the memories, tasks and seeds of a comparison, read, checked and with nothing implied.

Everything that is wrong with a suite is reported at once, before anything runs.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import MembError, Problem, nearest
from bench.reading import overrides as overriding
from bench.reading import selection, specs, strict_yaml, suite_format
from bench.reading.findings import Finding, dotted
from bench.reading.overrides import Draft, names_in
from bench.reading.specs import MemorySpec, TaskSpec, meets, problem_at
from bench.reading.strict_yaml import Document, KeyPath
from bench.reading.suite_format import Statistics, schema

__all__ = [
    "MemorySpec",
    "Statistics",
    "Suite",
    "TaskSpec",
    "load",
    "meets",
    "problem_at",
    "read",
    "schema",
    "shipped",
]


@dataclass(frozen=True)
class Suite:
    """A suite as it will run.

    Attributes:
        name: Its kebab-case name.
        description: One sentence, or empty.
        seeds: The seeds, in order.
        memories: One per row of a table, grids expanded, labels distinct.
        tasks: One per task point, grids expanded, labels distinct.
        references: Labels of memories that the others are compared with: on each task the first
            that meets it. Empty for the first memory of the suite.
        statistics: How differences are tested.
        file: Where it was read from.
    """

    name: str
    description: str
    seeds: tuple[int, ...]
    memories: tuple[MemorySpec, ...]
    tasks: tuple[TaskSpec, ...]
    references: tuple[str, ...]
    statistics: Statistics
    file: str = field(compare=False)

    def pairs(self) -> Iterator[tuple[MemorySpec, TaskSpec]]:
        """Every memory with every task that it meets: tasks outside, memories inside."""
        for task in self.tasks:
            for memory in self.memories:
                if meets(memory, task):
                    yield memory, task

    def describe(self) -> dict[str, Any]:
        """The suite as plain JSON data, as it is kept with the results."""
        return {
            "name": self.name,
            "description": self.description,
            "seeds": list(self.seeds),
            "memories": [memory.describe() for memory in self.memories],
            "tasks": [task.describe() for task in self.tasks],
            "reference": list(self.references),
            "statistics": self.statistics.model_dump(mode="json"),
        }


def load(
    path_or_name: str | os.PathLike[str],
    *,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    only: str | Sequence[str] | None = None,
) -> Suite:
    """The suite of a file, or one that ships with the project, with nothing left implied.

    Args:
        path_or_name: Path of a YAML file, or the name of a shipped suite.
        overrides: Changes ``PATH=VALUE``, as of ``--set``; see `bench.reading.overrides.apply`.
        seeds: ``3``, ``0,2,5`` or ``0..9`` in place of the suite's seeds.
        only: Patterns of pairs to keep, as of ``--only``; see `bench.reading.selection.choose`. A
            reference that is left out this way is none.

    Raises:
        MembError: Everything that is wrong, with file, line, column, finding and remedy.
    """
    draft = overriding.apply(read(path_or_name), overrides, seeds)
    file, found = suite_format.validate(draft.data)
    memories, tasks, wrong = specs.resolve(draft)
    found += wrong + _unknown_reference(draft, memories)
    problems = [*_placed(draft, found), *draft.problems]
    if problems or file is None:
        raise MembError(problems, summary=f"{len(problems)} problems in {draft.document.file}")
    if only is not None:
        patterns = [only] if isinstance(only, str) else only
        memories, tasks = selection.choose(memories, tasks, patterns)
    kept = {memory.label for memory in memories}
    return Suite(
        name=file.name,
        description=file.description,
        seeds=file.seeds,
        memories=memories,
        tasks=tasks,
        references=tuple(label for label in _listed(file.reference) if label in kept),
        statistics=file.statistics,
        file=draft.document.file,
    )


def shipped() -> list[str]:
    """Names of the suites that ship with the project, sorted."""
    files = importlib.resources.files("suites").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def read(path_or_name: str | os.PathLike[str]) -> Document:
    """The data of a suite file, or of a shipped suite, with the position of every value.

    Raises:
        MembError: If there is none, or it is not strict YAML.
    """
    named = os.fspath(path_or_name)
    path = Path(named)
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
            raise MembError(f"there is no suite file {named}", help=_near_file(path))
        if named not in shipped():
            help = f"{nearest(named, shipped())} 'memb list suites' shows all; a file ends in .yaml"
            raise MembError(f"unknown suite '{named}'", help=help.strip())
        path = Path(str(importlib.resources.files("suites") / f"{named}.yaml"))
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(error, path, shown) from error
    except OSError as error:
        raise MembError(f"cannot read {shown}: {error.strerror}") from error
    return strict_yaml.load(text, file=shown)


def _near_file(path: Path) -> str:
    """The nearest suite file in the folder that was named, or a shipped suite of that name."""
    beside = [file.name for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    if path.stem in shipped():
        return f"'{path.stem}' alone means the suite that ships with memb"
    return nearest(path.name, beside)


def _not_utf8(error: UnicodeDecodeError, path: Path, shown: str) -> MembError:
    before = path.read_bytes()[: error.start]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    message = f"byte 0x{error.object[error.start]:02X} is not UTF-8"
    return MembError(message, place=f"{shown}:{line}:{column}", help="save the file as UTF-8")


def _listed(reference: Any) -> list[str]:
    """The labels under ``reference``, be it one, several or none."""
    if isinstance(reference, str):
        return [reference]
    return [label for label in reference or () if isinstance(label, str)]


def _unknown_reference(draft: Draft, memories: Sequence[MemorySpec]) -> list[Finding]:
    """Findings for references that are no memory's label; entries that failed count."""
    written, _ = names_in(draft.data, "memories")
    expanded = {memory.base for memory in memories if memory.base != memory.label}
    labels = {memory.label for memory in memories}
    labels |= {label for label in written if label and label not in expanded}
    given = draft.data.get("reference") if isinstance(draft.data, dict) else None
    found = []
    for index, reference in enumerate(_listed(given if isinstance(given, str | list) else None)):
        if reference not in labels:
            path: KeyPath = ("reference", index) if isinstance(given, list) else ("reference",)
            message = f"unknown reference '{reference}': no memory has this label"
            help = f"{nearest(reference, labels)} the suite has {', '.join(sorted(labels))}"
            found.append(Finding(path, message, help.strip(), whole=True))
    return found


def _placed(draft: Draft, found: Sequence[Finding]) -> list[Problem]:
    """Findings as problems: those in the file in its order, then those of options."""
    problems = [
        Problem(
            finding.message if finding.whole else f"{_about(draft, finding)}: {finding.message}",
            draft.place(finding.path, key=finding.on_key),
            dotted(finding.path),
            finding.help,
        )
        for finding in found
    ]
    file = draft.document.file

    def position(problem: Problem) -> tuple[int, ...]:
        line_column = problem.place.removeprefix(f"{file}:").split(":")
        in_file = problem.place.startswith(f"{file}:")
        return (0, *map(int, line_column)) if in_file else (1,)

    return sorted(dict.fromkeys(problems), key=position)


def _about(draft: Draft, finding: Finding) -> str:
    """What a finding is about, e.g. ``loads[1] of capacity`` or ``statistics.alpha``."""
    section, *rest = finding.path or ("the suite",)
    if len(rest) < 3 or rest[1] not in ("params", "tune"):
        return dotted(finding.path) or "the suite"
    labels, _ = names_in(draft.data, str(section))
    return f"{dotted(rest[2:])} of {labels[int(rest[0])]}"
