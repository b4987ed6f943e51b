"""The spectrum of kernels between the contents of rows, through d x d sums instead of T x T."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memories.spectral.eigen import leading, leading_of_rows
from memories.spectral.running_sums import DataKernelName, unit_rows
from memories.spectral.signs import Sign, oriented
from memories.spectral.spectrum import (
    Normalise,
    Spectrum,
    masked,
    normalised,
    scaled,
    without_surplus,
)

FLOORS: dict[DataKernelName, float] = {"empirical": 1e-12, "cosine": 1e-10, "linear": 1e-12}
"""An eigenvalue below this part of the largest is rounding: its pattern is exactly zero."""


@dataclass(frozen=True)
class Conventions:
    """How the spectrum of a data kernel is presented.

    Attributes:
        kernel: See `patterns`.
        scale: Whether components are multiplied by the root of their eigenvalue.
        sign: See `oriented`.
        normalise: See `normalised`.
    """

    kernel: DataKernelName = "empirical"
    scale: bool = True
    sign: Sign = "maxabs"
    normalise: Normalise = "none"

    def spectrum(
        self,
        eigenpairs: tuple[Tensor, Tensor],
        length: Tensor,
        cross: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Spectrum:
        """The spectrum from eigenpairs: surplus removed, signs fixed, components formed.

        Args:
            eigenpairs: Values [K] and vectors [K, d].
            length: T, or the forgetting-weighted number of rows.
            cross: sum_t (h_t / |h_t|) h_t^T [d, d] of the cosine kernel; None otherwise.
            previous: The basis to align with.
        """
        values, basis = eigenpairs
        kept = without_surplus(values, FLOORS[self.kernel])
        values = masked(values, kept)
        basis = oriented(masked(basis, kept), self.sign, previous)
        components = patterns(self.kernel, values, basis, length, cross)
        components = scaled(components, values) if self.scale else components
        components = normalised(components, basis, length, self.normalise)
        return Spectrum(values, basis, components)


def spectrum_of_rows(
    rows: Tensor,
    k: int,
    conventions: Conventions,
    *,
    valid: Tensor | None = None,
    previous: Tensor | None = None,
) -> Spectrum:
    """The spectrum of rows, from whichever of T x T and d x d is smaller.

    Args:
        rows: [T, d]; the precision of the result is theirs.
        k: Number of components.
        conventions: How they are presented.
        valid: Which rows count, bool [T]; all if None.
        previous: The basis to align with.
    """
    used = rows.new_ones(rows.shape[-2]) if valid is None else valid.to(rows.dtype)
    present = (used > 0)[:, None]
    rows, length = torch.where(present, rows, 0.0), used.sum().clamp(min=1)
    x = rows
    if conventions.kernel == "empirical":
        x = torch.where(present, rows - rows.sum(-2, keepdim=True) / length, 0.0)
    elif conventions.kernel == "cosine":
        x = unit_rows(rows)
    narrow = x.shape[-2] >= x.shape[-1]
    values, basis = leading(x.mT @ x, k) if narrow else leading_of_rows(x, k)
    values = values / length if conventions.kernel == "empirical" else values
    cross = x.mT @ rows if conventions.kernel == "cosine" else None
    return conventions.spectrum((values, basis), length, cross, previous)


def patterns(
    kernel: DataKernelName, values: Tensor, basis: Tensor, length: Tensor, cross: Tensor | None
) -> Tensor:
    """What the T x T eigenvectors psi_k make of the rows, C_k = psi_k^T H [K, d], without them.

    A kernel matrix X X^T / c of rows and the matrix X^T X / c of features have the same non-zero
    eigenvalues, and psi_k = X w_k / sqrt(c lambda_k). Hence

    - ``empirical``, X = H - mean, c = T: C_k = sqrt(T lambda_k) w_k;
    - ``linear``, X = H, c = 1: C_k = sqrt(lambda_k) w_k;
    - ``cosine``, X = rows of unit length, c = 1: C_k = w_k^T X^T H / sqrt(lambda_k), where
      X^T H is `cross`.
    """
    if cross is not None:
        return (basis @ cross) / torch.where(values > 0, values, 1.0).sqrt()[..., None]
    size = length * values if kernel == "empirical" else values
    return size.sqrt()[..., None] * basis
