"""The sum of features as one more column of a matrix memory.

A normalised read divides phi(q) S by phi(q) z, where z obeys the same recurrence as a column of S
whose values are all one. The state keeps both apart, as ``fast_weights`` [m, V] and
``normaliser`` [m]; what has no normaliser passes through unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memories.base import State


def joined(state: State) -> Tensor:
    """Weights [m, V + 1], or [m, V] where the state has no normaliser."""
    if "normaliser" not in state:
        return state["fast_weights"]
    return torch.cat([state["fast_weights"], state["normaliser"][:, None]], dim=1)


def with_ones(state: State, values: Tensor) -> Tensor:
    """Values [N, V + 1] with a last column of ones, or [N, V] without a normaliser."""
    if "normaliser" not in state:
        return values
    return torch.cat([values, torch.ones_like(values[:, :1])], dim=1)


def split(state: State, weights: Tensor, n_events: int) -> State:
    """The state whose joined weights are these, `n_events` after the given one."""
    count = state["count"] + n_events
    if "normaliser" not in state:
        return {"fast_weights": weights, "count": count}
    return {
        "fast_weights": weights[:, :-1].contiguous(),
        "normaliser": weights[:, -1].contiguous(),
        "count": count,
    }
