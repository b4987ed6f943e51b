"""H-Mem with fast memories of three time constants."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.forecasters.hmem.hmem import HMem


@memory("hmem-multiscale", family="h-mem", source="H-Mem (2025, unpublished): extension sketch")
class HMemMultiscale(HMem):
    """H-Mem whose memory is three: they forget within 10, 100 and 1000 steps.

    Args:
        sizes: As `HMem` takes them.
        options: Of `HMem`.
    """

    def __init__(self, *sizes: Any, scales: bool = True, **options: Any) -> None:
        super().__init__(*sizes, scales=scales, **options)
