"""The leading eigenpairs of a symmetric matrix, from the matrix or from the rows that span it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Factors = tuple[Tensor, ...]


def despite_nan(solve: Callable[[Tensor], Factors], matrix: Tensor) -> Factors:
    """The factors of a matrix [..., m, n]; NaN for a matrix that is not finite.

    LAPACK refuses a batch for one matrix in it that is not finite, so that one lane would stop
    all others.
    """
    finite = matrix.isfinite().flatten(-2).all(-1)
    factors = solve(torch.where(finite[..., None, None], matrix, 0.0))
    return tuple(
        torch.where(finite.reshape(*finite.shape, *[1] * (f.dim() - finite.dim())), f, torch.nan)
        for f in factors
    )


def leading(matrix: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues [..., k] of a symmetric matrix [..., d, d] and their vectors.

    Vectors are the rows of [..., k, d], in order of descending eigenvalue. Those beyond the d-th
    are zero, and so is an eigenvalue that rounding made negative. Signs are as LAPACK leaves them.
    """
    values, vectors = despite_nan(lambda x: tuple(torch.linalg.eigh(x)), matrix)
    return padded(values.flip(-1).clamp(min=0), vectors.mT.flip(-2), k)


def leading_of_rows(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenpairs of X^T X for rows X [..., T, d], through the T x T matrix X X^T.

    Both have the same eigenvalues but for zeros; X X^T u = s u gives the unit vector
    w = X^T u / sqrt(s) of the other. Cheaper than `leading` where T < d. Vectors of eigenvalues
    below the rounding of the largest are zero.

    Returns:
        Eigenvalues [..., k] and vectors as rows [..., k, d].
    """
    values, coefficients = leading(rows @ rows.mT, k)
    rounding = rows.shape[-2] * torch.finfo(rows.dtype).eps
    known = values > rounding * values[..., :1]
    root = torch.where(known, values, 1.0).sqrt()
    basis = (coefficients @ rows) / root[..., None]
    # a vector of a small eigenvalue inherits rounding of the large ones: its length shows it
    basis = basis / basis.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
    unknown = torch.where(values.isnan(), values, 0.0)[..., None]
    return values, torch.where(known[..., None], basis, unknown)


def padded(values: Tensor, basis: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first k of eigenvalues [..., n] and vectors [..., n, d], filled up with zeros."""
    values, basis = values[..., :k], basis[..., :k, :]
    missing = k - values.shape[-1]
    if not missing:
        return values, basis
    fill = torch.nn.functional.pad
    return fill(values, (0, missing)), fill(basis, (0, 0, 0, missing))
