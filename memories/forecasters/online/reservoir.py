"""Reservoir sampling with all its random choices made in advance."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Reservoir(nn.Module):
    """An equal sample of M of all items seen so far, and draws from it.

    Vitter 1985, algorithm R: item n (from 0) goes to slot n while n < M, later to slot
    floor(u (n+1)) with u of U(0, 1) if that is below M, and nowhere otherwise. Which slots are
    written and drawn at a step depends on nothing but the step, so that both are worked out here,
    once, from one table of uniforms [steps, 1 + draws] that is drawn row by row.

    Args:
        capacity: M.
        draws: Items to draw at each step, at most M.
        steps: Upper bound on the items to come.
        replace: Whether a step may draw an item more than once.
        generator: Source of the uniforms.
    """

    slots: Tensor
    shares: Tensor
    positions: Tensor

    def __init__(
        self, capacity: int, draws: int, steps: int, *, replace: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.draws = draws
        uniforms = torch.rand(steps, 1 + draws, generator=generator)
        seen = torch.arange(steps)
        drawn = _drawn(uniforms[:, 1:], seen.clamp(max=capacity), replace=replace)
        slots = torch.cat([_written(uniforms[:, 0], seen, capacity)[:, None], drawn], dim=1)
        self.register_buffer("slots", slots.to(torch.int32))
        held = torch.arange(draws + 1)[:, None]
        used = torch.arange(draws) < held
        self.register_buffer("shares", used / held.clamp(min=1))
        self.register_buffer("positions", torch.arange(capacity))

    def empty(self) -> Tensor:
        """Items [M] before any was seen, int64 zeros."""
        return torch.zeros_like(self.positions)

    def at(self, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What to write and what to draw when `step` items, an int64 scalar, were seen before.

        Returns:
            A bool [M] that is true at the slot of the new item, if it is kept; slots [draws]
            drawn before it is written; their shares [draws] in a mean over what is drawn. While
            fewer than `draws` items exist only as many draws count, the others have share 0.

        Raises:
            IndexError: If more items are seen than `steps`.
        """
        chosen = self.slots.index_select(0, step[None])[0].long()
        share = self.shares.index_select(0, step.clamp(max=self.draws)[None])[0]
        return self.positions == chosen[0], chosen[1:], share


def _written(uniforms: Tensor, seen: Tensor, capacity: int) -> Tensor:
    """Slots [steps] of the new items; `capacity`, which is no slot, for those not kept."""
    replaced = (uniforms * (seen + 1)).floor().long()
    return torch.where(seen < capacity, seen, replaced.clamp(max=capacity))


def _drawn(uniforms: Tensor, held: Tensor, *, replace: bool) -> Tensor:
    """Slots [steps, draws] drawn from the first `held` [steps] ones; the first `held` draws count.

    Without replacement by Floyd's algorithm (Bentley & Floyd 1987): draw i is a random slot of
    the first held - draws + i + 1, or the last of these if the random one was drawn before.
    Of no more items than draws each is drawn, in order.
    """
    draws = uniforms.shape[1]
    if replace:
        return (uniforms * held[:, None]).floor().long()
    picked = torch.empty(len(uniforms), 0, dtype=torch.int64)
    fewer = (held - draws).clamp(min=0)
    for i in range(draws):
        last = fewer + i
        random = (uniforms[:, i] * (last + 1)).floor().long()
        taken = (picked == random[:, None]).any(1)
        picked = torch.cat([picked, torch.where(taken, last, random)[:, None]], dim=1)
    return picked
