"""The spectral memory that its first description spells out."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt

from bench.registry import memory
from memories.spectral.heads import HeadName
from memories.spectral.spectrum import Normalise
from memories.spectral.stores import Kernel
from memories.spectral.time_kernel import TimeUnits
from memories.spectral.token_memory import Size, SpectralMemory


@memory("spectral-readme", family="spectral", source="Marquez 2025")
class SpectralReadme(SpectralMemory):
    """Tokens from raw rows filtered by the exponential time kernel, through a bottleneck.

    The equations of the accompanying text, which no published version follows exactly: kernel
    exp(-|i - j| / tau) in rows, patterns P = H^T V neither centred nor scaled, K = 32 and M = 8.

    Args:
        token_dim: Width d of the encoder's tokens.
        kernel: What two rows are compared by.
        components: Eigenpairs K.
        tokens: Tokens M.
        window: Newest rows that count, T_max.
        head: Network from components to tokens.
        scale: Whether a component is multiplied by the root of its eigenvalue.
        centre: Whether the kernel filters deviations from the mean row.
        normalise: What components are divided by.
        tau: Time constant, in rows.
        time_units: What the time constant counts.
        options: Other parameters of `SpectralMemory`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        kernel: Kernel = "exp",
        components: Size = 32,
        tokens: Size = 8,
        window: Size | None = 3000,
        head: HeadName = "bottleneck",
        scale: bool = False,
        centre: bool = False,
        normalise: Normalise = "none",
        tau: Annotated[float, Gt(0)] = 64.0,
        time_units: TimeUnits = "steps",
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
            centre=centre,
            normalise=normalise,
            tau=tau,
            time_units=time_units,
            **options,
        )
