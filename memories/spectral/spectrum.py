"""What a spectral memory reads from its rows: eigenvalues, basis and components."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Normalise = Literal["none", "sqrt-t", "whiten", "lam1"]

JITTER = 1e-12
"""Added to an eigenvalue whose root scales a component: at zero the root has no slope."""


class Spectrum(NamedTuple):
    """The K leading patterns of the rows, in order of descending eigenvalue.

    Attributes:
        eigenvalues: [K]; zero for a pattern that the rows do not have.
        basis: [K, d], orthonormal directions w_k; None where the kernel is one of time, whose
            eigenvectors live on the rows and not in feature space.
        components: [K, d], the patterns C_k as heads consume them.
    """

    eigenvalues: Tensor
    basis: Tensor | None
    components: Tensor


def scaled(components: Tensor, eigenvalues: Tensor) -> Tensor:
    """C_k sqrt(lambda_k + 1e-12)."""
    return components * (eigenvalues + JITTER).sqrt()[..., None]


def normalised(
    components: Tensor, basis: Tensor | None, length: Tensor, normalise: Normalise
) -> Tensor:
    """Components [K, d] whose size depends less, or not, on the number of rows.

    ``none`` leaves them: those of a covariance grow as sqrt(T), so that what a network is fed
    drifts while the memory fills. ``sqrt-t`` divides by sqrt(T), ``lam1`` by the norm of the first
    component, which is sqrt(T) lambda_1 for a scaled covariance, so that the first has norm one.
    ``whiten`` returns the basis itself.

    Raises:
        ValueError: If ``whiten`` is asked of a kernel without a basis.
    """
    if normalise == "none":
        return components
    if normalise == "sqrt-t":
        return components / length.sqrt()
    if normalise == "lam1":
        first: Tensor = components[..., :1, :].norm(dim=-1, keepdim=True)
        return components / first.clamp(min=JITTER)
    if basis is None:
        raise ValueError("'whiten' needs a basis in feature space")
    return basis


def without_surplus(values: Tensor, floor: float) -> Tensor:
    """Which eigenvalues [K] exceed the floor times the largest, bool; NaN counts as present."""
    first = values[..., :1]
    return ~((values <= floor * first) | (first <= 0))


def masked(x: Tensor, kept: Tensor) -> Tensor:
    """Rows [K, ...] of `x`, zero where not kept."""
    return torch.where(kept.reshape(*kept.shape, *[1] * (x.dim() - kept.dim())), x, 0.0)
