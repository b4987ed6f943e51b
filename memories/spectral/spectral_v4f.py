"""The fourth published spectral memory with a network per component."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.spectral.heads import HeadName
from memories.spectral.spectral_v4 import SpectralV4


@memory("spectral-v4f", family="spectral", source="Marquez 2025")
class SpectralV4F(SpectralV4):
    """Tokens as those of `spectral-v4` from a network that every component passes alone.

    12 times fewer weights than the dense head at d = 512.

    Args:
        token_dim: Width d of the encoder's tokens.
        head: Network from components to tokens.
        options: Other parameters of `SpectralV4`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        head: HeadName = "diamond",
        **options: Any,
    ) -> None:
        super().__init__(
            token_dim,
            head=head,
            **options,
        )
