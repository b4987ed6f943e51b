"""Which pairs of a suite a call is about: ``--only``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bench.errors import MembError, Problem, nearest
from bench.reading.specs import MemorySpec, Spec, TaskSpec, meets

Pair = tuple[MemorySpec, TaskSpec]


def choose(
    memories: Sequence[MemorySpec], tasks: Sequence[TaskSpec], patterns: Sequence[str]
) -> tuple[tuple[MemorySpec, ...], tuple[TaskSpec, ...]]:
    """The memories and tasks of the pairs that fit a pattern, limited to those pairs.

    Args:
        memories: All memories of the suite.
        tasks: All tasks of the suite.
        patterns: Each a pattern (as of `fnmatch`) on a memory's label or a task's label, or
            ``memory:task``. A label without its grid point means all points of the grid.

    Raises:
        MembError: If a pattern fits no pair.
    """
    pairs = [(m, t) for t in tasks for m in memories if meets(m, t)]
    useless = [pattern for pattern in patterns if not any(_fits(p, pattern) for p in pairs)]
    if useless:
        labels = [*(m.label for m in memories), *(t.label for t in tasks)]
        listed = ", ".join(labels)
        raise MembError(
            [
                Problem(
                    "nothing in the suite fits",
                    place=f"--only {pattern}",
                    help=f"{nearest(pattern, labels)} it has {listed}".strip(),
                )
                for pattern in useless
            ]
        )
    kept = [pair for pair in pairs if any(_fits(pair, pattern) for pattern in patterns)]
    kept_tasks = tuple(task for task in tasks if any(task is t for _, t in kept))
    kept_memories = []
    for memory in memories:
        of_memory = tuple(t.label for m, t in kept if m is memory)
        if of_memory:
            kept_memories.append(replace(memory, tasks=of_memory))
    return tuple(kept_memories), kept_tasks


def _fits(pair: Pair, pattern: str) -> bool:
    memory, task = pair
    if _names(pattern, memory) or _names(pattern, task):
        return True
    of_memory, colon, of_task = pattern.partition(":")
    return bool(colon) and _names(of_memory, memory) and _names(of_task, task)


def _names(pattern: str, spec: Spec) -> bool:
    # compared as text too: the brackets of a grid point are a character class to fnmatch
    labels = (spec.label, spec.base)
    return pattern in labels or any(fnmatchcase(label, pattern) for label in labels)
