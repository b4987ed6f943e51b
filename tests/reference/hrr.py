"""Holographic reduced representations, one pair at a time (Plate 1995)."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    frequencies: Tensor,
    spread: Tensor,
    length_scale: float,
) -> Tensor:
    """Re(P^H (T * conj e(q))) in complex numbers; `spread` is P [n/2, V]."""

    def phasors(x: Tensor) -> Tensor:
        return torch.exp(1j * (frequencies @ unit(x) / length_scale))

    trace = torch.zeros(len(frequencies), dtype=spread.dtype)
    for k, v in zip(keys, values, strict=True):
        trace = trace + phasors(k) * (spread @ v.to(spread.dtype))
    return torch.stack([(spread.conj().mT @ (trace * phasors(q).conj())).real for q in queries])


def convolve(a: Tensor, b: Tensor) -> Tensor:
    """Circular convolution by its definition, c_j = sum_k a_k b_(j-k)."""
    n = len(a)
    return torch.stack([sum(a[k] * b[(j - k) % n] for k in range(n)) for j in range(n)])


def correlate(a: Tensor, c: Tensor) -> Tensor:
    """Circular correlation, b_j = sum_k a_k c_(j+k)."""
    n = len(a)
    return torch.stack([sum(a[k] * c[(j + k) % n] for k in range(n)) for j in range(n)])
