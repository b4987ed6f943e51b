"""From a name and resolved parameters to an object: memories, tasks, backbones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.reading import params, values

if TYPE_CHECKING:
    import torch

    from memories.base import BackboneSlot, Memory
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
        dictated: What the task gives, of which the memory takes what it needs; a backbone that is
            only named is built fresh.
        generator: Source of the seed's initialisation.

    Raises:
        InvalidParameter: If the memory refuses a value.
    """
    from memories.base import BackboneSlot

    entry = registry.get("memory", name)
    given = {**dictated, "generator": generator}
    taken = {word: given[word] for word in params.dictated(entry) if word in given}
    if isinstance(taken.get("backbone"), str | BackboneSlot):
        taken["backbone"] = build_backbone(taken["backbone"], given)
    memory: Memory = entry.cls(**taken, **values.arguments(entry, settings))
    return memory


def build_backbone(choice: str | BackboneSlot, dictated: Mapping[str, Any]) -> torch.nn.Module:
    """A freshly initialised backbone.

    Args:
        choice: Its name, for its default parameters, or its name and parameters.
        dictated: Sizes and the generator, of which it takes what it needs.

    Raises:
        InvalidParameter: Of ``backbone``, if it refuses a value or cannot be trained.
    """
    from memories.backbones.trainable import require_trainable
    from memories.base import BackboneSlot, InvalidParameter

    chosen = BackboneSlot(choice) if isinstance(choice, str) else choice
    entry = registry.get("backbone", chosen.name)
    taken = {word: dictated[word] for word in params.dictated(entry) if word in dictated}
    try:
        module: torch.nn.Module = entry.cls(**taken, **values.arguments(entry, chosen.params))
    except InvalidParameter as wrong:
        message = f"{wrong.parameter} of {chosen.name} {wrong.message}"
        raise InvalidParameter("backbone", message, wrong.help) from wrong
    require_trainable(chosen.name, module)
    return module
