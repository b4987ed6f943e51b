"""A ring of slots: the newest M events, each overwriting the oldest.

Buffers have their slots on the first axis. Event number e lies in slot e mod M, so that the
number of events written says where everything is, which slots are in use and how old each is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from memories.base import InvalidParameter


def ring_write(
    buffers: Mapping[str, Tensor], events: Mapping[str, Tensor], count: Tensor
) -> dict[str, Tensor]:
    """The buffers after N events, in order, without a loop over events.

    Only the last M of the events can survive; each of them has a slot of its own, so the copy
    does not depend on the order in which it is done.

    Args:
        buffers: Named slots [M, ...].
        events: The same names, [N, ...]; N may be zero or exceed M.
        count: Events written before these, int64 scalar.
    """
    written = {}
    for name, buffer in buffers.items():
        capacity, n_events = buffer.shape[0], events[name].shape[0]
        first = max(0, n_events - capacity)
        slots = (count + torch.arange(first, n_events, device=count.device)) % capacity
        written[name] = buffer.index_copy(0, slots, events[name][first:])
    return written


def ring_valid(count: Tensor, capacity: int) -> Tensor:
    """Which slots hold an event, bool [M]."""
    return torch.arange(capacity, device=count.device) < count


def ring_age(count: Tensor, capacity: int) -> Tensor:
    """Events written since each slot's own, int64 [M]; 0 is the newest.

    The map is its own inverse: entry j is also the slot of the event of age j. Slots that hold
    no event come out as the oldest.
    """
    return (count - 1 - torch.arange(capacity, device=count.device)) % capacity


def capacity_within(budget: int, words_per_slot: int) -> dict[str, Any]:
    """The `capacity` of the largest ring of at most `budget` state floats.

    Raises:
        InvalidParameter: If not even one slot fits.
    """
    if budget < words_per_slot:
        raise InvalidParameter(
            "budget",
            f"must be >= {words_per_slot}, the size of one slot, got {budget}",
            help="raise the budget, or choose a memory without slots",
        )
    return {"capacity": budget // words_per_slot}
