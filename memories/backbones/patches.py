"""Tokens from overlapping patches of a series."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from memories.backbones.base import Training
from memories.backbones.layers import dropped, linear
from memories.base import InvalidParameter

POSITION_RANGE = 0.02
"""Learned positions start as U(+-0.02)."""
LONGEST_WAVE = 10_000.0


class PatchEmbedding(nn.Module):
    """z_i = W u_i + b + pos_i for the N patches u_i of each channel.

    Nie et al. 2023. N = (lookback - patch) // stride + 1, plus one with `pad_end`; where patches
    do not reach the end otherwise, the newest rows are left out.

    Args:
        lookback: L.
        width: Features d of a token.
        patch: Rows of a patch.
        stride: Rows between the starts of two patches.
        pad_end: Whether the newest row is repeated `stride` times, for one more patch.
        position: Positions as weights, or fixed sines (`sinusoid`).
        bias: Whether there is a b.
        dropout: Rate of the dropout on the tokens.
        generator: Draws weights and positions.

    Raises:
        InvalidParameter: If a patch is longer than the lookback.
    """

    position: Tensor
    rows: Tensor

    def __init__(
        self,
        lookback: int,
        width: int,
        *,
        patch: Annotated[int, Ge(1)],
        stride: Annotated[int, Ge(1)],
        pad_end: bool,
        position: Literal["learned", "sinusoidal"],
        bias: bool,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if patch > lookback:
            raise InvalidParameter(
                "patch",
                f"must be <= lookback ({lookback}), got {patch}",
                help="set a shorter patch, or look back further",
            )
        self.patch, self.dropout = patch, dropout
        self.count = (lookback - patch) // stride + 1 + int(pad_end)
        self.projection = linear(patch, width, generator, bias=bias)
        rows = torch.arange(self.count)[:, None] * stride + torch.arange(patch)
        # beyond the newest row it is repeated
        rows = rows.flatten().clamp(max=lookback - 1)
        self.register_buffer("rows", rows, persistent=False)
        if position == "sinusoidal":
            self.register_buffer("position", sinusoid(self.count, width))
        else:
            drawn = torch.empty(self.count, width)
            self.position = nn.Parameter(
                drawn.uniform_(-POSITION_RANGE, POSITION_RANGE, generator=generator)
            )

    def forward(self, series: Tensor, training: Training | None = None) -> Tensor:
        """Tokens [B C N, d] of series [B, C, L], those of a channel side by side."""
        # of `unfold`, which is a view, lanes would take the gradient one after another
        patches = series.index_select(-1, self.rows).reshape(-1, self.patch)
        tokens: Tensor = self.projection(patches)
        tokens = tokens.view(-1, self.count, tokens.shape[-1]) + self.position
        return dropped(tokens.flatten(0, 1), self.dropout, training)


def sinusoid(
    count: int, width: int, *, start: int = 0, device: torch.device | None = None
) -> Tensor:
    """Position codes [count, width]: sin(i w_j), cos(i w_j) side by side, w_j = 10000^(-2j/width).

    Vaswani et al. 2017.

    Args:
        count: Positions.
        width: Features of a code.
        start: The first i.
        device: Where codes are made; null for the processor.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(LONGEST_WAVE) / width))
    angles = torch.arange(start, start + count, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
