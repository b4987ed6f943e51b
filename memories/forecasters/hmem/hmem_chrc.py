"""H-Mem's second stage alone, as its authors used it last."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge

from bench.registry import memory
from memories.forecasters.hmem.correction import Gate, HorizonMask
from memories.forecasters.hmem.hmem import HMem


@memory("hmem-chrc", family="h-mem", source="H-Mem (2025, unpublished): its later, CHRC-only form")
class HMemCHRC(HMem):
    """H-Mem without its fast memory: a frozen backbone corrected by remembered errors.

    The confidence sees four numbers of forecast and correction instead of both, the largest
    similarity gates the correction, and later leads are corrected less. There is no warm-up:
    nothing else would learn in it.

    Args:
        sizes: As `HMem` takes them.
        options: Of `HMem`.
    """

    def __init__(
        self,
        *sizes: Any,
        snma: bool = False,
        gate: Gate = "stats",
        similarity_gate: bool = True,
        horizon_mask: HorizonMask = "exp",
        warmup_steps: Annotated[int, Ge(0)] = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            *sizes,
            snma=snma,
            gate=gate,
            similarity_gate=similarity_gate,
            horizon_mask=horizon_mask,
            warmup_steps=warmup_steps,
            **options,
        )
