"""From a name and resolved parameters to an object: memories, tasks, backbones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.reading import params, values

if TYPE_CHECKING:
    import torch

    from memories.base import Memory
    from tasks.base import Task


def build_task(name: str, settings: Mapping[str, Any]) -> Task:
    """The task at one setting of its parameters.

    Raises:
        InvalidParameter: If the task refuses a value.
    """
    entry = registry.get("task", name)
    task: Task = entry.cls(**values.arguments(entry, settings))
    return task


def build_memory(
    name: str,
    settings: Mapping[str, Any],
    dictated: Mapping[str, Any],
    generator: torch.Generator,
) -> Memory:
    """The memory of one seed.

    Args:
        name: Registry name.
        settings: Its own parameters, resolved.
        dictated: What the task gives, of which the memory takes what it needs; a backbone given
            by name is built fresh.
        generator: Source of the seed's initialisation.

    Raises:
        InvalidParameter: If the memory refuses a value.
    """
    entry = registry.get("memory", name)
    given = {**dictated, "generator": generator}
    taken = {word: given[word] for word in params.dictated(entry) if word in given}
    if isinstance(taken.get("backbone"), str):
        taken["backbone"] = build_backbone(taken["backbone"], given)
    memory: Memory = entry.cls(**taken, **values.arguments(entry, settings))
    return memory


def build_backbone(name: str, dictated: Mapping[str, Any]) -> torch.nn.Module:
    """A freshly initialised backbone at its default parameters."""
    entry = registry.get("backbone", name)
    taken = {word: dictated[word] for word in params.dictated(entry) if word in dictated}
    module: torch.nn.Module = entry.cls(**taken)
    return module
