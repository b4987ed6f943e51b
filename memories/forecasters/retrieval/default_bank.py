"""What sits in a forecaster's memory slot where nothing is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from memories.slots.error_memory_bank import ErrorMemoryBank


@dataclass(frozen=True)
class DefaultBank:
    """The error memory bank as a default of a `MemorySlot`: called like any memory in a slot.

    It is plain data beside, in the form of a suite, so that it is printed and hashed as if the
    suite had named it.

    Args:
        params: Parameters of the bank; those left out keep their defaults.
        name: Its registry name.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = "error-memory-bank"

    def __call__(
        self, *, key_dim: int, value_dim: int, max_events: int, **_: Any
    ) -> ErrorMemoryBank:
        """The bank for these widths and this many events."""
        return ErrorMemoryBank(key_dim, value_dim, max_events=max_events, **self.params)

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.name}[{settings}]" if settings else self.name
