"""Reservoir sampling with a Python list, one item after another (Vitter 1985, algorithm R)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


class Reservoir:
    """Keeps `capacity` items; the caller gives the uniforms."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.seen = capacity, 0
        self.items: list[Any] = []

    def add(self, item: Any, u: float) -> None:
        if len(self.items) < self.capacity:
            self.items.append(item)
        elif (slot := math.floor(u * (self.seen + 1))) < self.capacity:
            self.items[slot] = item
        self.seen += 1

    def draw(self, uniforms: Sequence[float], *, replace: bool) -> list[Any]:
        """As many items as there are uniforms, or as there are items if these are fewer."""
        held = len(self.items)
        count = min(held, len(uniforms))
        if replace:
            return [self.items[math.floor(u * held)] for u in uniforms[:count]]
        chosen: list[int] = []
        for last, u in zip(range(held - count, held), uniforms, strict=False):
            slot = math.floor(u * (last + 1))
            chosen.append(last if slot in chosen else slot)
        return [self.items[slot] for slot in chosen]
