"""From a suite to what has to run: cells (memory x task point) and trials (cell x seed), keyed.

A trial key is a hash over everything that can change the result: task and memory with resolved
parameters, data, seed, the code of both, the engine's protocol version, dtype and kind of device.
Same key, same result: a finished trial is never run twice, a changed file never reuses one.
Threads, jobs, paths and order are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import fingerprint, registry
from bench.errors import MembError, Problem
from bench.reading import params, values
from bench.reading.specs import MemorySpec, TaskSpec, meets, problem_at
from bench.running import construct
from bench.running.cache import digest

if TYPE_CHECKING:
    from bench.suite import Suite
    from tasks.base import Task

PROTOCOL_VERSION = 1
"""Raised by hand when a change to the engine may move a score."""
DTYPE = "float32"


@dataclass(frozen=True)
class Cell:
    """One row of one table: a memory on a task point, over seeds.

    Attributes:
        label: The memory's label in the suite.
        listed: The memory as the suite names it.
        memory: The registered class that runs: another than `listed` where it is lifted.
        memory_params: Its parameters, resolved.
        tune: Values to choose from on validation data, by parameter.
        task: Registered task.
        task_label: The task point's label.
        task_params: Its parameters, resolved.
        block: Family of related task points.
        protocol_hash: Identity of the task point, its data and its version.
        code: Fingerprint of the code of memory, task and backbone.
        seeded: Whether the data depend on the seed.
        varies: What differs between seeds, in words.
        deterministic: Whether nothing depends on the seed: it runs once, with seed None.
        skipped: Why the pair is not run (a capability is missing), or empty.
        trials: Trial key of each seed.
    """

    label: str
    listed: str
    memory: str
    memory_params: Mapping[str, Any]
    tune: Mapping[str, Sequence[Any]]
    task: str
    task_label: str
    task_params: Mapping[str, Any]
    block: str
    protocol_hash: str
    code: str
    seeded: bool
    varies: str
    deterministic: bool
    skipped: str
    trials: Mapping[int | None, str] = field(default_factory=dict)

    @property
    def cell_key(self) -> str:
        """Identity of the cell over all seeds."""
        return digest(
            [self.protocol_hash, self.memory, self.memory_params, self.tune, self.code, "cell"]
        )

    def cost_key(self, device: str) -> str:
        """Names the record of the cell's costs on a kind of device."""
        return digest([self.cell_key, "costs", device.partition(":")[0]])

    def describe(self) -> dict[str, Any]:
        """The cell as it is kept in the manifest: plain JSON, trials as pairs."""
        plain = asdict(self)
        plain["cell_key"] = self.cell_key
        plain["trials"] = [[seed, key] for seed, key in self.trials.items()]
        return plain


@dataclass(frozen=True)
class Plan:
    """All cells of a suite in the suite's order: tasks outside, memories inside."""

    suite: Suite
    cells: tuple[Cell, ...]
    device: str

    @property
    def trials(self) -> dict[str, tuple[Cell, int | None]]:
        """Every trial by its key."""
        return {key: (cell, seed) for cell in self.cells for seed, key in cell.trials.items()}


def make(suite: Suite, *, device: str = "cpu") -> Plan:
    """The plan of a suite; builds every memory once so that nothing fails later for its settings.

    Raises:
        MembError: All problems together: values that a constructor refuses, pairs without meaning.
    """
    problems: list[Problem] = []
    cells: list[Cell] = []
    for spec in suite.tasks:
        task = _task(spec, problems)
        if task is None:
            continue
        for memory in suite.memories:
            if meets(memory, spec):
                cell = _cell(suite, memory, spec, task, device, problems)
                cells += [cell] if cell else []
    if problems:
        raise MembError(_once(problems), summary=f"{len(_once(problems))} problems in the suite")
    if not cells:
        raise MembError("the suite pairs no memory with a task", help="see its 'tasks:' limits")
    return Plan(suite, tuple(cells), device)


