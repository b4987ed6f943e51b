"""Functions of a symmetric matrix through its eigenvalues, with gradients at every spectrum.

The gradient of an eigenvector grows without bound as two eigenvalues meet; that of a function of
the matrix does not. For F(A) = sum_i f(l_i) q_i q_i^T the change is
dF = Q ((f_i - f_j)/(l_i - l_j) * Q^T dA Q) Q^T, elementwise in i, j (Daleckii & Krein 1965), and no
difference of close numbers is met where the quotient is given in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RELATIVE_FLOOR = 1e-10
"""Eigenvalues at or below this share of the largest count as zero: a singular value of 1e-5."""


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues and eigenvectors of a symmetric matrix [n, n], constants to any gradient.

    Attributes:
        values: [n], descending.
        vectors: [n, n], one per column; NaN if the matrix has a number that is not finite.
        change: What the matrix adds to its own value, in the basis of `vectors` [n, n]: zero, with
            the gradient of the matrix; None where no gradient is asked for.
    """

    values: Tensor
    vectors: Tensor
    change: Tensor | None

    def levels(self) -> Tensor:
        """The eigenvalues [n] with their gradient; at equal ones that of a basis at random."""
        return self.values if self.change is None else self.values + self.change.diagonal()

    def principal(self, components: int) -> Tensor:
        """Which eigenvalues [n] are among the largest ones and do not count as zero, as bool."""
        index = torch.arange(self.values.shape[0], device=self.values.device)
        return (index < components) & (self.values > RELATIVE_FLOOR * self.values[0])


def decompose(matrix: Tensor) -> Spectrum:
    """The spectrum of the symmetric part of a matrix [n, n].

    One lane that is not finite stays so by itself: an eigensolver would raise for all.
    """
    symmetric = (matrix + matrix.mT) / 2
    constant = symmetric.detach()
    finite = constant.isfinite().all()
    ascending, vectors = torch.linalg.eigh(torch.where(finite, constant, 0.0))
    vectors = torch.where(finite, vectors.flip(-1), torch.nan)
    change = None
    if torch.is_grad_enabled() and symmetric.requires_grad:
        change = vectors.mT @ (symmetric - constant) @ vectors
    return Spectrum(ascending.flip(-1), vectors, change)


def matrix_function(spectrum: Spectrum, weights: Tensor, kept: Tensor, slopes: Tensor) -> Tensor:
    """F [n, n] = sum over the kept i of weights_i q_i q_i^T.

    Where a kept eigenvalue equals one that is not, F is not differentiable, and what their pair
    would add to the gradient is left out.

    Args:
        spectrum: Of the matrix A.
        weights: f(l_i) [n]; a gradient may pass through what f depends on beside A.
        kept: Bool [n].
        slopes: (f_i - f_j)/(l_i - l_j) [n, n] for kept i and j, f'(l_i) where l_i = l_j.
    """
    vectors = spectrum.vectors
    weights = torch.where(kept, weights, 0.0)
    function = (vectors * weights) @ vectors.mT
    if spectrum.change is None:
        return function
    quotients = divided_differences(spectrum.values, weights, kept, slopes).detach()
    return function + vectors @ (quotients * spectrum.change) @ vectors.mT


def divided_differences(values: Tensor, weights: Tensor, kept: Tensor, slopes: Tensor) -> Tensor:
    """(f_i - f_j)/(l_i - l_j) [n, n] of a function that is zero where it is not kept."""
    gaps = values[:, None] - values
    one_kept = kept[:, None] ^ kept
    apart = one_kept & (gaps != 0)
    across = (weights[:, None] - weights) / torch.where(apart, gaps, 1.0)
    both_kept = kept[:, None] & kept
    return torch.where(both_kept, slopes, torch.where(apart, across, 0.0))
