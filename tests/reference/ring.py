"""A ring of slots as a list that forgets from the front."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def kept(
    keys: Tensor, values: Tensor, capacity: int, prepare: Callable[[Tensor], Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """The (key, value) pairs still stored, oldest first."""
    events: list[tuple[Tensor, Tensor]] = []
    for k, v in zip(keys, values, strict=True):
        events.append((prepare(k), v))
        if len(events) > capacity:
            events.pop(0)
    return events


def slots(events: Tensor, capacity: int) -> dict[int, Tensor]:
    """Slot number to the event it holds after a sequential ring wrote them one by one."""
    held: dict[int, Tensor] = {}
    cursor = 0
    for event in events:
        held[cursor] = event
        cursor = (cursor + 1) % capacity
    return held
