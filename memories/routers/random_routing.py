"""Labels and banks by chance: the zero line of every measure of routing."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import Router, State

BITS = 24
"""Bits of a pseudo-random number: as many as a float holds."""


@memory("random-routing", family="routers")
class RandomRouting(Router):
    """Scores labels and banks by a hash of the code's bits, as good as drawn for every query.

    The same code gets the same answer, any other code an unrelated one: multiply-shift hashing of
    the bits of z (Dietzfelbinger et al. 1997), one multiplier per bit pattern and column. There
    are as many banks as groups.

    State: ``count`` of events; nothing of them is stored.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        generator: Source of the multipliers.
    """

    excludes = True
    multipliers: Tensor

    def __init__(
        self, key_dim: int, label_groups: tuple[int, ...], *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.labels = len(label_groups)
        self.banks = tuple(f"bank-{number}" for number in range(1, len(set(label_groups)) + 1))
        self.specialists = len(self.banks)
        columns = self.labels + len(self.banks)
        odd = 2 * torch.randint(2**61, (key_dim, columns), generator=generator) + 1
        self.register_buffer("multipliers", odd)

    @override
    def init_state(self) -> State:
        return {"count": torch.zeros_like(self.multipliers[0, 0])}

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        return {"count": state["count"] + z.shape[0]}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        # -0.0 and 0.0 are one code
        bits = (z.to(torch.float32) + 0.0).contiguous().view(torch.int32).to(torch.int64)
        mixed = (bits[..., None] * self.multipliers).sum(-2)
        drawn = ((mixed >> (63 - BITS)) & (2**BITS - 1)).to(z.dtype) / 2**BITS
        scores, routing = drawn[..., : self.labels], drawn[..., self.labels :] + 2.0**-BITS
        return scores, routing / routing.sum(-1, keepdim=True), state
