"""Memories with which one can see what the model around them does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.base import AssociativeMemory, Gates, State


class _Scanned(AssociativeMemory):
    """A memory that is only ever scanned.

    Args:
        key_dim: D.
        value_dim: V.
    """

    chunked_scan = True

    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.value_dim = value_dim

    def init_state(self) -> State:
        return {"count": torch.zeros((), dtype=torch.int64)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return {"count": state["count"] + keys.shape[0]}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries.new_zeros(queries.shape[0], self.value_dim)


class Silent(_Scanned):
    """Recalls nothing."""

    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        assert gates is None
        return torch.zeros_like(values), state


class GateReader(_Scanned):
    """Recalls the gates it was given: the write gate in the first half, keep in the second."""

    takes_gates = frozenset({"write", "keep"})

    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        blank = torch.zeros_like(values[:, 0])
        given = [(gates or {}).get(name, blank) for name in ("write", "keep")]
        return torch.stack(given, dim=1).repeat_interleave(values.shape[1] // 2, 1), state


class Gained(_Scanned):
    """Recalls the newest value times a slow weight of its own."""

    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__(key_dim, value_dim)
        self.gain = nn.Parameter(torch.ones(value_dim))
        self.unused = nn.Parameter(torch.ones(3))
        self.scalar("sign", 1.0)

    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        return self.sign * self.gain * values, state
