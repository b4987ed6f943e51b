"""The most similar slots of an error bank, best first, and which of them count."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from memories.base import State
from memories.slots.nearest import nearest, rounding


class Recalled(NamedTuple):
    """What one query found, best first; with Q queries every field has a leading axis Q.

    Attributes:
        slots: Where they lie, int64 [K].
        similarity: Similarities [K], discounted by age; zero where not valid.
        valid: Which of them count, bool [K].
        keys: [K, D] at unit length; zero where not valid.
        values: [K, V]; zero where not valid.
        age: [K]; 1 is the newest event's.
    """

    slots: Tensor
    similarity: Tensor
    valid: Tensor
    keys: Tensor
    values: Tensor
    age: Tensor


def as_they_are(keys: Tensor) -> Tensor:
    """Keys [..., D] compared as they are."""
    return keys


def alike(keys: Tensor) -> Tensor:
    """Keys [..., D] as if all were the same: one unit vector [..., 1]."""
    return torch.ones_like(keys[..., :1])


def find(
    state: State,
    probes: Tensor,
    age: Tensor,
    discount: Tensor,
    held: Tensor,
    *,
    top_k: int,
    min_similarity: Tensor,
    min_entries: int,
    compared: Callable[[Tensor], Tensor],
) -> Recalled:
    """What Q queries find among the held slots; equal similarities go to the lower slot.

    The search itself is not differentiated: gradients pass through the similarities and values of
    what was found alone.

    Args:
        state: ``keys`` [M, D] at unit length and ``values`` [M, V].
        probes: Unit queries [Q, D].
        age: [M] or [Q, M].
        discount: Factor on each similarity, of the same shape.
        held: Slots that may be found, bool [M].
        top_k: K, at most M.
        min_similarity: Least discounted similarity that counts.
        min_entries: Slots that must be held before any counts.
        compared: What is done to keys and queries before their product is taken.
    """
    # a NaN in an unused slot would pass through the gradient of `where`, hence the detached search
    cosines = compared(probes.detach()) @ compared(state["keys"].detach()).mT
    score = torch.where(held, cosines * discount, -torch.inf)
    slots = _best(score, top_k)
    found = score.gather(-1, slots)
    valid = (found >= min_similarity - rounding(found)) & (held.sum() >= min_entries)
    keys, values = (
        torch.where(valid[..., None], state[name][slots], 0.0) for name in ("keys", "values")
    )
    age, discount = (x.expand_as(score).gather(-1, slots) for x in (age, discount))
    near = (compared(probes)[:, None] * compared(keys)).sum(-1) * discount
    return Recalled(slots, torch.where(valid, near, 0.0), valid, keys, values, age)


def _best(score: Tensor, top_k: int) -> Tensor:
    """Slots [Q, K] of the largest scores [Q, M], best first."""
    slots = nearest(score, top_k, rounding(score))
    if top_k == 1:
        return slots
    order = score.gather(-1, slots).sort(dim=-1, descending=True, stable=True).indices
    return slots.gather(-1, order)
