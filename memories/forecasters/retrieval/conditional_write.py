"""Writing an event that may not have happened, without a branch."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.base import AssociativeMemory, State
from memories.slots.error_memory_bank import ErrorMemoryBank


def write_if(
    memory: AssociativeMemory, state: State, key: Tensor, value: Tensor, happened: Tensor
) -> State:
    """The state after one event if it happened, and as it was if not.

    Args:
        memory: Any associative memory.
        state: Its state.
        key: [D].
        value: [V].
        happened: Bool scalar.
    """
    if isinstance(memory, ErrorMemoryBank):
        return memory.write_one(state, key, value, enable=happened)
    written = memory.write(state, key[None], value[None])
    return {name: torch.where(happened, entry, state[name]) for name, entry in written.items()}
