"""Vectors seen as matrices: how they are cut, and a metric that costs little on them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter


def rows_within(width: int) -> int:
    """The largest divisor of a width that is not above its root: 8 for 64, 3 for 12, 1 for 7."""
    return max(n for n in range(1, math.isqrt(width) + 1) if width % n == 0)


def checked_rows(rows: int | None, key_dim: int) -> int:
    """The rows that keys are cut into, `rows_within` of their width if none are given.

    Raises:
        InvalidParameter: If `rows` does not divide `key_dim`.
    """
    if rows is None:
        return rows_within(key_dim)
    if key_dim % rows:
        raise InvalidParameter(
            "rows",
            f"must divide key_dim ({key_dim}), got {rows}",
            help=f"leave it out for {rows_within(key_dim)} rows",
        )
    return rows


class KroneckerMetric(nn.Module):
    """A X B for vectors seen as matrices X, with slow A and B that start at the identity.

    That is (A kron B^T) vec(X), a linear map of D = rows x columns coordinates that costs
    rows^2 + columns^2 weights instead of D^2.

    Args:
        rows: Rows of X.
        columns: Columns of X.
    """

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.eye(rows))
        self.right = nn.Parameter(torch.eye(columns))

    def forward(self, x: Tensor) -> Tensor:
        """The mapped vectors [..., D]."""
        matrices = x.reshape(*x.shape[:-1], self.left.shape[0], self.right.shape[0])
        return (self.left @ matrices @ self.right).flatten(-2)
