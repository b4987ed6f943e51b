"""Two small encoders that take memory tokens, and forecasters that read them untrained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memories.backbones.itransformer import ITransformer
from memories.backbones.spectral_former import SpectralFormer
from memories.backbones.tokens import TokenBackbone
from memories.forecasters.spectral.spectral_analogue import SpectralAnalogue
from memories.forecasters.spectral.spectral_online import SpectralOnline
from tests.memories.forecasters.online.walks import CHANNELS, HORIZON, LOOKBACK, PERIOD, generator

WIDTH = 8
ROWS = 73
BORDER = 55
"""First validation row: 45 training windows come before."""


def stream(seed: int = 2) -> Tensor:
    """Rows [73, C] of a noisy season on a random walk."""
    noise = torch.randn(ROWS, CHANNELS, generator=generator(seed))
    t = torch.arange(ROWS)[:, None]
    return torch.sin(2 * torch.pi * t / PERIOD) + 0.3 * noise + 0.1 * noise.cumsum(0)


def former(seed: int = 1, dropout: float = 0.1) -> TokenBackbone:
    return SpectralFormer(
        CHANNELS, LOOKBACK, HORIZON, width=WIDTH, heads=2, feedforward=8, layers=1, patch=4,
        dropout=dropout, generator=generator(seed),
    )  # fmt: skip


def inverted(seed: int = 1, dropout: float = 0.1) -> TokenBackbone:
    return ITransformer(
        CHANNELS, LOOKBACK, HORIZON, width=WIDTH, heads=2, feedforward=8, layers=1,
        dropout=dropout, generator=generator(seed),
    )  # fmt: skip


ENCODERS = {"spectral-former": former, "itransformer": inverted}


def online(encoder: TokenBackbone | None = None, seed: int = 3, **params: Any) -> SpectralOnline:
    """With four components, for a memory that is warm soon."""
    return SpectralOnline(
        LOOKBACK,
        HORIZON,
        former() if encoder is None else encoder,
        generator=generator(seed),
        **{"components": 4, **params},
    )


def analogue(
    encoder: TokenBackbone | None = None, seed: int = 3, **params: Any
) -> SpectralAnalogue:
    """With keys of six, four components, and a weight that shows."""
    own = {"components": 4, "analogue_dim": 6, "analogue_components": 4, "analogue_weight": 0.25}
    return SpectralAnalogue(
        CHANNELS,
        LOOKBACK,
        HORIZON,
        former() if encoder is None else encoder,
        generator=generator(seed),
        **{**own, **params},
    )


def reading(forecaster: Any) -> Any:
    """The forecaster as if it had been trained: its encoder reads tokens."""
    forecaster.reads_tokens.fill_(True)
    return forecaster


def data(rows: Tensor, border: int = BORDER) -> dict[str, Tensor]:
    return {"train": rows[:border], "validation": rows[border:]}
