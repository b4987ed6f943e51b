"""Eigenpairs of a symmetric Toeplitz matrix at half the size."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.spectral.eigen import leading
from memories.spectral.signs import largest_entry


def toeplitz_eigenpairs(first_row: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues of the symmetric Toeplitz matrix with this first row.

    Such a matrix is the same read backwards, so that its eigenvectors are symmetric or
    antisymmetric (Cantoni & Butler 1976): with blocks A and C of rows and columns in the first
    half and B = C J of the reversed second one, they come from A + B and A - B, each half as large
    and an eighth of the work.

    Args:
        first_row: [T], T >= 2, float64.
        k: How many, at most T.

    Returns:
        Eigenvalues [k], descending, and unit vectors as rows [k, T], positive at their first entry,
        or at their largest where that is zero.
    """
    length = first_row.shape[-1]
    half, odd = length // 2, length % 2
    near = torch.arange(half, device=first_row.device)
    a = first_row[(near[:, None] - near).abs()]
    b = first_row[length - 1 - near[:, None] - near]
    even = a + b
    if odd:  # the middle element belongs to the symmetric vectors
        middle = (2**0.5) * first_row[half - near]
        even = torch.cat([even, middle[:, None]], 1)
        even = torch.cat([even, torch.cat([middle, first_row[:1]])[None]], 0)
    values_even, vectors_even = leading(even, half + odd)
    values_odd, vectors_odd = leading(a - b, half)
    root = 0.5**0.5
    mirrored = root * vectors_even[:, :half]
    symmetric = torch.cat([mirrored, vectors_even[:, half:], mirrored.flip(-1)], -1)
    turned = root * vectors_odd
    gap = turned.new_zeros(half, odd)
    antisymmetric = torch.cat([turned, gap, -turned.flip(-1)], -1)
    values = torch.cat([values_even, values_odd])
    top = torch.sort(values, descending=True, stable=True).indices[:k]
    vectors = torch.cat([symmetric, antisymmetric])[top]
    return values[top], positive_at_first(vectors)


def positive_at_first(vectors: Tensor, first: Tensor | None = None) -> Tensor:
    """Vectors [k, T] whose first entry, or the one given per vector, is positive.

    Where it is zero the entry of largest absolute value decides.
    """
    entry = vectors[..., 0] if first is None else first
    tiny = entry.abs() <= torch.finfo(vectors.dtype).eps
    deciding = torch.where(tiny, largest_entry(vectors), entry)
    return torch.where((deciding < 0)[..., None], -vectors, vectors)
