"""Sums over rows from which the spectrum of a data kernel follows, kept in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

DataKernelName = Literal["empirical", "cosine", "linear"]
Sums = Mapping[str, Tensor]


def no_sums(kernel: DataKernelName, width: int, like: Tensor) -> dict[str, Tensor]:
    """The sums over no rows of this width, on the device of `like`."""
    rows = torch.zeros(0, width, dtype=torch.float64, device=like.device)
    return sums_of(kernel, rows, rows[:, 0], rows.new_zeros(width))


def sums_of(
    kernel: DataKernelName, rows: Tensor, weights: Tensor, shift: Tensor
) -> dict[str, Tensor]:
    """What rows h add to the sums of a kernel.

    ``empirical``: ``sum`` = sum w (h - shift), ``outer`` = sum w (h - shift)(h - shift)^T. Any
    shift near the rows gives the same covariance; without one it would be the small difference
    of large numbers where the mean is far from zero. ``linear``: ``outer`` = sum w h h^T.
    ``cosine``, with u = h / max(|h|, 1e-12): ``outer`` = sum w u u^T, ``cross`` = sum w u h^T.

    Args:
        kernel: Which sums.
        rows: [N, d], float64.
        weights: [N]; a row of weight zero adds nothing, whatever it holds.
        shift: [d], used by ``empirical``.
    """
    used = (weights != 0)[:, None]
    if kernel == "cosine":
        rows = torch.where(used, rows, 0.0)
        units = unit_rows(rows)
        weighted = weights[:, None] * units
        return {"outer": weighted.mT @ units, "cross": weighted.mT @ rows}
    centred = torch.where(used, rows - shift if kernel == "empirical" else rows, 0.0)
    weighted = weights[:, None] * centred
    outer = {"outer": weighted.mT @ centred}
    return {"sum": weighted.sum(0), **outer} if kernel == "empirical" else outer


def unit_rows(rows: Tensor) -> Tensor:
    """Rows [..., d] over max(their norm, 1e-12)."""
    norms: Tensor = rows.norm(dim=-1, keepdim=True)
    return rows / norms.clamp(min=1e-12)


def gram_of(kernel: DataKernelName, sums: Sums, weight: Tensor) -> Tensor:
    """The matrix [d, d] whose eigenvectors are the basis.

    ``empirical``: the covariance outer/n - mean mean^T over n = `weight` rows; otherwise the sum
    of outer products itself.
    """
    if kernel != "empirical":
        return sums["outer"]
    mean = sums["sum"] / weight
    return sums["outer"] / weight - mean[..., :, None] * mean[..., None, :]
