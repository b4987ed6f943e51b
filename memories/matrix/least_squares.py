"""Regularised least squares: solved from its sums, or carried from block to block."""

from __future__ import annotations

import torch
from torch import Tensor


def solve(gram: Tensor, cross: Tensor, ridge: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights [m, V] with (gram + ridge I) weights = cross, by Cholesky.

    NaN where that matrix is not positive definite in `dtype`.

    Args:
        gram: [m, m], symmetric.
        cross: [m, V].
        ridge: Scalar above zero.
        dtype: Precision of the system and of the weights.
    """
    identity = torch.eye(gram.shape[0], dtype=dtype, device=gram.device)
    # not cholesky: one lane that went non-finite must not raise for all
    factor, failed = torch.linalg.cholesky_ex(gram.to(dtype) + ridge.to(dtype) * identity)
    halfway = torch.linalg.solve_triangular(factor, cross.to(dtype), upper=False)
    weights = torch.linalg.solve_triangular(factor.mT, halfway, upper=True)
    return torch.where(failed == 0, weights, torch.nan)


def rounding_of_sum(gram: Tensor, n_terms: Tensor) -> Tensor:
    """How far below zero rounding may have pushed eigenvalues of a sum of squares, a scalar.

    Each of n additions rounds each entry by at most eps/2 of it. For keys that differ the roundings
    are independent and grow as sqrt(n): 2 eps trace sqrt(n) was above the error of every stream
    tried, by four times or more but for the repetition of one key, where it holds up to 3,000
    additions.
    """
    eps = torch.finfo(gram.dtype).eps
    return 2 * eps * gram.diagonal().sum() * n_terms.to(gram.dtype).sqrt()


def recurse(
    covariance: Tensor, weights: Tensor, features: Tensor, targets: Tensor, decay: Tensor
) -> tuple[Tensor, Tensor]:
    """Covariance [m, m] and weights [m, V] after one more block of n events.

    With P the covariance before, X the features and R = diag(decay^1, ..., decay^n):
    G = P X^T (R + X P X^T)^-1; W' = W + G (V - X W); P' = (P - G X P) / decay^n.

    R and P are both scaled by decay^n against the usual form, so that no power of 1/decay is met
    inside the system.
    """
    n = features.shape[0]
    spread = features @ covariance
    step = torch.arange(1, n + 1, device=features.device)
    system = torch.diag_embed(decay**step) + spread @ features.mT
    gain = torch.linalg.solve_ex(system, spread).result.mT
    left = covariance - gain @ spread
    return (left + left.mT) / (2 * decay**n), weights + gain @ (targets - features @ weights)
