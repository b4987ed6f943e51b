"""The time kernel that the fourth published spectral memory offers as an option."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt

from bench.registry import memory
from memories.spectral.spectral_v4 import SpectralV4
from memories.spectral.stores import Kernel
from memories.spectral.time_kernel import TimeUnits


@memory("spectral-v4-kernel", family="spectral", source="Marquez 2025")
class SpectralV4Kernel(SpectralV4):
    """Tokens as those of `spectral-v4`, of leading filters of the exponential time kernel.

    k = exp(-|t_i - t_j| T / tau) over times t_i = (i - 1) / (T - 1), times tau / (T - 1), with a
    small diagonal; its eigenvectors do not depend on what the rows hold.

    Args:
        token_dim: Width d of the encoder's tokens.
        kernel: What two rows are compared by.
        tau: Time constant, in rows.
        time_units: What the time constant counts.
        options: Other parameters of `SpectralV4`.

    Raises:
        InvalidParameter: If settings contradict each other.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        kernel: Kernel = "exp",
        tau: Annotated[float, Gt(0)] = 64.0,
        time_units: TimeUnits = "v4",
        **options: Any,
    ) -> None:
        super().__init__(
            token_dim,
            kernel=kernel,
            tau=tau,
            time_units=time_units,
            **options,
        )
