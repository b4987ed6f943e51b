"""Multi-head self-attention with separate linear maps and open scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.backbones.base import Training
from memories.backbones.layers import dropped, linear
from memories.base import InvalidParameter


class MultiHeadAttention(nn.Module):
    """Self-attention within groups of tokens, softmax(Q K^T / sqrt(d_h) + previous) V.

    Vaswani et al. 2017; `previous` are the scores before the softmax of the layer below (He et al.
    2021). Query, key, value and output are `torch.nn.Linear` modules of their own: what generates
    low-rank or scaled weights finds them by that type. Tokens come as rows of one matrix, which
    keeps a linear map with weights per lane a single batched product.

    Args:
        width: Width d of a token.
        heads: Number of heads; each is width / heads wide.
        dropout: Rate of the dropout on the attention weights, in training.
        generator: Draws all weights and biases, uniform in +-1/sqrt(width).
    """

    def __init__(
        self, width: int, heads: int, *, dropout: float = 0.0, generator: torch.Generator
    ) -> None:
        super().__init__()
        if width % heads:
            raise InvalidParameter(
                "heads",
                f"must divide the width {width}, got {heads}",
                help="set heads and width so that every head gets a whole number of features",
            )
        self.heads = heads
        self.dropout = dropout
        self.scale = (width // heads) ** -0.5
        self.query = linear(width, width, generator)
        self.key = linear(width, width, generator)
        self.value = linear(width, width, generator)
        self.output = linear(width, width, generator)

    def forward(
        self,
        tokens: Tensor,
        length: int,
        previous: Tensor | None = None,
        training: Training | None = None,
        *,
        skip: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """What each token attends to, and the scores before the softmax.

        Args:
            tokens: [G N, d], the N tokens of a group side by side.
            length: N.
            previous: Scores [G, heads, N - skip, N] to be added.
            training: Drops attention weights; None in evaluation.
            skip: First tokens of each group that are attended to and do not attend themselves.

        Returns:
            [G (N - skip), d] and [G, heads, N - skip, N].
        """
        width = tokens.shape[-1]
        by_head = (self.heads, width // self.heads)
        asking = tokens
        if skip:
            asking = tokens.view(-1, length, width)[:, skip:].flatten(0, 1)
        # scaling queries touches fewer numbers than scaling scores
        query = self.query(asking) * self.scale
        query = query.view(-1, length - skip, *by_head).transpose(1, 2)
        key = self.key(tokens).view(-1, length, *by_head).permute(0, 2, 3, 1)
        value = self.value(tokens).view(-1, length, *by_head).transpose(1, 2)
        scores = query @ key
        if previous is not None:
            scores = scores + previous
        weights = dropped(scores.softmax(dim=-1), self.dropout, training)
        attended = (weights @ value).transpose(1, 2).reshape(asking.shape)
        return self.output(attended), scores
