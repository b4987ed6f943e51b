"""H-Mem as its implementation guide of 2025 has it, in a causal loop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge

from bench.registry import memory
from memories.forecasters.hmem.correcting import Positive
from memories.forecasters.hmem.hmem import Amount, HMem
from memories.forecasters.hmem.snma import Surprise, Update
from memories.slots.bank_presets import PresetName


@memory("hmem-v1", family="h-mem", source="H-Mem (2025, unpublished): its implementation guide")
class HMemV1(HMem):
    """H-Mem with a gated memory, one narrow hypernetwork and a gate that fuses both stages.

    What the guide does otherwise: surprise as an error of predicting row from row, an unbounded
    hypernetwork that starts at random, keys of flattened rows, a correction that is the refined
    error without a quality and without a limit, the errors of corrected forecasts in the bank,
    a penalty where adaptation loses to the backbone, and a cosine schedule at ten times the rate.

    Args:
        sizes: As `HMem` takes them.
        options: Of `HMem`.
    """

    def __init__(
        self,
        *sizes: Any,
        surprise: Surprise = "ar",
        update: Update = "gated-momentum",
        hypernet: Literal["flat", "per-layer"] = "flat",
        b_init: Literal["zero", "default"] = "default",
        bank_preset: PresetName = "guide",
        key_encoder: Literal["pooled", "flat", "shared"] = "flat",
        quality: bool = False,
        refiner_init: Literal["zero", "default"] = "default",
        fusion: bool = True,
        max_correction: Positive | None = None,
        store: Literal["final", "adapted", "base"] = "final",
        gain_penalty: Amount = 0.1,
        clip: Positive | None = None,
        online_lr: Annotated[float, Ge(0)] = 1e-4,
        schedule: Literal["const", "cosine"] = "cosine",
        **options: Any,
    ) -> None:
        super().__init__(
            *sizes,
            surprise=surprise,
            update=update,
            hypernet=hypernet,
            b_init=b_init,
            bank_preset=bank_preset,
            key_encoder=key_encoder,
            quality=quality,
            refiner_init=refiner_init,
            fusion=fusion,
            max_correction=max_correction,
            store=store,
            gain_penalty=gain_penalty,
            clip=clip,
            online_lr=online_lr,
            schedule=schedule,
            **options,
        )
