"""One layer of a Transformer encoder, normalised before each half."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.attention import MultiHeadAttention
from memories.backbones.base import Training
from memories.backbones.layers import LayerNorm, dropped, linear


class PreNormLayer(nn.Module):
    """z = x + attention(norm(x)), then z + W2 gelu(W1 norm(z) + b1) + b2.

    Xiong et al. 2020. What is added is normalised, the sum never is.

    Args:
        width: Width d of a token.
        heads: Attention heads.
        feedforward: Width between W1 and W2.
        dropout: Rate of the dropout on attention weights, on what attention returns, after the gelu
            and after W2.
        generator: Draws all weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feedforward: int,
        *,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.attention_norm = LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads, dropout=dropout, generator=generator)
        self.feedforward_norm = LayerNorm(width)
        self.expand = linear(width, feedforward, generator)
        self.contract = linear(feedforward, width, generator)

    def forward(
        self, tokens: Tensor, length: int, skip: int = 0, training: Training | None = None
    ) -> Tensor:
        """Tokens [G (N - skip), d] after the layer.

        Args:
            tokens: [G N, d], the N tokens of a group side by side.
            length: N.
            skip: First tokens of each group that are attended to and then left out.
            training: Dropout; None in evaluation.
        """
        normal = self.attention_norm(tokens)
        attended, _ = self.attention(normal, length, None, training, skip=skip)
        if skip:
            tokens = tokens.view(-1, length, tokens.shape[-1])[:, skip:].flatten(0, 1)
        tokens = tokens + dropped(attended, self.dropout, training)
        hidden = dropped(F.gelu(self.expand(self.feedforward_norm(tokens))), self.dropout, training)
        return tokens + dropped(self.contract(hidden), self.dropout, training)
