"""Freezing: primitives that were used much are trained no more."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SLACK = 1e-3
"""A level's usage is a sum of softmax means: after 100 forwards it may be 99.99999."""
WHOLE = 1e-9
"""What a product of a share and a size may lack to a whole number by rounding."""


def share_of(fraction: float, sizes: Sequence[int]) -> list[int]:
    """floor(fraction * size) of each size."""
    return [int(fraction * size + WHOLE) for size in sizes]


def frozen_after(
    usage: Tensor,
    frozen: Tensor,
    sizes: Sequence[int],
    *,
    threshold: float,
    top_fraction: float,
    max_fraction: float | None,
) -> Tensor:
    """Which primitives are frozen once the rule was applied, bool [nS, L, K].

    A level whose usage adds up to the threshold freezes its max(1, floor(fraction * K_l)) most
    used primitives, of equally used ones the first.

    Args:
        usage: [nS, L, K], zero where a level has no primitive.
        frozen: bool [nS, L, K], before.
        sizes: Primitives K_l of each level.
        threshold: Usage a level needs.
        top_fraction: Share of a level that is frozen at a time.
        max_fraction: What is frozen stays frozen, and a level has at most floor(max_fraction K_l)
            such primitives: those frozen before, then the most used. None freezes anew each time,
            and thaws the rest.
    """
    device = usage.device
    rooms = torch.tensor(list(sizes), device=device)
    held = torch.arange(usage.shape[-1], device=device) < rooms[:, None]
    ready = usage.sum(-1, keepdim=True) >= threshold - SLACK
    count = torch.tensor([max(1, n) for n in share_of(top_fraction, sizes)], device=device)
    by_use = torch.where(held, usage, -torch.inf).sort(dim=-1, descending=True, stable=True).indices
    fresh = ready & held & (by_use.argsort(dim=-1) < count[:, None])
    if max_fraction is None:
        return fresh
    wanted = frozen | fresh
    turn = torch.where(frozen, 0, torch.where(fresh, 1, 2))
    order = by_use.gather(-1, turn.gather(-1, by_use).sort(dim=-1, stable=True).indices)
    most = torch.tensor(share_of(max_fraction, sizes), device=device)
    return wanted & (order.argsort(dim=-1) < most[:, None])
