"""What a ring holds after each of N events, seen all at once instead of written one by one.

After event t the ring holds the newest M of what it held before and of the events up to t. A block
of queries therefore looks at the old slots and the events of the call side by side, each query
through a mask of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from memories.slots.ring import ring_age, ring_valid

VIEW_BLOCK = 64
"""Queries per view: each looks at up to M entries and at the events of its own block."""


@dataclass(frozen=True)
class View:
    """What a block of n consecutive queries can see.

    Attributes:
        queries: Which of the N queries they are.
        entries: Named slots and events [L, ...], newest first; zero where no event is.
        age: Events written since each entry, as each query sees it, int64 [n, L]; below zero for
            events still to come.
        visible: Whether the ring holds the entry when the query is read, bool [n, L].
    """

    queries: slice
    entries: dict[str, Tensor]
    age: Tensor
    visible: Tensor


def ring_views(
    slots: Mapping[str, Tensor],
    events: Mapping[str, Tensor],
    count: Tensor,
    *,
    inclusive: bool = True,
) -> Iterator[View]:
    """Views of the ring by the queries of a scan, 64 queries at a time.

    Args:
        slots: Named slots [M, ...] before the first event.
        events: The same names, [N, ...].
        count: Events written before these, int64 scalar.
        inclusive: Whether query t sees event t itself.
    """
    capacity = next(iter(slots.values())).shape[0]
    n_events = next(iter(events.values())).shape[0]
    order = ring_age(count, capacity)
    held = ring_valid(count, capacity)
    # position j of the newest-first order is the old event of age j, in use if j < count
    old = {name: _where(held, slot[order]) for name, slot in slots.items()}
    for start in range(0, n_events, VIEW_BLOCK):
        queries = slice(start, min(start + VIEW_BLOCK, n_events))
        seen = slice(max(0, start - capacity), queries.stop)
        # once M events have passed, nothing that was there before is left
        left = max(0, capacity - start)
        now = torch.arange(start, queries.stop, device=count.device)[:, None]
        now = now + (1 if inclusive else 0)
        event_age = now - 1 - torch.arange(seen.stop - 1, seen.start - 1, -1, device=count.device)
        old_age = now + torch.arange(left, device=count.device)
        age = torch.cat([event_age, old_age], dim=1)
        in_use = torch.cat([torch.ones_like(event_age[0], dtype=torch.bool), held[:left]])
        entries = {
            name: torch.cat([events[name][seen].flip(0), old[name][:left]]) for name in slots
        }
        yield View(queries, entries, age, in_use & (age >= 0) & (age < capacity))


def _where(held: Tensor, slots: Tensor) -> Tensor:
    """Slots [M, ...], zero where no event is."""
    return torch.where(held.reshape(-1, *[1] * (slots.dim() - 1)), slots, 0.0)
