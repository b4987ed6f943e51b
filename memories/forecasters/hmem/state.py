"""Names in H-Mem's flat state: each part keeps its entries under a prefix."""

from __future__ import annotations

from torch import Tensor

from memories.base import State

TRAINING = "training/"
"""Weights, moments, counters of steps."""
SNMA_STATE = "snma/"
"""The fast memory and its statistics."""
BANK = "bank/"
"""Past errors."""
RING = "ring/"
"""What was issued and is not known yet."""
CONSOLIDATION = "consolidation/"
"""What has sunk into the backbone."""
REPORT = "report/"
"""What `report` tells of the newest forecast."""


def within(state: State, prefix: str) -> dict[str, Tensor]:
    """The entries under a prefix, by the names they have there."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def under(prefix: str, state: State) -> dict[str, Tensor]:
    """A state as entries under a prefix."""
    return {prefix + name: entry for name, entry in state.items()}
