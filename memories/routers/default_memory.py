"""What sits in a router's memory slot where nothing is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from memories.slots.exact_knn import ExactKnn


@dataclass(frozen=True)
class DefaultMemory:
    """Exact search as a default of a `MemorySlot`: called like any memory in a slot.

    It is plain data beside, in the form of a suite, so that it is printed and hashed as if the
    suite had named it.

    Args:
        params: Its parameters; those left out keep their defaults.
        name: Its registry name.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = "exact-knn"

    def __call__(self, *, key_dim: int, value_dim: int, max_events: int, **_: Any) -> ExactKnn:
        """The memory for these widths and this many events."""
        return ExactKnn(key_dim, value_dim, max_events=max_events, **self.params)

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.name}[{settings}]" if settings else self.name