def _once(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _task(spec: TaskSpec, problems: list[Problem]) -> Task | None:
    from memories.base import InvalidParameter

    try:
        return construct.build_task(spec.name, spec.params)
    except InvalidParameter as wrong:
        problems.append(problem_at(spec, wrong.parameter, wrong.message, wrong.help))
        return None


def _cell(
    suite: Suite,
    memory: MemorySpec,
    spec: TaskSpec,
    task: Task,
    device: str,
    problems: list[Problem],
) -> Cell | None:
    found = _lifted(memory, spec, task, problems)
    if found is None:
        return None
    name, settings = found
    entry = registry.get("memory", name)
    if memory.tune and (not task.tunes or name != memory.name):
        why = f"{spec.name} has no validation stream to tune on"
        if task.tunes:
            why = f"'{memory.name}' meets {spec.name} inside {name}, whose parameters are not its"
        problems.append(problem_at(memory, "tune", why, "limit the memory to other tasks"))
        return None
    missing = sorted(flag for flag in task.requires() if not getattr(entry.cls, flag, False))
    if not missing and not _constructible(memory, spec, name, settings, task, problems):
        return None
    takes = params.dictated(entry)
    deterministic = not task.seeded and "generator" not in takes and "backbone" not in takes
    protocol = digest([task.version, spec.name, task.identity(spec.params), task.digest()])
    cell = Cell(
        label=memory.label,
        listed=memory.name,
        memory=name,
        memory_params=settings,
        tune=memory.tune,
        task=spec.name,
        task_label=spec.label,
        task_params=spec.params,
        block=spec.block,
        protocol_hash=protocol,
        code=_code(entry, settings, spec, task),
        seeded=task.seeded,
        varies=task.varies,
        deterministic=deterministic,
        skipped=f"the memory lacks {', '.join(missing)}" if missing else "",
    )
    seeds: Sequence[int | None] = (None,) if deterministic else suite.seeds
    return _with_trials(cell, seeds, device)


def _with_trials(cell: Cell, seeds: Sequence[int | None], device: str) -> Cell:
    kind = device.partition(":")[0]
    identity = [
        cell.protocol_hash, cell.memory, cell.memory_params, cell.tune, cell.code,
        PROTOCOL_VERSION, DTYPE, kind,
    ]  # fmt: skip
    trials = {seed: digest([*identity, seed]) for seed in seeds}
    return replace(cell, trials=trials)


def _lifted(
    memory: MemorySpec, spec: TaskSpec, task: Task, problems: list[Problem]
) -> tuple[str, dict[str, Any]] | None:
    """The class that follows the task's protocol, and its parameters."""
    from memories import lift
    from memories.base import protocol_of

    protocol = protocol_of(registry.get("memory", memory.name).cls)
    if protocol == task.protocol:
        return memory.name, dict(memory.params)
    way = lift.find(protocol, task.protocol)
    if way is None:
        problems.append(
            Problem(
                f"memory '{memory.label}' ({protocol}) cannot meet task '{spec.label}', "
                f"which needs the protocol '{task.protocol}'",
                memory.place,
                help=f"limit the memory to other tasks: tasks: [...], or remove '{spec.label}'",
            )
        )
        return None
    slot = {way.slot: {"name": memory.name, "params": dict(memory.params)}}
    settings, wrong = values.resolve(registry.get("memory", way.through), slot)
    if wrong:  # the slot was validated with the suite; this would be a fault of the lift
        raise AssertionError(f"lift through {way.through}: {wrong[0].message}")
    return way.through, settings


def _constructible(
    memory: MemorySpec,
    spec: TaskSpec,
    name: str,
    settings: Mapping[str, Any],
    task: Task,
    problems: list[Problem],
) -> bool:
    """Whether the memory can be built for this task; what its constructor refuses is a problem."""
    from bench import seeds
    from memories.base import InvalidParameter

    dictated = task.dictates()
    backbone = dictated.get("backbone")
    try:
        if backbone is not None:
            registry.get("backbone", backbone)
    except MembError as wrong:
        first = wrong.problems[0]
        problems.append(problem_at(spec, "backbone", first.message, first.help))
        return False
    try:
        construct.build_memory(name, settings, dictated, seeds.torch_generator(0, seeds.INIT))
    except InvalidParameter as wrong:
        owner = spec if wrong.parameter in spec.params else memory
        problems.append(problem_at(owner, wrong.parameter, wrong.message, wrong.help))
        return False
    return True


def _code(entry: registry.Entry, settings: Mapping[str, Any], spec: TaskSpec, task: Task) -> str:
    files: list[Path] = [*values.source_files(entry, settings)]
    files.append(registry.get("task", spec.name).file)
    if isinstance(name := task.dictates().get("backbone"), str):
        files.append(registry.get("backbone", name).file)
    return digest([fingerprint.code_fingerprint(file) for file in sorted(set(files))])
