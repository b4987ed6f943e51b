"""The fourth published spectral memory: principal components of one row per batch."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.base import MemoryEval, TrainMemory
from memories.spectral.heads import HeadName
from memories.spectral.signs import Sign
from memories.spectral.spectrum import Normalise
from memories.spectral.stores import Kernel
from memories.spectral.summary import Pool, RowPer
from memories.spectral.token_memory import Size, SpectralMemory


@memory("spectral-v4", family="spectral", source="Marquez 2025")
class SpectralV4(SpectralMemory):
    """Tokens of a dense network over the scaled principal components of the rows of an epoch.

    C_k = sqrt(lambda_k) psi_k^T (H - mean) for the eigenvectors psi_k of the centred T x T matrix
    of rows, which is sqrt(T) lambda_k w_k for the principal components (lambda_k, w_k) of
    features. A row is the mean over all windows and channels of a batch, pooled by weights that
    are drawn and never trained.

    As published the memory is emptied before validation and before the test and written in
    training alone: every forecast that is scored sees M zero tokens (`memory_eval` empty).

    Args:
        token_dim: Width d of the encoder's tokens.
        kernel: What two rows are compared by.
        components: Eigenpairs K.
        tokens: Tokens M.
        window: Newest rows that count, T_max.
        head: Network from components to tokens.
        sign: Convention for the sign of directions.
        normalise: What components are divided by.
        pool: Weights of positions in a summary.
        row_per: What a row stands for.
        memory_eval: What the memory holds in evaluation.
        train_memory: What it holds in training.
        options: Other parameters of `SpectralMemory`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        kernel: Kernel = "empirical",
        components: Size = 16,
        tokens: Size = 4,
        window: Size | None = 3000,
        head: HeadName = "dense",
        sign: Sign = "raw",
        normalise: Normalise = "none",
        pool: Pool = "attn-frozen",
        row_per: RowPer = "batch",
        memory_eval: MemoryEval = "empty",
        train_memory: TrainMemory = "trajectory",
        **options: Any,
    ) -> None:
        super().__init__(
            token_dim,
            kernel=kernel,
            components=components,
            tokens=tokens,
            window=window,
            head=head,
            sign=sign,
            normalise=normalise,
            pool=pool,
            row_per=row_per,
            memory_eval=memory_eval,
            train_memory=train_memory,
            **options,
        )
