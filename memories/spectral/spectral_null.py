"""No memory tokens at all: the encoder alone."""

from __future__ import annotations

from bench.registry import memory
from memories.spectral.spectral_zero import SpectralZero


@memory("spectral-null", family="spectral", source="none")
class SpectralNull(SpectralZero):
    """No tokens: the same encoder and training without a memory.

    State: ``count`` of passes.

    Args:
        token_dim: Width d of the encoder's tokens.
    """

    def __init__(self, token_dim: int) -> None:
        super().__init__(token_dim, tokens=0)
