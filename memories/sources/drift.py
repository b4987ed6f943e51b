"""A context that decays and takes in one key after another, and cues queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 32
"""Width of a context, unless keys are narrower or another one is asked for."""
INIT_SCALE = 0.1
BLOCK = 64
"""Inputs added up at once; the sum over a block needs a matrix of its square."""


def drift(context: Tensor, inputs: Tensor, decay: Tensor) -> Tensor:
    """Contexts [N, C] after each of N inputs: c_i = decay c_(i-1) + x_i.

    Args:
        context: [C], before the first.
        inputs: [N, C].
        decay: 0-d.
    """
    after = []
    for block in torch.split(inputs, BLOCK):
        position = torch.arange(block.shape[0], device=inputs.device)
        lag = position[:, None] - position
        # powers of the lower triangle alone: above it they would grow
        powers = torch.where(lag >= 0, decay ** lag.clamp(min=0), 0.0)
        block_after = decay ** (position[:, None] + 1) * context + powers @ block
        after.append(block_after)
        context = block_after[-1] if block.shape[0] else context
    return torch.cat(after)


class ContextDrift(nn.Module):
    """The random weights through which keys move a context and a context moves queries.

    Args:
        key_dim: D.
        width: Width C of the context; None takes 32, or D where that is less.
        generator: Source of U [D, C] and W_c [C, D], both 0.1 N(0, 1).
    """

    def __init__(self, key_dim: int, width: int | None, generator: torch.Generator) -> None:
        super().__init__()
        self.width = min(WIDTH, key_dim) if width is None else width
        drawn = [
            INIT_SCALE * torch.randn(rows, columns, generator=generator)
            for rows, columns in ((key_dim, self.width), (self.width, key_dim))
        ]
        self.drift_in, self.context_out = (nn.Parameter(matrix) for matrix in drawn)

    def after(self, context: Tensor, keys: Tensor, decay: Tensor) -> Tensor:
        """Contexts [N, C] after each of the keys [N, D]: c <- decay c + k U."""
        return drift(context, keys @ self.drift_in, decay)

    def cued(self, queries: Tensor, context: Tensor) -> Tensor:
        """Queries [Q, D] moved by the context: q + c W_c."""
        return queries + context @ self.context_out
