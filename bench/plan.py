"""From a suite to what has to run: cells (memory x task point) and trials (cell x seed), keyed.

A trial key is a hash over everything that can change the result: task and memory with resolved
parameters, data, seed, the code of both, the engine's protocol version, dtype and kind of device.
Same key, same result: a finished trial is never run twice, a changed file never reuses one.
Threads, jobs, paths and order are no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import fingerprint, registry, standing
from bench.errors import MembError, Problem
from bench.reading import params, values
from bench.reading.specs import MemorySpec, Meta, TaskSpec, meets, problem_at
from bench.running import construct
from bench.running.cache import digest
from bench.standing import Sizing, Standing

if TYPE_CHECKING:
    from bench.suite import Suite
    from memories.base import Memory
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
        meta: Budget of the memory's meta-training, ``none`` if it is not trained.
        standing: What tables say about the cell whatever its results.
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
    meta: Meta = "none"
    standing: Standing = field(default_factory=Standing)
    trials: Mapping[int | None, str] = field(default_factory=dict)

    @property
    def cell_key(self) -> str:
        """Identity of the cell over all seeds."""
        return digest([*self.identity, "cell"])

    @property
    def identity(self) -> list[Any]:
        """What a trial's key depends on beside the seed and the machine."""
        return [
            self.protocol_hash, self.memory, self.memory_params, self.tune, self.code,
            *([] if self.meta == "none" else [self.meta]),
            *([self.skipped] if self.skipped else []),
        ]  # fmt: skip

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
    code_of = cache(fingerprint.code_fingerprint)  # a plan sees each file as it is once
    for spec in suite.tasks:
        task = _task(spec, problems)
        if task is None:
            continue
        for memory in suite.memories:
            if meets(memory, spec):
                cell = _cell(suite, memory, spec, task, device, code_of, problems)
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
    code_of: Callable[[Path], str],
    problems: list[Problem],
) -> Cell | None:
    found = _lifted(memory, spec, task, problems)
    if found is None:
        return None
    name, settings = found
    entry = registry.get("memory", name)
    if why := _untunable(memory, spec, name, task):
        problems.append(problem_at(memory, "tune", why, "limit the memory to other tasks"))
        return None
    missing = sorted(flag for flag in task.requires() if not getattr(entry.cls, flag, False))
    skipped = f"the memory lacks {', '.join(missing)}" if missing else ""
    standing = Standing()
    if not skipped:
        built = _built(memory, spec, name, settings, task, problems)
        if built is None:
            return None
        settings, standing, skipped = built
    takes = params.dictated(entry)
    drawn = {"generator", "backbone"} & set(takes) or memory.meta != "none"
    deterministic = not (task.seeded or task.trains or drawn)
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
        code=_code(entry, settings, spec, task, code_of),
        seeded=task.seeded,
        varies=task.varies,
        deterministic=deterministic,
        skipped=skipped,
        meta=memory.meta,
        standing=standing,
    )
    seeds: Sequence[int | None] = (None,) if deterministic else suite.seeds
    return _with_trials(cell, seeds, device)


def _untunable(memory: MemorySpec, spec: TaskSpec, name: str, task: Task) -> str:
    """Why what the suite asks to tune cannot be tuned on a task; empty if it can."""
    if memory.tune and not task.tunes:
        return f"{spec.name} has no validation stream to tune on"
    if memory.tune and name != memory.name:
        return f"'{memory.name}' meets {spec.name} inside {name}, whose parameters are not its"
    return ""


def _with_trials(cell: Cell, seeds: Sequence[int | None], device: str) -> Cell:
    kind = device.partition(":")[0]
    identity = [*cell.identity, PROTOCOL_VERSION, DTYPE, kind]
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


def _built(
    memory: MemorySpec,
    spec: TaskSpec,
    name: str,
    settings: Mapping[str, Any],
    task: Task,
    problems: list[Problem],
) -> tuple[dict[str, Any], Standing, str] | None:
    """Final parameters, standing, and why the pair is skipped after all; None if it is wrong.

    The memory is built once: what its constructor refuses is a problem of the suite.
    """
    from bench import seeds
    from memories.base import InvalidParameter, Unsuitable

    dictated = task.dictates()
    sizing = Sizing(dict(settings), sized=False)
    try:
        if spec.budget is not None:
            sizing = _sized(memory, spec, name, settings, dictated)
        if sizing.refused:
            return sizing.settings, Standing(ranked=False), sizing.refused
        generator = seeds.torch_generator(0, seeds.INIT)
        built = construct.build_memory(name, sizing.settings, dictated, generator)
    except Unsuitable as reason:
        return sizing.settings, Standing(ranked=False), str(reason)
    except InvalidParameter as wrong:
        owner = spec if wrong.parameter in (*spec.params, "budget") else memory
        problems.append(problem_at(owner, wrong.parameter, wrong.message, wrong.help))
        return None
    if memory.meta != "none" and (why := _untrainable(built, task)):
        problems.append(problem_at(memory, "meta", why, "remove meta, or limit it to other tasks"))
        return None
    found = standing.of(
        built,
        budget=spec.budget,
        is_sized=sizing.sized,
        by_state=task.protocol == "associative",
        untrained=memory.meta == "none" and not _untrainable(built, task),
        beside_trained=memory.untrained,
    )
    return sizing.settings, found, ""


def _sized(
    memory: MemorySpec,
    spec: TaskSpec,
    name: str,
    settings: Mapping[str, Any],
    dictated: Mapping[str, Any],
) -> Sizing:
    """The memory sized to the task's budget.

    Raises:
        InvalidParameter: If the task has no keys and values to size for, or the suite itself sets
            what the budget decides.
    """
    from memories.base import InvalidParameter

    if spec.budget is None or not {"key_dim", "value_dim"} <= dictated.keys():
        raise InvalidParameter("budget", f"{spec.name} cannot size memories", "remove budget")
    sizing = standing.sized(
        registry.get("memory", name), settings, memory.places, spec.budget, dictated
    )
    for parameter, value in sizing.settings.items():
        if parameter in memory.places and value != settings.get(parameter):
            raise InvalidParameter(
                parameter,
                f"is set to {settings[parameter]}, and the budget of {spec.label} sets it to "
                f"{value}",
                "set it for tasks without a budget only",
            )
    return sizing


def _untrainable(memory: Memory, task: Task) -> str:
    """Why a memory cannot be meta-trained for a task; empty if it can."""
    if not any(parameter.requires_grad for parameter in memory.parameters()):
        return "it has no slow weights to train"
    if task.curriculum() is None:
        return "the task has no training episodes"
    return ""


def _code(
    entry: registry.Entry,
    settings: Mapping[str, Any],
    spec: TaskSpec,
    task: Task,
    code_of: Callable[[Path], str],
) -> str:
    files: list[Path] = [*values.source_files(entry, settings)]
    files += values.source_files(registry.get("task", spec.name), spec.params)
    if isinstance(name := task.dictates().get("backbone"), str):
        files.append(registry.get("backbone", name).file)
    return digest([code_of(file) for file in sorted(set(files))])
