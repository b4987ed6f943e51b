"""The leading eigenpairs by a few steps of block subspace iteration from an earlier basis."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.spectral.eigen import despite_nan, leading


def iterated(matrix: Tensor, start: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """Approximate leading eigenpairs of a positive semidefinite matrix.

    W <- orthonormal basis of A W, `sweeps` times, then the eigenpairs of A within that basis
    (Rayleigh-Ritz). Each sweep shrinks the error of vector k by lambda_{K+1} / lambda_k (Stewart
    1969), and one that starts from the basis of a few rows ago has little error to shrink.

    Args:
        matrix: A [d, d].
        start: [K, d], rows that are linearly independent.
        sweeps: Number of multiplications with A, each of cost d^2 K.

    Returns:
        Eigenvalues [K], descending, and orthonormal vectors as rows [K, d].
    """
    columns = start.mT
    for _ in range(sweeps):
        columns = despite_nan(lambda x: (torch.linalg.qr(x)[0],), matrix @ columns)[0]
    values, turn = leading(columns.mT @ matrix @ columns, start.shape[-2])
    return values, turn @ columns.mT
