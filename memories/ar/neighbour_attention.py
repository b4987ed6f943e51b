"""Attention of a query over the values that were retrieved for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter
from memories.slots.masked_softmax import masked_softmax


class NeighbourAttention(nn.Module):
    """Multi-head attention over retrieved values, zero until its output projection is trained.

    Args:
        key_dim: D.
        value_dim: V; a multiple of `heads`.
        heads: Attention heads.
        generator: Source of the input projections, N(0, 1 / width).

    Raises:
        InvalidParameter: If `value_dim` is not a multiple of `heads`.
    """

    def __init__(
        self, key_dim: int, value_dim: int, generator: torch.Generator, *, heads: int = 4
    ) -> None:
        super().__init__()
        if value_dim % heads:
            raise InvalidParameter(
                "fusion",
                f"'residual-attn' has {heads} heads, and value_dim ({value_dim}) is no multiple",
                help=f"use fusion 'none', or values of a multiple of {heads} dimensions",
            )
        self.heads = heads
        drawn = [
            torch.randn(rows, value_dim, generator=generator) / math.sqrt(rows)
            for rows in (key_dim, value_dim, value_dim)
        ]
        self.query_in, self.key_in, self.value_in = (nn.Parameter(matrix) for matrix in drawn)
        self.out = nn.Parameter(torch.zeros(value_dim, value_dim))

    def forward(self, queries: Tensor, values: Tensor, valid: Tensor) -> Tensor:
        """What attention adds [Q, V] for queries [Q, D] and their values [Q, k, V].

        Args:
            queries: [Q, D].
            values: [Q, k, V]; zero where not valid.
            valid: Bool [Q, k].
        """
        query = self._heads(queries @ self.query_in)[..., None]
        scores = self._heads(values @ self.key_in).movedim(1, 2) @ query
        logits = scores[..., 0] / math.sqrt(query.shape[-2])
        weights = masked_softmax(logits, valid[:, None])
        attended = weights[:, :, None] @ self._heads(values @ self.value_in).movedim(1, 2)
        return attended.flatten(1) @ self.out

    def _heads(self, x: Tensor) -> Tensor:
        """[..., V] cut into [..., heads, V / heads]."""
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
