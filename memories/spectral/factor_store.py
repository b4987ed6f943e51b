"""A factor of r rows in place of all rows: O(r d) numbers, exact up to rank r."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from memories.base import State
from memories.spectral.data_kernel import Conventions
from memories.spectral.low_rank import (
    eigenpairs_of,
    shrunk_factor,
    updated_centred_factor,
    updated_factor,
)
from memories.spectral.row_store import RowStore
from memories.spectral.spectrum import Spectrum

FactorUpdate = Literal["incremental-svd", "frequent-directions"]


class Factor(RowStore):
    """S V^T of everything written, truncated to r rows at every write.

    Args:
        width: d.
        rank: r.
        components: K.
        conventions: How the spectrum is presented; kernel ``empirical`` or ``linear``.
        update: Incremental singular value decomposition, or the Frequent Directions sketch.
    """

    def __init__(
        self,
        width: int,
        rank: int,
        components: int,
        conventions: Conventions,
        *,
        update: FactorUpdate,
    ) -> None:
        super().__init__()
        self.width, self.rank, self.components = width, rank, components
        self.conventions, self.update = conventions, update

    @property
    def centred(self) -> bool:
        """Whether the scatter about the mean is kept instead of second moments."""
        return self.conventions.kernel == "empirical"

    def start(self, like: Tensor) -> dict[str, Tensor]:
        """``factor`` [r, d], and ``mean`` [d] where rows are centred."""
        factor = torch.zeros(self.rank, self.width, dtype=torch.float64, device=like.device)
        return {"factor": factor, "mean": factor[0]} if self.centred else {"factor": factor}

    def appended(self, state: State, rows: Tensor, times: Tensor | None) -> dict[str, Tensor]:  # noqa: ARG002
        """The factor with the new rows, all in one update."""
        rows = rows.double()
        if self.update == "frequent-directions":
            return {"factor": shrunk_factor(state["factor"], rows)}
        if not self.centred:
            return {"factor": updated_factor(state["factor"], rows)}
        weight = state["count"].double()
        factor, mean = updated_centred_factor(state["factor"], state["mean"], weight, rows)
        return {"factor": factor, "mean": mean}

    def spectrum(self, state: State, previous: Tensor | None) -> Spectrum:
        """The spectrum of the factor."""
        length = state["count"].clamp(min=1).double()
        values, basis = eigenpairs_of(state["factor"], self.components)
        values = values / length if self.centred else values
        return self.conventions.spectrum((values, basis), length, None, previous)
