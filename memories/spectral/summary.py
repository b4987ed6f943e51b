"""What a forward pass leaves behind: its hidden states, pooled over the window."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear

Pool = Literal["mean", "attn-frozen", "attn-trained"]
RowPer = Literal["window", "batch", "window-channel"]


class Summary(nn.Module):
    """Pools hidden states [B, L, C, d] over positions, and then over what one row stands for.

    ``mean``: (1 / L) sum_l O_l. Both others weigh positions by softmax_l(p . O_l + p0).
    ``attn-frozen`` is the published pooling: rows are detached, so that p never has a gradient
    and stays as it was drawn. ``attn-trained`` leaves p free, for a model that also uses the
    pooled states of the current window in its forecast; the stored copy is detached all the same.

    Args:
        width: d.
        pool: See above.
        row_per: ``window`` averages over channels and stores a row per window; ``batch`` averages
            over all windows and channels of a pass; ``window-channel`` stores them all.
        generator: Draws p and p0.
    """

    def __init__(self, width: int, pool: Pool, row_per: RowPer, generator: torch.Generator) -> None:
        super().__init__()
        self.row_per = row_per
        self.scores = None if pool == "mean" else linear(width, 1, generator)
        if self.scores is not None and pool == "attn-frozen":
            self.scores.requires_grad_(False)

    def pooled(self, hidden: Tensor) -> Tensor:
        """[B, C, d], with the gradient that the pooling has."""
        if self.scores is None:
            return hidden.mean(-3)
        weights = torch.softmax(self.scores(hidden), dim=-3)
        return (weights * hidden).sum(-3)

    def rows(self, hidden: Tensor) -> Tensor:
        """The rows [N, d] to be stored, detached; N is 1, B or B C."""
        pooled = self.pooled(hidden).detach()
        if self.row_per == "window":
            return pooled.mean(-2)
        flat = pooled.flatten(-3, -2)
        return flat.mean(-2, keepdim=True) if self.row_per == "batch" else flat
