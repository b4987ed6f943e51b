"""The first published spectral memory: a bank of temporal filters in the wrong unit."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt

from bench.registry import memory
from memories.base import MemoryEval, TrainMemory
from memories.spectral.heads import HeadName
from memories.spectral.spectrum import Normalise
from memories.spectral.stores import Kernel
from memories.spectral.summary import RowPer
from memories.spectral.time_kernel import TimeUnits
from memories.spectral.token_memory import Size, SpectralMemory


@memory("spectral-v1", family="spectral", source="Marquez 2025")
class SpectralV1(SpectralMemory):
    """Tokens from the exponential time kernel whose distance and constant differ in unit.

    Times count rows, but the constant is divided by their number (`time_units` v1-bug): with 4096
    rows neighbours have a correlation of 3e-19 and the kernel is numerically the identity, so that
    an eigensolver returns arbitrary coordinates. Here its eigenvectors are those of the matrix in
    exact arithmetic, by their closed form. Patterns are neither centred nor normalised.

    As published it also wrote while it was evaluated, in whatever order batches came, and carried
    windows of the test into the next epoch; that is not offered. Here windows are written in the
    order of time, each after it was forecast.

    Args:
        token_dim: Width d of the encoder's tokens.
        kernel: What two rows are compared by.
        components: Eigenpairs K.
        tokens: Tokens M.
        window: Newest rows that count, T_max.
        head: Network from components to tokens.
        centre: Whether the kernel filters deviations from the mean row.
        normalise: What components are divided by.
        tau: Time constant, in rows.
        time_units: What the time constant counts.
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
        kernel: Kernel = "exp",
        components: Size = 16,
        tokens: Size = 8,
        window: Size | None = 4096,
        head: HeadName = "bottleneck",
        centre: bool = False,
        normalise: Normalise = "none",
        tau: Annotated[float, Gt(0)] = 96.0,
        time_units: TimeUnits = "v1-bug",
        row_per: RowPer = "window",
        memory_eval: MemoryEval = "stream",
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
            centre=centre,
            normalise=normalise,
            tau=tau,
            time_units=time_units,
            row_per=row_per,
            memory_eval=memory_eval,
            train_memory=train_memory,
            resets=resets,
            **options,
        )
