"""A causal transformer over a window of tokens, and its answer to one more token."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from memories.dense import Dense
from memories.slots.masked_softmax import masked_softmax

POSITION_SCALE = 0.02
WIDENING = 4
"""Width of the feed-forward layer, as a multiple of the model's."""


class Block(nn.Module):
    """Attention and a feed-forward layer, each on normalised input and added to it (pre-LN).

    Args:
        heads: Attention heads.
        head_dim: Width of one; the model's is d = heads x head_dim.
        generator: Source of the initial weights.
    """

    def __init__(self, heads: int, head_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        dim = heads * head_dim
        self.heads = heads
        self.attention_norm, self.feed_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key, self.value, self.out = (
            Dense(dim, dim, generator, bias=False) for _ in range(4)
        )
        self.up = Dense(dim, WIDENING * dim, generator)
        self.down = Dense(WIDENING * dim, dim, generator)

    def offered(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [..., heads, T, d / heads] that tokens [..., T, d] offer to others."""
        normed = self.attention_norm(x)
        return self._split(self.key(normed)), self._split(self.value(normed))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
        """Tokens [..., T, d] after they attended to what others offer.

        Args:
            x: [..., T, d].
            keys: [..., heads, S, d / heads].
            values: The same.
            visible: Bool [..., T, S]; which of the S a token may look at.
        """
        query = self._split(self.query(self.attention_norm(x)))
        scores = query @ keys.mT / math.sqrt(query.shape[-1])
        attended = masked_softmax(scores, visible.unsqueeze(-3)) @ values
        x = x + self.out(attended.transpose(-3, -2).flatten(-2))
        changed: Tensor = self.down(gelu(self.up(self.feed_norm(x))))
        return x + changed

    def _split(self, x: Tensor) -> Tensor:
        """[..., T, d] as [..., heads, T, d / heads]."""
        head_dim = x.shape[-1] // self.heads
        return x.reshape(*x.shape[:-1], self.heads, head_dim).transpose(-3, -2)


class WindowTransformer(nn.Module):
    """The hidden state of the newest token in a window of W, by causal self-attention.

    Vaswani et al. 2017, with normalised inputs (Xiong et al. 2020). Positions are learned and
    count from the newest token back, so that they mean the same in every window.

    Args:
        window: W.
        layers: Blocks.
        heads: Attention heads of each.
        head_dim: Width of one; the model's is d = heads x head_dim.
        generator: Source of the initial weights.
    """

    def __init__(
        self, *, window: int, layers: int, heads: int, head_dim: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.window = window
        drawn = torch.randn(window, heads * head_dim, generator=generator)
        self.positions = nn.Parameter(POSITION_SCALE * drawn)
        self.blocks = nn.ModuleList(Block(heads, head_dim, generator) for _ in range(layers))
        self.norm = nn.LayerNorm(heads * head_dim)

    def forward(self, windows: Tensor, real: Tensor) -> Tensor:
        """Hidden states [B, d] of the newest tokens of windows [B, W, d].

        Args:
            windows: [B, W, d], the newest token last.
            real: Bool [B, W]; False where a window reaches back before the first token.
        """
        x = windows + self.positions
        past = torch.ones(self.window, self.window, dtype=torch.bool, device=x.device).tril()
        visible = past & real[:, None, :]
        *inner, last = self._stack()
        for block in inner:
            x = block(x, *block.offered(x), visible)
        # above the last block only the newest token is asked for
        x = last(x[:, -1:], *last.offered(x), visible[:, -1:])
        hidden: Tensor = self.norm(x[:, 0])
        return hidden

    def appended(self, earlier: Tensor, real: Tensor, newest: Tensor) -> Tensor:
        """Hidden states [Q, d] of tokens [Q, d] that each, alone, follow the same earlier ones.

        What the earlier tokens offer does not depend on the newest and is computed once.

        Args:
            earlier: [W - 1, d].
            real: Bool [W - 1]; False where there was no token.
            newest: [Q, d].
        """
        before = earlier + self.positions[:-1]
        x = (newest + self.positions[-1])[:, None]
        past = torch.ones(len(before), len(before), dtype=torch.bool, device=x.device).tril()
        seen = torch.cat([real, real.new_ones(1)])
        for block in self._stack():
            shared, own = block.offered(before), block.offered(x)
            keys, values = (
                torch.cat([s.expand(len(x), *s.shape), o], dim=-2)
                for s, o in zip(shared, own, strict=True)
            )
            x = block(x, keys, values, seen[None, None])
            before = block(before, *shared, past & real)
        hidden: Tensor = self.norm(x[:, 0])
        return hidden

    def _stack(self) -> list[Block]:
        """The blocks, lowest first."""
        return cast("list[Block]", list(self.blocks))
