"""Least squares on the principal directions of the keys, from second moments alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memories.spectral.matrix_function import decompose, matrix_function


@dataclass(frozen=True)
class PrincipalRegression:
    """The map W [m, V] = sum_(i <= K) q_i q_i^T cross / (l_i + ridge), l_i q_i those of `gram`.

    With ridge 0 this is principal-component regression (Massy 1965), and with K = m the
    least-squares fit of least norm (Penrose 1956).

    Attributes:
        gram: Sum of x x^T over keys x, [m, m].
        cross: Sum of x v^T, [m, V].
        components: K; eigenvalues that count as zero are left out besides.
        ridge: Scalar.
    """

    gram: Tensor
    cross: Tensor
    components: int
    ridge: Tensor

    def weights(self) -> Tensor:
        """W [m, V]."""
        return self._inverse() @ self.cross

    def familiarity(self, queries: Tensor) -> Tensor:
        """How much of each query [Q, m] the directions of the map explain, in [0, 1].

        sqrt(sum_(i <= K) (q_i . x)^2 l_i / (l_i + ridge)) / |x|: without a ridge the length of the
        part of x within the principal directions, as a share of its own. Zero for a zero query.
        """
        explained = ((queries @ self._inverse() @ self.gram) * queries).sum(-1)
        squared = (queries * queries).sum(-1)
        share = torch.where(squared > 0, explained / torch.where(squared > 0, squared, 1.0), 0.0)
        return share.clamp(0, 1).sqrt()

    def _inverse(self) -> Tensor:
        """The inverse [m, m] of gram + ridge I on the directions that are kept."""
        spectrum = decompose(self.gram)
        kept = spectrum.principal(self.components)
        shifted = torch.where(kept, spectrum.values + self.ridge, 1.0)
        inverse = torch.where(kept, shifted.reciprocal(), 0.0)
        return matrix_function(spectrum, inverse, kept, -torch.outer(inverse, inverse))
