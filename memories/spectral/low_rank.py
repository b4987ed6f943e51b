"""Spectra of a stream of rows in O(r d) numbers: a factor of r rows in place of d x d sums."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.spectral.eigen import despite_nan, padded


def principal_factor(rows: Tensor, rank: int) -> Tensor:
    """The [rank, d] matrix S V^T of the singular value decomposition of rows [n, d]."""

    def solve(x: Tensor) -> tuple[Tensor, ...]:
        _, singular, vectors = torch.linalg.svd(x, full_matrices=False)
        return singular, vectors

    singular, vectors = despite_nan(solve, rows)
    singular, vectors = padded(singular, vectors, rank)
    return singular[..., None] * vectors


def updated_factor(factor: Tensor, rows: Tensor) -> Tensor:
    """The factor [r, d] of the second moments after rows [n, d] joined (Brand 2006).

    X^T X stays equal to F^T F while all rows so far span no more than r dimensions; beyond that
    the smallest direction is dropped at each update.
    """
    return principal_factor(torch.cat([factor, rows]), factor.shape[-2])


def updated_centred_factor(
    factor: Tensor, mean: Tensor, weight: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """The factor [r, d] of the scatter about the mean, and the mean [d], after rows [n, d] joined.

    With m and n rows before and now, the joint scatter is the sum of both and of
    m n / (m + n) (mean' - mean)(mean' - mean)^T (Ross et al. 2008).

    Args:
        factor: [r, d].
        mean: [d] of the rows so far.
        weight: Their number m, a scalar.
        rows: [n, d], n >= 1.
    """
    n = rows.shape[-2]
    own = rows.mean(-2)
    total = weight + n
    moved = (weight * n / total).sqrt() * (own - mean)
    stacked = torch.cat([factor, rows - own, moved[None]])
    return principal_factor(stacked, factor.shape[-2]), mean + (own - mean) * (n / total)


def shrunk_factor(factor: Tensor, rows: Tensor) -> Tensor:
    """The Frequent Directions sketch [l, d] after rows [n, d] joined (Liberty 2013).

    All squared singular values of the stack give up that of the (l + 1)-th. For every k < l the
    sketch B of the rows A satisfies |A^T A - B^T B|_2 <= |A - A_k|_F^2 / (l - k) (Ghashami et al.
    2016), whatever the order of the rows.
    """
    size = factor.shape[-2]
    longer = principal_factor(torch.cat([factor, rows]), size + 1)
    squared = (longer * longer).sum(-1)
    left = (squared[..., :size] - squared[..., size:]).clamp(min=0)
    shrink = left / torch.where(squared[..., :size] > 0, squared[..., :size], 1.0)
    return longer[..., :size, :] * shrink.sqrt()[..., None]


def eigenpairs_of(factor: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues [k] of F^T F and vectors [k, d], for orthogonal rows of F [r, d].

    Rows come in order of descending length, as the updates leave them.
    """
    squared = (factor * factor).sum(-1)
    length = torch.where(squared > 0, squared, 1.0).sqrt()
    return padded(squared, factor / length[..., None], k)
