"""One layer of a Transformer encoder, normalised after each half."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.attention import MultiHeadAttention
from memories.backbones.base import Training
from memories.backbones.layers import BatchNorm, LayerNorm, dropped, linear

Norm = Literal["batch", "layer"]


def norm_layer(kind: Norm, width: int) -> BatchNorm | LayerNorm:
    """A normalisation of tokens [..., width], over all tokens or within each."""
    return BatchNorm(width) if kind == "batch" else LayerNorm(width)


class EncoderLayer(nn.Module):
    """z = norm(x + attention(x)), then norm(z + W2 gelu(W1 z + b1) + b2).

    Vaswani et al. 2017, with the normalisation of Zerveas et al. 2021 where it is `batch`.

    Args:
        width: Width d of a token.
        heads: Attention heads.
        feedforward: Width between W1 and W2.
        norm: Whether features are normalised over the batch or within a token.
        dropout: Rate of the dropout after the gelu and after W2.
        attention_dropout: Rate on the attention weights.
        attended_dropout: Rate on what attention returns.
        generator: Draws all weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feedforward: int,
        *,
        norm: Norm,
        dropout: float,
        attention_dropout: float,
        attended_dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.attended_dropout = attended_dropout
        self.attention = MultiHeadAttention(
            width, heads, dropout=attention_dropout, generator=generator
        )
        self.attention_norm = norm_layer(norm, width)
        self.expand = linear(width, feedforward, generator)
        self.contract = linear(feedforward, width, generator)
        self.feedforward_norm = norm_layer(norm, width)

    def forward(
        self,
        tokens: Tensor,
        length: int,
        previous: Tensor | None = None,
        training: Training | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens [G N, d] after the layer, and its attention scores [G, heads, N, N].

        Args:
            tokens: [G N, d], the N tokens of a group side by side.
            length: N.
            previous: Scores of the layer below, to be added to this one's.
            training: Dropout and batch statistics; None in evaluation.
        """
        attended, scores = self.attention(tokens, length, previous, training)
        attended = dropped(attended, self.attended_dropout, training)
        tokens = self.attention_norm(tokens + attended, training)
        hidden = dropped(F.gelu(self.expand(tokens)), self.dropout, training)
        refined = dropped(self.contract(hidden), self.dropout, training)
        return self.feedforward_norm(tokens + refined, training), scores
