"""Static banks: trained primitives in levels, read by attention."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

INITIAL_SCALE = 0.02
"""Standard deviation of primitives before training."""
PARENT_FLOOR = 1e-9


class StaticBanks(nn.Module):
    """Answers of banks of primitives, each read through a query map and levels of its own.

    With q = W_b z, every level l of a bank answers
    o_l = sum_j softmax_j(<q, p_j> / sqrt(D)) p_j, and the bank sum_l softmax(g_b)_l o_l. Levels
    are read side by side. W starts as the identity, g with equal weights, primitives as
    N(0, 0.02^2). Levels are padded to the largest; padding is never attended to.

    Args:
        width: D.
        banks: Number of banks nS.
        sizes: Primitives of each level.
        value_width: Width V of values of their own, N(0, 0.02^2) too; None for primitives that
            are their own values, V = D.
        guided: Whether the logit of primitive j of a level gets log(a + 1e-9), a the attention to
            its parent, primitive floor(j K_l / K_{l+1}) of the level before.
        generator: Source of the primitives.
    """

    padding: Tensor
    parents: Tensor

    def __init__(
        self,
        width: int,
        banks: int,
        sizes: Sequence[int],
        *,
        value_width: int | None = None,
        guided: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.guided = guided
        levels, widest = len(sizes), max(sizes)
        held = torch.arange(widest) < torch.tensor(list(sizes))[:, None]
        self.register_buffer("padding", ~held, persistent=False)
        steps = itertools.pairwise(sizes)
        rows = [torch.arange(widest).clamp(max=n - 1) * above // n for above, n in steps]
        parents = torch.stack([torch.zeros(widest, dtype=torch.int64), *rows])
        self.register_buffer("parents", parents, persistent=False)

        def drawn(last: int) -> nn.Parameter:
            noise = torch.randn(banks, levels, widest, last, generator=generator)
            return nn.Parameter(torch.where(held[..., None], INITIAL_SCALE * noise, 0.0))

        self.primitives = drawn(width)
        self.values = None if value_width is None else drawn(value_width)
        self.query_maps = nn.Parameter(torch.eye(width).repeat(banks, 1, 1))
        self.level_logits = nn.Parameter(torch.full((banks, levels), 1 / levels))

    def forward(self, z: Tensor, frozen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Answers [Q, nS, V] for codes [Q, D], and attention [Q, nS, L, K] within each level.

        Args:
            z: [Q, D].
            frozen: bool [nS, L, K]: primitives, and values of theirs, without a gradient.
        """
        primitives = _without_gradient(self.primitives, frozen)
        banks, levels, widest, width = primitives.shape
        queries = z @ self.query_maps.mT
        products = queries @ primitives.reshape(banks, levels * widest, width).mT
        logits = products.reshape(banks, -1, levels, widest) / math.sqrt(width)
        attention = self._attention(logits.masked_fill(self.padding, -torch.inf))
        shares = self.level_logits.softmax(-1)[:, None, :, None] * attention
        values = primitives if self.values is None else _without_gradient(self.values, frozen)
        stacked = values.reshape(banks, levels * widest, -1)
        answers = shares.reshape(banks, -1, levels * widest) @ stacked
        return answers.transpose(0, 1), attention.transpose(0, 1)

    def _attention(self, logits: Tensor) -> Tensor:
        """Softmax within each level of logits [nS, Q, L, K]."""
        if not self.guided:
            return logits.softmax(-1)
        levels = [logits[..., 0, :].softmax(-1)]
        for level in range(1, logits.shape[-2]):
            parents = levels[-1][..., self.parents[level]]
            guided = logits[..., level, :] + (parents + PARENT_FLOOR).log()
            levels.append(guided.softmax(-1))
        return torch.stack(levels, dim=-2)


def _without_gradient(weights: Tensor, frozen: Tensor | None) -> Tensor:
    """The weights [nS, L, K, .], where frozen without a gradient."""
    return weights if frozen is None else torch.where(frozen[..., None], weights.detach(), weights)
