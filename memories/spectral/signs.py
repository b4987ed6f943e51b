"""Which of the two unit eigenvectors is meant: the sign is a convention."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Sign = Literal["maxabs", "align", "raw"]


def oriented(basis: Tensor, sign: Sign, previous: Tensor | None = None) -> Tensor:
    """Eigenvectors [..., K, d] with their signs fixed.

    ``maxabs`` makes the entry of largest absolute value of each row positive, the first of them
    where several are largest. ``align`` makes the inner product with the row of `previous`
    positive; a row that is orthogonal to it, as to the zeros of a first use, follows ``maxabs``.
    ``raw`` leaves what LAPACK returned.

    No sign repairs near-equal eigenvalues, whose vectors turn within their common space.

    Raises:
        ValueError: If `sign` is ``align`` and `previous` is None.
    """
    if sign == "raw":
        return basis
    by_size = _signs(largest_entry(basis))
    if sign == "maxabs":
        return basis * by_size[..., None]
    if previous is None:
        raise ValueError("sign 'align' needs the basis to align with")
    overlap = (basis * previous).sum(-1)
    return basis * torch.where(overlap == 0, by_size, _signs(overlap))[..., None]


def largest_entry(rows: Tensor) -> Tensor:
    """The entry of largest absolute value [...] of each row [..., d], the first of equals."""
    return rows.gather(-1, rows.abs().argmax(-1, keepdim=True)).squeeze(-1)


def _signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x))
