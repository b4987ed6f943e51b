"""Memories under test, and codes for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memories.hpm.behaviour import Behaviour
from memories.hpm.core import HierarchicalPrimitiveMemory
from memories.hpm.settings import Settings
from tests.memories.case import generator


def core(
    width: int = 16,
    seed: int = 0,
    *,
    variant: Any = "corrected",
    flags: dict[str, Any] | None = None,
    moved: float = 0.0,
    **settings: Any,
) -> HierarchicalPrimitiveMemory:
    """A memory of a few slots, its weights `moved` by so much noise."""
    behaviour = Behaviour.of(variant, **(flags or {}))
    chosen = Settings(**{"capacity": 8, "behaviour": behaviour, **settings})
    memory = HierarchicalPrimitiveMemory(width, chosen, generator=generator(seed))
    rng = generator(seed + 100)
    with torch.no_grad():
        for weights in memory.parameters():
            weights.add_(moved * torch.randn(weights.shape, generator=rng))
    return memory


def codes(seed: int, n: int, width: int = 16) -> Tensor:
    """Random codes [n, width] of entries about one."""
    return torch.randn(n, width, generator=generator(seed))


def filled(memory: HierarchicalPrimitiveMemory, n: int, seed: int = 7) -> dict[str, Tensor]:
    """The state after n events with ids from zero, in all dynamic banks."""
    keys, values = codes(seed, n, memory.width), codes(seed + 1, n, memory.width)
    banks = {name: values if name == "procedural" else keys for name in memory.settings.dynamic}
    return memory.write(memory.init_state(), keys, banks, torch.arange(n))
