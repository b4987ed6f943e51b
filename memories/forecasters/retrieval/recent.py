"""The control of every error bank: the newest errors, whatever was observed."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import nn

from bench.registry import memory
from memories.forecasters.retrieval.default_bank import DefaultBank
from memories.forecasters.retrieval.errorbank import ErrorBank


@memory("recent", family="retrieval", source="control of H-Mem's error bank: no query")
class Recent(ErrorBank):
    """Adds to each forecast a mean of the backbone's newest fully known errors.

    The mean of the `top_k` newest, weighted by e^(decay^age / T), age 1 for the error of origin
    t-H: an error bank that ignores its query. A bank that is no better than this has not found
    anything by its keys.

    State: as of `errorbank`, with a bank of `top_k` slots.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        top_k: Errors in the mean; more cannot be recalled, so more are not kept.
        decay: Similarity of an error per step of its age.
        temperature: T.
        min_entries: Errors that must have been stored before a forecast is corrected.
        strength: Factor on the mean.
        max_correction: Largest absolute correction, in standard deviations of the training rows.
        generator: Draws nothing.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        top_k: Annotated[int, Ge(1)] = 5,
        decay: Annotated[float, Gt(0), Lt(1)] = 0.995,
        temperature: Annotated[float, Gt(0)] = 0.1,
        min_entries: Annotated[int, Ge(1)] = 10,
        strength: Annotated[float, Ge(0), Le(1)] = 1.0,
        max_correction: Annotated[float, Gt(0)] = 5.0,
        generator: torch.Generator,
    ) -> None:
        settings = {
            "preset": "recent",
            "top_k": top_k,
            "decay": decay,
            "temperature": temperature,
            "min_entries": 1,
        }
        super().__init__(
            channels,
            lookback,
            horizon,
            backbone,
            memory=DefaultBank({**settings, "capacity": top_k}),
            key_ratio=1 / horizon,
            capacity=top_k,
            min_entries=min_entries,
            strength=strength,
            max_correction=max_correction,
            generator=generator,
        )
