"""Eigenpairs of the exponential kernel on equal steps, without an eigensolver.

The matrix rho^|i-j| of size T is that of Kac, Murdock & Szego (1953). With
psi(x) = arg(1 - rho e^(-ix)) = atan2(rho sin x, 1 - rho cos x), its eigenvalues are

    lambda_k = (1 - rho^2) / (1 - 2 rho cos x_k + rho^2),   (T + 1) x_k + 2 psi(x_k) = k pi,

descending for k = 1..T, and its eigenvectors

    phi_k(j) ~ sin(j x_k) - rho sin((j - 1) x_k) ~ sin(j x_k + psi(x_k)).

The left side of the second equation is concave with a slope above T, is below k pi at
(k - 1) pi / (T + 1) and above it at k pi / (T + 1). So Newton's steps, held inside that interval,
reach the one root from below and never pass it.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 6
"""Newton's steps; four reach the resolution of float64 from tau = T / 1e9 to 1e9 T."""


def kms_eigenpairs(
    length: Tensor, decay: Tensor, positions: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues of rho^|i-j| and their unit vectors, in O(k T).

    Args:
        length: T, a float64 scalar; a tensor, so that it may differ between lanes.
        decay: -log rho > 0, the kernel's distance of two neighbours, a float64 scalar.
        positions: [P], where the vectors are evaluated, counted from 1; those outside 1..T are
            not part of the matrix.
        k: How many; those beyond T are zero.

    Returns:
        Eigenvalues [k], descending, and vectors as rows [k, P] that are zero outside 1..T, of
        unit length where all of 1..T are among the positions, and positive at position 1.
    """
    order = torch.arange(1, k + 1, dtype=length.dtype, device=length.device)
    rho, gap = torch.exp(-decay), -torch.expm1(-decay)
    angles = _angles(length, rho, gap, order)
    values = gap * (1 + rho) / _distance(angles, rho, gap)
    vectors = torch.sin(angles[:, None] * positions + _phase(angles, rho, gap)[:, None])
    inside = (positions >= 1) & (positions <= length)
    exists = order <= length
    vectors = torch.where(inside & exists[:, None], vectors, 0.0)
    norms = vectors.norm(dim=-1, keepdim=True)
    return torch.where(exists, values, 0.0), vectors / torch.where(norms > 0, norms, 1.0)


def _angles(length: Tensor, rho: Tensor, gap: Tensor, order: Tensor) -> Tensor:
    """The roots x_k for all k at once; `gap` is 1 - rho without its rounding."""
    step = torch.pi / (length + 1)
    low, high = (order - 1) * step, order * step
    # the first root solves y tan y = (T + 1) gap / (2 rho) with y = (T + 1) x / 2, up to 1 / T;
    # from zero the way to a small one would be long
    first = step * (1 + torch.pi**2 / 2 * rho / ((length + 1) * gap)).rsqrt()
    angles = torch.where(order == 1, first, low)
    for _ in range(STEPS):
        slope_of_phase = rho * (torch.cos(angles) - rho) / _distance(angles, rho, gap)
        missing = order * torch.pi - (length + 1) * angles - 2 * _phase(angles, rho, gap)
        angles = angles + missing / (length + 1 + 2 * slope_of_phase)
        angles = torch.minimum(torch.maximum(angles, low), high)
    return angles


def _phase(angle: Tensor, rho: Tensor, gap: Tensor) -> Tensor:
    """psi, with 1 - rho cos x = gap + 2 rho sin^2(x / 2) free of cancellation."""
    return torch.atan2(rho * torch.sin(angle), gap + 2 * rho * torch.sin(angle / 2) ** 2)


def _distance(angle: Tensor, rho: Tensor, gap: Tensor) -> Tensor:
    """|1 - rho e^(-ix)|^2 = 1 - 2 rho cos x + rho^2."""
    return gap**2 + 4 * rho * torch.sin(angle / 2) ** 2
