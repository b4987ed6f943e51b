"""The third published spectral memory: the second, longer, behind a gate that starts closed."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.spectral.spectral_v2 import SpectralV2
from memories.spectral.token_memory import Size


@memory("spectral-v3", family="spectral", source="Marquez 2025")
class SpectralV3(SpectralV2):
    """Tokens as those of `spectral-v2`, with K = 32 over 3000 rows, multiplied by tanh(g).

    The learned scalar g starts at zero: tokens are zero at first, but the gradient with respect to
    g is not.

    Args:
        token_dim: Width d of the encoder's tokens.
        components: Eigenpairs K.
        window: Newest rows that count, T_max.
        gated: Whether tokens are multiplied by tanh(g), a learned scalar that starts at zero.
        options: Other parameters of `SpectralV2`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        components: Size = 32,
        window: Size | None = 3000,
        gated: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            token_dim,
            components=components,
            window=window,
            gated=gated,
            **options,
        )
