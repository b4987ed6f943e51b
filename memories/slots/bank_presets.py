"""Named settings of the error memory bank, as its sources and controls use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

PresetName: TypeAlias = Literal["guide", "v1", "plain", "plain-soft", "recent"]
"""Settings by the name a suite uses."""

Aggregate: TypeAlias = Literal["softmax", "weighted-mean", "max", "median", "blend"]
"""How the values of the retrieved slots become one."""

Similarity: TypeAlias = Literal["cosine", "recency"]
"""What a query is compared by; ``recency`` ignores it."""


@dataclass(frozen=True)
class Preset:
    """Values that a bank takes where its constructor is given none.

    Attributes:
        capacity: Slots; None for as many as the task writes events.
        decay: Factor on a similarity per unit of age.
        min_similarity: Least similarity that counts.
        min_entries: Events that must be there before anything is recalled.
        top_k: Slots retrieved.
        temperature: Of the softmax.
        aggregate: How the values of the retrieved slots become one.
        evict_weights: Of importance, frequency and recency in the score of a slot.
        similarity: What a query is compared by.
        offset: Added to the largest hit count and age before they divide the others.
    """

    capacity: int | None
    decay: float
    min_similarity: float
    min_entries: int
    top_k: int
    temperature: float
    aggregate: Aggregate
    evict_weights: tuple[float, float, float]
    similarity: Similarity = "cosine"
    offset: float = 1.0

    def merged(self, **given: Any) -> Preset:
        """This preset with every setting replaced that is given as something else than None."""
        return replace(self, **{name: v for name, v in given.items() if v is not None})


OLDEST_FIRST = (0.0, 0.0, 1.0)
"""Weights with which the bank is a ring: the oldest event is overwritten."""

PRESETS: dict[PresetName, Preset] = {
    "guide": Preset(1000, 0.99, 0.3, 1, 5, 0.1, "softmax", (0.4, 0.3, 0.3), offset=1e-8),
    "v1": Preset(1000, 0.995, 0.0, 10, 5, 0.1, "softmax", (0.4, 0.2, 0.4)),
    "plain": Preset(None, 1.0, -1.0, 1, 1, 0.1, "max", OLDEST_FIRST),
    "plain-soft": Preset(None, 1.0, -1.0, 1, 5, 0.1, "softmax", OLDEST_FIRST),
    "recent": Preset(1000, 0.995, 0.0, 10, 5, 0.1, "softmax", OLDEST_FIRST, similarity="recency"),
}
"""The two published settings, two of a plain key-value memory, and the control without a query."""
