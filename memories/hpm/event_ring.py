"""Rings of stored events, one per dynamic bank, that may refuse an event they hold already.

Event number e of a bank lies in slot e mod C. There is one row more than slots: events that are
not stored are written there. It is zero again after every write, so that reading it adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from memories.base import State

NO_ID = -1
"""An event without an id: never refused, and never kept from answering."""


def empty_rings(
    like: Tensor, banks: int, capacity: int, key_width: int, value_width: int
) -> dict[str, Tensor]:
    """The state of rings without an event.

    Args:
        like: Gives device and dtype.
        banks: nD.
        capacity: C.
        key_width: D.
        value_width: V.
    """

    def counts(*shape: int) -> Tensor:
        return like.new_zeros(shape, dtype=torch.int64)

    return {
        "dyn_key": like.new_zeros(banks, capacity + 1, key_width),
        "dyn_val": like.new_zeros(banks, capacity + 1, value_width),
        "dyn_id": counts(banks, capacity + 1) + NO_ID,
        "dyn_time": like.new_zeros(banks, capacity + 1),
        "dyn_head": counts(banks),
        "dyn_size": counts(banks),
        "dyn_evicted": counts(banks),
    }


def write_events(
    state: State,
    bank: int,
    events: Mapping[str, Tensor],
    keep: Tensor,
) -> dict[str, Tensor]:
    """The rings' entries after N events were written to one bank, in order.

    Args:
        state: Entries as of `empty_rings`.
        bank: Which ring.
        events: ``dyn_key`` [N, D], ``dyn_val`` [N, V], ``dyn_id`` [N], ``dyn_time`` [N].
        keep: Events that are stored, bool [N]; the others leave no trace.
    """
    capacity = state["dyn_key"].shape[1] - 1
    head, size, evicted = (state[f"dyn_{name}"][bank] for name in ("head", "size", "evicted"))
    place = keep.cumsum(0) - keep.to(torch.int64)
    total = keep.sum()
    survives = keep & (place >= total - capacity)
    slots = torch.where(survives, (head + place) % capacity, capacity)
    after = {
        "dyn_head": (head + total) % capacity,
        "dyn_size": (size + total).clamp(max=capacity),
        "dyn_evicted": evicted + (size + total - capacity).clamp(min=0),
    }
    for name, given in events.items():
        ring = state[name][bank]
        written = ring.index_copy(0, slots, given.detach().to(ring.dtype))
        after[name] = torch.cat([written[:-1], ring[-1:]])
    return {name: _replaced(state[name], bank, ring) for name, ring in after.items()}


def _replaced(entry: Tensor, bank: int, ring: Tensor) -> Tensor:
    return torch.cat([entry[:bank], ring[None], entry[bank + 1 :]])


def not_held(state: State, banks: Sequence[int], ids: Tensor) -> Tensor:
    """Which of N events are new when written in order to these banks, bool [N].

    An event is refused if any bank holds its id at its turn; one that was overwritten by then is
    held no more.

    Args:
        state: Entries as of `empty_rings`.
        banks: Rings that the events are written to; refusals look at all of them.
        ids: [N].
    """
    held, head = state["dyn_id"], state["dyn_head"]
    capacity = held.shape[1] - 1
    written = torch.tensor([bank in banks for bank in range(held.shape[0])], device=held.device)
    slots = torch.arange(capacity + 1, device=held.device)
    keep = []
    for one in ids.unbind(0):
        new = ~((held == one).any() & (one != NO_ID))
        here = (written & new)[:, None] & (slots == head[:, None])
        held = torch.where(here, one, held)
        head = torch.where(written & new, (head + 1) % capacity, head)
        keep.append(new)
    return torch.stack(keep) if keep else torch.zeros_like(ids, dtype=torch.bool)
