"""H-Mem's first stage alone."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.forecasters.hmem.hmem import HMem


@memory("hmem-snma", family="h-mem", source="H-Mem (2025, unpublished): ablation")
class HMemSNMA(HMem):
    """H-Mem without its bank: a backbone adapted by low-rank weights from a fast memory.

    Args:
        sizes: As `HMem` takes them.
        chrc: Whether forecasts are corrected.
        options: Of `HMem`.
    """

    def __init__(self, *sizes: Any, chrc: bool = False, **options: Any) -> None:
        super().__init__(*sizes, chrc=chrc, **options)
