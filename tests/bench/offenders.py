"""Associative memories that break one law each, and the one that breaks none."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from bench.audit import associative
from memories.base import AssociativeMemory, State
from memories.slots.ring import ring_valid, ring_write
from memories.slots.ring_attention import RingAttention

D, V = associative.KEY_DIM, associative.VALUE_DIM


class Sum(AssociativeMemory):
    """Adds up outer products of keys and values: keeps all laws. Offenders change one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0.0

    @override
    def init_state(self) -> State:
        return {"weights": torch.zeros(D, V), "count": torch.zeros((), dtype=torch.int64)}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return {
            "weights": state["weights"] + keys.T @ values / D,
            "count": state["count"] + len(keys),
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries @ state["weights"]


class PeeksInScan(Sum):
    """Reads at t after event t + 1 was written."""

    @override
    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        after = self.write(state, keys, values)
        reads = []
        for t in range(len(keys)):
            reads.append(self.read(self.write(state, keys[: t + 2], values[: t + 2]), queries[[t]]))
        return torch.cat(reads), after


class RemembersOutside(Sum):
    """Keeps in an attribute how much was ever written, and answers with it."""

    @override
    def write(self, state: State, keys: Tensor, *rest: Any, **named: Any) -> State:
        self.reads += float(keys.detach().abs().sum()) if not _batched(keys) else 0.0
        return super().write(state, keys, *rest, **named)

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        return super().read(state, queries) * (1 + self.reads)


def _batched(tensor: Tensor) -> bool:
    return bool(torch._C._functorch.is_batchedtensor(tensor))


class MixesLanes(Sum):
    """Adds what the lane before it was last given: a cache of the class, not of the state."""

    vectorized = False
    last: ClassVar[list[Tensor]] = []

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        before = self.last.pop() if self.last else torch.zeros(())
        self.last.append(state["weights"].sum())
        return super().read(state, queries) + before * state["count"].clamp(max=1)


class WritesIntoItsState(Sum):
    """Adds to the matrix it was given."""

    @override
    def write(self, state: State, keys: Tensor, values: Tensor, *rest: Any, **named: Any) -> State:
        state["weights"].add_(keys.T @ values / D)
        return {**state, "count": state["count"] + len(keys)}


class ScalesItsKeys(Sum):
    """Normalises the keys where they are."""

    @override
    def write(self, state: State, keys: Tensor, values: Tensor, *rest: Any, **named: Any) -> State:
        keys.div_(keys.norm(dim=-1, keepdim=True))
        return super().write(state, keys, values)


class ReadsAtRandom(Sum):
    """Adds noise of the global generator to what it recalls."""

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        exact = super().read(state, queries)
        return exact + 1e-3 * torch.rand(exact.shape) * state["count"].clamp(max=1)


class CountsItsReads(Sum):
    """Counts in its state, while reading."""

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        state["count"].add_(1)
        return super().read(state, queries)


class StartsAtRandom(Sum):
    """Its first matrix is drawn anew at every reset."""

    @override
    def init_state(self) -> State:
        start = dict(super().init_state())
        start["noise"] = torch.rand(3)
        return start

    @override
    def write(self, state: State, *rest: Any, **named: Any) -> State:
        return {**super().write(state, *rest, **named), "noise": state["noise"]}


class Grows(Sum):
    """Keeps every key in a list that grows."""

    @override
    def init_state(self) -> State:
        return {**super().init_state(), "keys": torch.zeros(0, D)}

    @override
    def write(self, state: State, keys: Tensor, values: Tensor, *rest: Any, **named: Any) -> State:
        kept = torch.cat([state["keys"], keys])
        return {**super().write(state, keys, values), "keys": kept}


class Overflows(Sum):
    """Multiplies its matrix at every event until it is infinite."""

    @override
    def write(self, state: State, keys: Tensor, values: Tensor, *rest: Any, **named: Any) -> State:
        after = dict(super().write(state, keys, values))
        after["weights"] = after["weights"] * 10.0 ** len(keys)
        return after


class AnswersWithoutKnowing(Sum):
    """Recalls ones before any event."""

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        known = super().read(state, queries)
        return torch.where(state["count"] > 0, known, 1.0)


class AveragesItsCall(Sum):
    """Divides by the number of events of the call: two calls differ from one."""

    @override
    def write(self, state: State, keys: Tensor, values: Tensor, *rest: Any, **named: Any) -> State:
        return super().write(state, keys, values / max(1, len(keys)))


class CentresItsQueries(Sum):
    """Subtracts the mean of the queries that are asked together."""

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        return super().read(state, queries - queries.mean(0))


class ScansDifferently(Sum):
    """Interleaves causally, at half the strength of single reads."""

    @override
    def scan(self, *args: Any, **named: Any) -> tuple[Tensor, State]:
        reads, state = super().scan(*args, **named)
        return reads / 2, state


class ReadsUnusedSlots(RingAttention):
    """Softmax over all slots, used or not."""

    def __init__(self) -> None:
        super().__init__(D, V, capacity=12)

    @override
    def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
        weights = (queries @ state["keys"].T).softmax(-1)
        return torch.where(state["count"] > 0, weights @ state["values"], 0.0)


class WritesBesideUnusedSlots(AssociativeMemory):
    """A mean of slots that, when writing, spreads what stood in the next free slot."""

    slot_state = ("values",)

    @override
    def init_state(self) -> State:
        return {"values": torch.zeros(12, V), "count": torch.zeros((), dtype=torch.int64)}

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], 12)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        stored = ring_write({"values": state["values"]}, {"values": values}, state["count"])
        spread = 0 * state["values"][-1:]
        return {"values": stored["values"] + spread, "count": state["count"] + len(keys)}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        used = self.valid(state)[:, None]
        mean = torch.where(used, state["values"], 0).sum(0) / used.sum().clamp(min=1)
        return mean.expand(len(queries), -1)
