"""Hierarchical primitive memory as its published code has it."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.hpm.behaviour import Variant
from memories.hpm.hpm import Hpm


@memory("hpm-source", family="hpm", source="HPM v2 (peymanrah/SCI-ARC, 2025)")
class HpmSource(Hpm):
    """`hpm` with every behaviour of its published code, as far as two codes can be compared.

    A balance loss without a gradient, cross-attention to banks that were not chosen, empty banks
    that are routed to, frozen primitives that weight decay still moves and that may thaw,
    retrieval of an event by itself. Each flag restores one correction.

    Args:
        variant: Behaviour wherever a flag is null.
        options: As of `hpm`.
    """

    def __init__(self, *arguments: Any, variant: Variant = "source", **options: Any) -> None:
        super().__init__(*arguments, variant=variant, **options)
