"""An error bank as a list of slots, one event, one slot and one query at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass
class Slot:
    key: Tensor
    value: Tensor
    time: int
    importance: float
    hits: float = 0.0


@dataclass(frozen=True)
class Settings:
    """What decides where an event goes, what a read finds and what it makes of it."""

    capacity: int
    top_k: int = 1
    temperature: float = 0.1
    decay: float = 1.0
    min_similarity: float = -1.0
    min_entries: int = 1
    aggregate: str = "max"
    evict_weights: tuple[float, float, float] = (0.0, 0.0, 1.0)
    offset: float = 1.0
    similarity: str = "cosine"
    importance: str = "raw"
    overwrite_similarity: float | None = None
    center_keys: bool = False
    forget_decay: float = 1.0
    forget_threshold: float = 0.0
    max_age: int | None = None


def score(slot: Slot, held: list[Slot], clock: int, settings: Settings) -> float:
    """w_i I + w_f F + w_r R of one of the held slots."""
    by_importance, by_use, by_recency = settings.evict_weights
    age = clock - slot.time
    oldest = max(clock - s.time for s in held)
    importance = slot.importance / (max(s.importance for s in held) + 1e-8)
    use = slot.hits / (max(s.hits for s in held) + settings.offset)
    recency = 1 - age / (oldest + settings.offset)
    return by_importance * importance + by_use * use + by_recency * recency


class Bank:
    """The slots, and what was written in all."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.slots: list[Slot | None] = [None] * settings.capacity
        self.clock = 0
        self.mean: Tensor | float = 0.0

    @property
    def held(self) -> list[Slot]:
        return [slot for slot in self.slots if slot is not None]

    def write(self, key: Tensor, value: Tensor) -> int:
        """Write one event; the slot it took."""
        settings, key = self.settings, unit(key)
        for slot in self.held:
            slot.importance *= settings.forget_decay
        place = self.place(key)
        measured = float(value.detach().abs().mean()) if settings.importance == "raw" else 1.0
        self.slots[place] = Slot(key, value, self.clock, measured)
        self.clock += 1
        if settings.center_keys:
            self.mean = 0.99 * self.mean + 0.01 * key.detach()
        for i, slot in enumerate(self.slots):
            if slot is not None and self.is_forgotten(slot):
                self.slots[i] = None
        return place

    def place(self, key: Tensor) -> int:
        settings = self.settings
        if settings.overwrite_similarity is not None and self.held:
            cosines = [
                -math.inf
                if s is None
                else float((self.compared(s.key) @ self.compared(key)).detach())
                for s in self.slots
            ]
            if max(cosines) >= settings.overwrite_similarity - 1e-12:
                return cosines.index(max(cosines))
        if None in self.slots:
            return self.slots.index(None)
        held = self.held
        scores = [score(slot, held, self.clock, settings) for slot in held]
        return scores.index(min(scores))

    def is_forgotten(self, slot: Slot) -> bool:
        settings = self.settings
        too_old = settings.max_age is not None and self.clock - slot.time > settings.max_age
        return too_old or slot.importance < settings.forget_threshold

    def compared(self, key: Tensor) -> Tensor:
        return unit(key - self.mean) if self.settings.center_keys else key

    def similarities(self, query: Tensor) -> dict[int, Tensor]:
        """Discounted similarity of every slot in use."""
        settings = self.settings
        probe = self.compared(unit(query))
        found = {}
        for i, slot in enumerate(self.slots):
            if slot is None:
                continue
            near = self.compared(slot.key) @ probe
            if settings.similarity == "recency":
                near = torch.ones_like(near)
            found[i] = near * settings.decay ** (self.clock - slot.time)
        return found

    def retrieved(self, query: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Similarity and value of the entries that count, best first."""
        settings = self.settings
        near = self.similarities(query)
        if len(near) < settings.min_entries:
            return []
        best = sorted(near, key=lambda i: (-round(float(near[i].detach()), 12), i))
        kept = [i for i in best[: settings.top_k] if near[i] >= settings.min_similarity - 1e-12]
        return [(near[i], self.slots[i].value) for i in kept]

    def read(self, query: Tensor, width: int) -> Tensor:
        found = self.retrieved(query)
        if not found:
            return torch.zeros(width, dtype=query.dtype)
        near, values = (torch.stack(part) for part in zip(*found, strict=True))
        return aggregate(near, values, self.settings.aggregate, self.settings.temperature)


def aggregate(near: Tensor, values: Tensor, how: str, temperature: float) -> Tensor:
    """One value from those that count, best first."""
    soft = (near / temperature).softmax(0)
    mean = near.clamp(min=0) / (near.clamp(min=0).sum() + 1e-8)
    if how == "softmax":
        return soft @ values
    if how == "weighted-mean":
        return mean @ values
    if how == "max":
        return values[0]
    if how == "median":
        return values.sort(0).values[(len(values) - 1) // 2]
    std = ((near - near.mean()) ** 2).mean() + 1e-8
    share = torch.sigmoid(near.max() / (std.sqrt() + 1e-8) - 5)
    return (share * soft + (1 - share) * mean) @ values


def recall(
    keys: Tensor, values: Tensor, queries: Tensor, *, capacity: int, **settings: object
) -> Tensor:
    """What each query recalls after all events."""
    bank = Bank(Settings(capacity, **settings))
    for key, value in zip(keys, values, strict=True):
        bank.write(key, value)
    return torch.stack([bank.read(query, values.shape[1]) for query in queries])
