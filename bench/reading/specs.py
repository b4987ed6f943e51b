"""The entries of a suite resolved: names looked up, grids expanded, parameters complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bench import registry
from bench.errors import MembError, Problem, nearest
from bench.reading import grids, params, suite_format, values
from bench.reading.findings import Finding, dotted
from bench.reading.overrides import Draft, names_in
from bench.reading.strict_yaml import KeyPath
from bench.registry import Entry, Kind

Meta: TypeAlias = Literal["none", "quick", "full"]
"""Budget of meta-training."""


@dataclass(frozen=True)
class Spec:
    """What a memory and a task of a suite have in common.

    Attributes:
        name: Name in the registry.
        label: What tables call it, its point of a grid included, e.g. ``rag[top-k=5]``.
        params: All own parameters, canonical.
        place: Where the suite names it.
        base: The label without its point of a grid.
        path: Its entry, e.g. ``memories[2]``.
        places: Place and path of each parameter and key that the suite gives.
    """

    name: str
    label: str
    params: Mapping[str, Any]
    place: str = field(compare=False)
    base: str = field(compare=False)
    path: str = field(compare=False)
    places: Mapping[str, tuple[str, str]] = field(compare=False, repr=False)


@dataclass(frozen=True)
class MemorySpec(Spec):
    """One memory at one setting.

    Attributes:
        tune: Values to choose from on the validation stream, by parameter.
        tasks: Labels of the tasks it is limited to; None for all.
        meta: Budget of its meta-training, ``none`` for an untrained memory.
        untrained: Whether it is the untrained row beside a meta-trained one.
    """

    tune: Mapping[str, tuple[Any, ...]]
    tasks: tuple[str, ...] | None
    meta: Meta
    untrained: bool

    def describe(self) -> dict[str, Any]:
        """The memory as plain JSON data."""
        return {
            "name": self.name,
            "label": self.label,
            "params": dict(self.params),
            "tune": {name: list(options) for name, options in self.tune.items()},
            "tasks": None if self.tasks is None else list(self.tasks),
            "meta": self.meta,
        }


@dataclass(frozen=True)
class TaskSpec(Spec):
    """One task at one point of its parameters.

    Attributes:
        block: Family of related task points; the task's name by default.
        memories: Labels of the memories it is limited to; None for all.
        budget: State floats that memories are sized to; None leaves them as they are.
    """

    block: str
    memories: tuple[str, ...] | None
    budget: int | None

    def describe(self) -> dict[str, Any]:
        """The task as plain JSON data."""
        return {
            "name": self.name,
            "label": self.label,
            "params": dict(self.params),
            "block": self.block,
            "memories": None if self.memories is None else list(self.memories),
            "budget": self.budget,
        }


def meets(memory: MemorySpec, task: TaskSpec) -> bool:
    """Whether the limits of neither keep a memory from a task."""
    return (memory.tasks is None or task.label in memory.tasks) and (
        task.memories is None or memory.label in task.memories
    )


def problem_at(spec: Spec, parameter: str, message: str, help: str = "") -> Problem:
    """A problem with a parameter, placed where the suite gives it or else names its owner.

    Args:
        spec: Memory or task.
        parameter: Name of the parameter, or a key of the entry such as ``tune``.
        message: What is wrong, as `memories.base.InvalidParameter` says it.
        help: What to do about it.
    """
    fallback = (spec.place, f"{spec.path}.params.{parameter}")
    place, path = spec.places.get(parameter, fallback)
    return Problem(f"{parameter} of {spec.label}: {message}", place, path, help)


@dataclass(frozen=True)
class _Row:
    """One point of one entry, before the limits between memories and tasks are resolved.

    `beside` is what distinguishes it from the entry's other rows but no parameter: the budget of
    its meta-training or of its state.
    """

    index: int
    entry: Any  # MemoryEntry or TaskEntry
    point: grids.Point
    tune: Mapping[str, tuple[Any, ...]]
    beside: tuple[str, Any] | None = None

    @property
    def base(self) -> str:
        return str(self.entry.label or self.entry.name)

    @property
    def label(self) -> str:
        extra = "" if self.beside is None else grids.label(*self.beside)
        parts = [part for part in (self.point.suffix.strip("[]"), extra) if part]
        return self.base + (f"[{','.join(parts)}]" if parts else "")


def resolve(
    draft: Draft,
) -> tuple[tuple[MemorySpec, ...], tuple[TaskSpec, ...], list[Finding]]:
    """Memories and tasks of a suite, as far as they are valid, and what is wrong with them.

    Paths of the findings start at the root of the suite.
    """
    memory_entries = suite_format.entries(draft.data, "memories")
    task_entries = suite_format.entries(draft.data, "tasks")
    memory_rows, found = _rows(draft, "memory", memory_entries)
    task_rows, wrong = _rows(draft, "task", task_entries)
    found += wrong
    for section, rows in (("memories", memory_rows), ("tasks", task_rows)):
        found += _repeated(draft, section, rows)
    tasks_of, wrong = _limits(draft, "memories", memory_entries, "tasks", task_rows)
    found += wrong
    memories_of, wrong = _limits(draft, "tasks", task_entries, "memories", memory_rows)
    found += wrong
    memories = tuple(
        MemorySpec(
            **_shared(draft, "memories", r),
            tune=r.tune,
            tasks=tasks_of[r.index],
            meta=r.beside[1] if r.beside else "none",
            untrained=r.beside is None and r.entry.meta != "none",
        )
        for r in memory_rows
    )
    tasks = tuple(
        TaskSpec(
            **_shared(draft, "tasks", r),
            block=r.entry.block or r.entry.name,
            memories=memories_of[r.index],
            budget=r.beside[1] if r.beside else _only(r.entry.budget),
        )
        for r in task_rows
    )
    return memories, tasks, found


def _rows(draft: Draft, kind: Kind, entries: Mapping[int, Any]) -> tuple[list[_Row], list[Finding]]:
    """The points of all entries and what is wrong with their names and parameters."""
    section = registry.PLURALS[kind]
    rows: list[_Row] = []
    found: list[Finding] = []
    for index, entry in entries.items():
        at: KeyPath = (section, index)
        try:
            registered = registry.get(kind, entry.name)
        except MembError as error:
            problem = error.problems[0]
            named = at if isinstance(draft.data[section][index], str) else (*at, "name")
            found.append(Finding(named, problem.message, problem.help, whole=True))
            continue
        points, wrong = grids.expand(registered, entry.params)
        found += [finding.under((*at, "params")) for finding in wrong]
        tune, wrong = _tune(registered, entry) if kind == "memory" else ({}, [])
        found += [finding.under((*at, "tune")) for finding in wrong]
        rows += [_Row(index, entry, p, tune, beside) for p in points for beside in _beside(entry)]
    return rows, found


def _beside(entry: Any) -> Sequence[tuple[str, Any] | None]:
    """What tells apart the rows of one point of an entry; None for a row without a name for it."""
    if isinstance(entry, suite_format.MemoryEntry):
        return [None] if entry.meta == "none" else [None, ("meta", entry.meta)]
    budgets = entry.budget or ()
    return [None] if len(budgets) < 2 else [("budget", budget) for budget in budgets]


def _only(budgets: Sequence[int] | None) -> int | None:
    return budgets[0] if budgets else None


def _tune(registered: Entry, entry: Any) -> tuple[dict[str, tuple[Any, ...]], list[Finding]]:
    """Values to choose from by parameter, canonical, and what is wrong with them."""
    own = {parameter.name: parameter for parameter in params.of(registered)}
    tune: dict[str, tuple[Any, ...]] = {}
    found: list[Finding] = []
    for name, given in entry.tune.items():
        if name not in own:
            found.append(values.unknown(registered, name))
            continue
        if name in entry.params:
            message = f"'{name}' of {registered.name} is both set and tuned"
            help = "keep it under params or under tune"
            found.append(Finding((name,), message, help, on_key=True, whole=True))
        options, wrong = grids.options(own[name], given)
        found += [finding.under((name,)) for finding in wrong]
        tune[name] = tuple(options)
    return tune, found


def _repeated(draft: Draft, section: str, rows: Iterable[_Row]) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    for row in rows:
        at: KeyPath = (section, row.index, *(("label",) if row.entry.label else ()))
        if row.label in first:
            message = f"label '{row.label}' is used twice, first at {draft.place(first[row.label])}"
            found.append(Finding(at, message, "give one of the two its own label", whole=True))
        first.setdefault(row.label, at)
    return found


def _limits(
    draft: Draft, section: str, entries: Mapping[int, Any], other: str, other_rows: Sequence[_Row]
) -> tuple[dict[int, tuple[str, ...] | None], list[Finding]]:
    """The labels that each entry is limited to, None for all, and limits that name nothing."""
    # what failed for another reason still counts: one mistake, one complaint
    known = {name for names in names_in(draft.data, other) for name in names if name}
    known |= {row.label for row in other_rows}
    limits: dict[int, tuple[str, ...] | None] = {}
    found: list[Finding] = []
    for index, entry in entries.items():
        wanted: list[str] | None = getattr(entry, other)
        for position, name in enumerate(wanted or ()):
            if name not in known:
                help = f"{nearest(name, known)} the suite has {', '.join(sorted(known))}".strip()
                message = f"unknown limit '{name}': it is none of the suite's {other}"
                at: KeyPath = (section, index, other, position)
                found.append(Finding(at, message, help, whole=True))
        limits[index] = None if wanted is None else _limited_to(wanted, other_rows)
    return limits, found


def _limited_to(wanted: Sequence[str], rows: Iterable[_Row]) -> tuple[str, ...]:
    """The labels that are meant: by label, by label without grid point, or by name."""
    return tuple(r.label for r in rows if {r.label, r.base, r.entry.name} & set(wanted))


def _shared(draft: Draft, section: str, row: _Row) -> dict[str, Any]:
    """The fields that memories and tasks share."""
    at: KeyPath = (section, row.index)
    paths: dict[str, KeyPath] = {key: (*at, key) for key in row.entry.model_fields_set}
    paths |= {name: (*at, "tune", name) for name in row.tune}
    paths |= {name: (*at, "params", *where) for name, where in row.point.where.items()}
    return {
        "name": row.entry.name,
        "label": row.label,
        "params": row.point.params,
        "place": draft.place((*at, "name")),
        "base": row.base,
        "path": dotted(at),
        "places": {name: (draft.place(path), dotted(path)) for name, path in paths.items()},
    }
