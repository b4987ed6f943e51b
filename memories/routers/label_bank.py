"""Any associative memory as a router: codes are its keys, labels its values."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import MemorySlot, Router, State, Unsuitable
from memories.routers.default_memory import DefaultMemory
from memories.routers.exclusion import refuse_exclusion

BANK = "bank/"
"""Prefix of the memory's entries in the router's state."""
FIVE_NEIGHBOURS = DefaultMemory({"k": 5})


@memory("label-bank", family="routers", source="any associative memory with labels as values")
class LabelBank(Router):
    """Scores labels by what an associative memory recalls for a code.

    Each event is written as (z, e_y), e_y the unit vector of label y, and scores are what is read
    for z. Its banks are the groups of labels: the routing is the softmax over groups of the sums
    of their labels' scores, and zero where nothing is recalled. Nothing is trained, and no event
    can be kept from answering.

    State: the memory's own under ``bank/``.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        max_events: Events the task will write.
        memory: The associative memory.
        generator: Initialises it.

    Raises:
        Unsuitable: If the memory recalls keys alone.
    """

    banks_are_groups = True
    members: Tensor

    def __init__(
        self,
        key_dim: int,
        label_groups: tuple[int, ...],
        *,
        max_events: int,
        memory: MemorySlot = FIVE_NEIGHBOURS,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.bank = memory(
            key_dim=key_dim,
            value_dim=len(label_groups),
            context_dim=0,
            max_events=max_events,
            generator=generator,
        )
        if not self.bank.hetero:
            raise Unsuitable("the memory recalls keys, not labels")
        self.vectorized, self.composes = self.bank.vectorized, self.bank.composes
        groups = sorted(set(label_groups))
        self.banks = tuple(f"group-{group}" for group in groups)
        self.specialists = len(groups)
        member = torch.tensor(label_groups)[:, None] == torch.tensor(groups)
        self.register_buffer("members", member.to(torch.float32), persistent=False)

    @override
    def init_state(self) -> State:
        return {BANK + name: entry for name, entry in self.bank.init_state().items()}

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        values = labels[:, None] == torch.arange(self.members.shape[0], device=z.device)
        after = self.bank.write(_bank(state), z, values.to(z.dtype))
        return {BANK + name: entry for name, entry in after.items()}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        refuse_exclusion(self, exclude_ids)
        scores = self.bank.read(_bank(state), z)
        recalled = (scores != 0).any(-1, keepdim=True)
        routing = torch.where(recalled, (scores @ self.members).softmax(-1), 0.0)
        return scores, routing, state


def _bank(state: State) -> State:
    return {
        name.removeprefix(BANK): entry for name, entry in state.items() if name.startswith(BANK)
    }
