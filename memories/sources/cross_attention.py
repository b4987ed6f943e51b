"""Multi-head attention with torch's initial weights, for queries, keys and values of any width."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.slots.masked_softmax import masked_softmax
from memories.sources.layers import linear


class CrossAttention(nn.Module):
    """softmax(Q K^T / sqrt(E / heads)) V per head, projected in and out (Vaswani et al. 2017).

    With equal widths that the heads divide it is `torch.nn.MultiheadAttention` with its initial
    distributions: input weights uniform in +-sqrt(6 / 4E), output weights in +-1 / sqrt(E),
    biases zero. Otherwise E is the smallest multiple of the heads that is at least `out_dim`.

    Args:
        query_dim: Width of queries.
        key_dim: Width of keys.
        value_dim: Width of values.
        out_dim: Width of what comes out.
        generator: Source of the weights.
        heads: Attention heads.
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        value_dim: int,
        out_dim: int,
        generator: torch.Generator,
        *,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.heads = heads
        width = heads * math.ceil(out_dim / heads)
        self.query_in, self.key_in, self.value_in = (
            _projection(inputs, width, generator) for inputs in (query_dim, key_dim, value_dim)
        )
        self.out = linear(width, out_dim, generator)
        nn.init.zeros_(self.out.bias)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
        """What B sets of queries [B, Q, .] attend to among their K pairs, [B, Q, out_dim].

        Args:
            queries: [B, Q, query_dim].
            keys: [B, K, key_dim]; finite everywhere.
            values: [B, K, value_dim]; finite everywhere.
            valid: Which pairs count, bool [B, K].
        """
        query, key = self._heads(self.query_in(queries)), self._heads(self.key_in(keys))
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        weights = masked_softmax(scores, valid[:, None, None])
        attended = weights @ self._heads(self.value_in(values))
        projected: Tensor = self.out(attended.movedim(1, 2).flatten(2))
        return projected

    def _heads(self, x: Tensor) -> Tensor:
        """[B, n, E] cut into [B, heads, n, E / heads]."""
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).movedim(1, 2)


def _projection(inputs: int, width: int, generator: torch.Generator) -> nn.Linear:
    """A third of an input projection whose three parts are drawn as one (Glorot & Bengio 2010)."""
    layer = linear(inputs, width, generator)
    bound = math.sqrt(6 / (inputs + 3 * width))
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
