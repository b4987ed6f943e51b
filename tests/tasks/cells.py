"""Running one cell in memory: a task and a memory by name, without a suite, a store or a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench import registry
from bench.plan import Cell
from bench.reading import values
from bench.running import construct
from bench.running.workbench import Workbench
from tasks.base import Outcome, Task

Settings = Mapping[str, Any]


def resolved(kind: Any, name: str, given: Settings | None) -> dict[str, Any]:
    params, wrong = values.resolve(registry.get(kind, name), given or {})
    assert not wrong, wrong
    return params


def cell(
    memory: str,
    task: str,
    task_params: Settings | None = None,
    memory_params: Settings | None = None,
    tune: Mapping[str, Sequence[Any]] | None = None,
) -> Cell:
    """A cell as a plan would make it; keys and fingerprints, which no task reads, are names."""
    settings = resolved("task", task, task_params)
    built = construct.build_task(task, settings)
    return Cell(
        label=memory,
        listed=memory,
        memory=memory,
        memory_params=resolved("memory", memory, memory_params),
        tune=dict(tune or {}),
        task=task,
        task_label=task,
        task_params=settings,
        block=task,
        protocol_hash="protocol",
        code="code",
        seeded=built.seeded,
        varies=built.varies,
        deterministic=False,
        skipped="",
    )


def task_of(made: Cell) -> Task:
    return construct.build_task(made.task, made.task_params)


def run(made: Cell, seeds: Sequence[int], **options: Any) -> list[Outcome]:
    """The outcomes of a cell's seeds; `options` go to the workbench."""
    return task_of(made).run(Workbench(made, seeds, **options))


def metric(outcome: Outcome, name: str, x: float | None = None) -> float:
    """The one value of that name and coordinate."""
    found = [m.value for m in outcome.metrics if m.name == name and m.x == x]
    assert len(found) == 1, f"{len(found)} metrics {name} at {x} in {outcome}"
    return found[0]


def curve(outcome: Outcome, name: str) -> dict[float, float]:
    """Value by coordinate."""
    return {m.x: m.value for m in outcome.metrics if m.name == name and m.x is not None}


def numbers(outcome: Outcome) -> dict[tuple[str, float | None], float]:
    """Every metric's value by name and coordinate."""
    return {(m.name, m.x): m.value for m in outcome.metrics}
