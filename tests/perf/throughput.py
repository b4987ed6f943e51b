"""Writes and reads of a memory, timed beside the loop over events that defines it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from memories.base import State
from tests.memories.case import Recall, build, unit_rows
from tests.memories.cases import CASES as KNOWN

DIM = 64
"""Width of keys and values."""


def fastest(*sides: Callable[[], Any], rounds: int = 5) -> list[float]:
    """Seconds of each side's fastest round, the sides taking turns.

    What else the machine does only ever adds to a round: the fastest is the least disturbed.
    """
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


@dataclass(frozen=True)
class Throughput:
    """A memory with parameters, the size of the race and the lead that it must keep.

    The bars stand at a third of what one core measured, or lower, and at 1 where both sides go
    event by event or do the same work: they notice a loop that came back, not a busy machine.

    Attributes:
        name: Registry name.
        write: How many times as fast as the loop it must write all events and answer one query.
        read: How many times as fast as the loop it must answer each further query.
        at_once: How many times as fast as single events it must write them in one call; half,
            which leaves room for noise, where that saves little.
        params: The memory's parameters.
        reference: Turns the built memory into its defining loop, as a `Case` does; that of the
            first known case of the name if None.
        events: How many are written.
        queries: How many are asked: few where the loop compares every bit or every slot, many
            where it reads in no time beside its writes.
    """

    name: str
    write: float
    read: float
    at_once: float = 0.5
    params: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[[Any], Recall] | None = None
    events: int = 256
    queries: int = 256

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.params.items())])

    def race(self, dtype: torch.dtype = torch.float32) -> Race:
        """Both sides, built."""
        memory = self.build().to(dtype)
        reference = self.reference
        if reference is None:
            reference = next(case.reference for case in KNOWN if case.name == self.name)
        sizes = self.events, self.events, self.queries
        drawn = [unit_rows(seed, n, DIM).to(dtype) for seed, n in enumerate(sizes)]
        return Race(memory, reference(memory), *drawn)

    def build(self, seed: int = 0) -> Any:
        """The memory for keys and values of the common width; nothing records for gradients."""
        sizes = {"key_dim": DIM, "value_dim": DIM, "max_events": self.events}
        return build(self.name, seed, **sizes, **self.params).requires_grad_(False)


@dataclass(frozen=True)
class Race:
    """One lane of a memory and its defining loop, with the same events and queries.

    A loop writes and reads in one go. So both sides are timed with one query and with all of
    them: the first time is that of the writes, the difference that of the reads.
    """

    memory: Any
    loop: Recall
    keys: Tensor
    values: Tensor
    queries: Tensor

    @cached_property
    def start(self) -> State:
        """The state before any event."""
        state: State = self.memory.init_state()
        return state

    @cached_property
    def state(self) -> State:
        """The state after all events."""
        return self.write()

    def write(self) -> State:
        """All events in one call."""
        state: State = self.memory.write(self.start, self.keys, self.values)
        return state

    def write_each(self) -> State:
        """One call an event."""
        state = self.start
        for k, v in zip(self.keys.split(1), self.values.split(1), strict=True):
            state = self.memory.write(state, k, v)
        return state

    def read(self) -> Tensor:
        """All queries in one call."""
        recalled: Tensor = self.memory.read(self.state, self.queries)
        return recalled

    def read_each(self) -> Tensor:
        """One call a query."""
        return torch.cat([self.memory.read(self.state, q) for q in self.queries.split(1)])

    def same(self) -> bool:
        """Whether both sides recall the same, so that the same work is timed.

        A bit whose field is zero up to rounding may fall either way: one number in a hundred.
        """
        close = (self.read() - self.looped()).abs() <= 1e-4
        return bool(close.float().mean() >= 0.99)

    def looped(self) -> Tensor:
        """What the loop recalls for all queries."""
        return self.loop(self.keys, self.values, self.queries).detach()

    def over_the_loop(self) -> tuple[float, float]:
        """How many times as fast as the loop: a pass with one query, and each further query."""
        ours, loop_once, loop_all = fastest(
            lambda: self.memory.read(self.write(), self.queries[:1]),
            lambda: self.loop(self.keys, self.values, self.queries[:1]),
            self.looped,
            rounds=3,
        )
        (further,) = fastest(lambda: self.memory.read(self.state, self.queries[1:]))
        return loop_once / ours, max(0.0, loop_all - loop_once) / further

    def over_single_calls(self) -> tuple[float, float]:
        """How many times as fast as one call each: all events, and all queries."""
        write, write_each = fastest(self.write, self.write_each, rounds=3)
        read, read_each = fastest(self.read, self.read_each, rounds=3)
        return write_each / write, read_each / read
