"""H-Mem that learns how many of the recalled errors count, and how much each."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.forecasters.hmem.adapting import Count
from memories.forecasters.hmem.hmem import HMem


@memory("hmem-adaptive", family="h-mem", source="H-Mem (2025, unpublished): its AdaptiveCHRC")
class HMemAdaptive(HMem):
    """H-Mem with learned attention over up to ten recalled errors, five of them at first.

    Args:
        sizes: As `HMem` takes them.
        options: Of `HMem`.
    """

    def __init__(
        self, *sizes: Any, adaptive: bool = True, top_k: Count | None = 10, **options: Any
    ) -> None:
        super().__init__(*sizes, adaptive=adaptive, top_k=top_k, **options)
