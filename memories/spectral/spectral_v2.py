"""The second published spectral memory: directions of many channels, mixed linearly."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.base import MemoryEval, TrainMemory
from memories.spectral.heads import HeadName
from memories.spectral.signs import Sign
from memories.spectral.spectrum import Normalise
from memories.spectral.stores import Kernel
from memories.spectral.summary import RowPer
from memories.spectral.token_memory import Size, SpectralMemory


@memory("spectral-v2", family="spectral", source="Marquez 2025")
class SpectralV2(SpectralMemory):
    """Tokens from the cosine kernel of raw rows, a row per window and channel, mixed linearly.

    Patterns are P = H^T V for the eigenvectors V of the matrix of cosines, neither centred nor
    scaled. Nothing empties the memory: in evaluation tokens are constants that training left.
    Where the rows span fewer than K directions, the surplus patterns are zero; as published they
    are what rounding makes of the null space.

    Args:
        token_dim: Width d of the encoder's tokens.
        kernel: What two rows are compared by.
        components: Eigenpairs K.
        tokens: Tokens M.
        window: Newest rows that count, T_max.
        head: Network from components to tokens.
        scale: Whether a component is multiplied by the root of its eigenvalue.
        sign: Convention for the sign of directions.
        normalise: What components are divided by.
        row_per: What a row stands for.
        memory_eval: What the memory holds in evaluation.
        train_memory: What it holds in training.
        resets: Whether the memory is emptied before each phase.
        options: Other parameters of `SpectralMemory`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        kernel: Kernel = "cosine",
        components: Size = 16,
        tokens: Size = 4,
        window: Size | None = 2048,
        head: HeadName = "mix",
        scale: bool = False,
        sign: Sign = "raw",
        normalise: Normalise = "none",
        row_per: RowPer = "window-channel",
        memory_eval: MemoryEval = "frozen-train",
        train_memory: TrainMemory = "trajectory",
        resets: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            token_dim,
            kernel=kernel,
            components=components,
            tokens=tokens,
            window=window,
            head=head,
            scale=scale,
            sign=sign,
            normalise=normalise,
            row_per=row_per,
            memory_eval=memory_eval,
            train_memory=train_memory,
            resets=resets,
            **options,
        )
