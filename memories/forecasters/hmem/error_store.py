"""Where H-Mem keeps past errors: its own bank, or any associative memory."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from memories.base import AssociativeMemory, State
from memories.forecasters.hmem.buckets import BucketMode, bucket_at, slots_of
from memories.forecasters.hmem.chrc import CHRC
from memories.forecasters.hmem.contradictions import check_entries
from memories.forecasters.hmem.evidence import Evidence, evidence_of_info, evidence_of_memory
from memories.forecasters.hmem.state import under, within
from memories.forecasters.retrieval.errorbank import Telling
from memories.slots.bank_search import Recalled
from memories.slots.error_memory_bank import ErrorMemoryBank

TOLD = frozenset({"values", "idx", "sim", "valid"})
"""What a memory's `read_info` must say for its similarities to be used."""
SAME = 1e-5
"""How far from 1 the cosine of two equal keys may be."""


class Found(NamedTuple):
    """What a store answers for one origin.

    Attributes:
        evidence: What the correction takes.
        recalled: What the own bank found, for the count of accesses; None of other memories.
    """

    evidence: Evidence
    recalled: Recalled | None


class ErrorStore(nn.Module):
    """Errors of past forecasts [H, C] by unit key [d]; its state is flat, as a memory's.

    Attributes:
        width: K, how many similarities its evidence holds.
        timed: Whether it can be read as it was at an earlier step.
        sums: Whether what it recalls may be a sum of errors, of any size.
        comparable: Whether its evidence holds similarities.
    """

    width: int
    timed: bool
    sums: bool
    comparable: bool

    @abstractmethod
    def init_state(self) -> State:
        """The state before any error."""

    @abstractmethod
    def write(
        self, state: State, key: Tensor, error: Tensor, step: Tensor, origin: Tensor, on: Tensor
    ) -> State:
        """The state after one error, where it is written at all.

        Args:
            state: State before it.
            key: [d].
            error: [H, C]; anything where not written.
            step: Step at which it became known.
            origin: Step at which the forecast was issued.
            on: Whether it is written, bool.
        """

    @abstractmethod
    def read(
        self, state: State, chrc: CHRC, key: Tensor, z: Tensor, origin: Tensor, *, past: bool
    ) -> Found:
        """What is known for a forecast issued at an origin.

        Args:
            state: State to read.
            chrc: The correction that takes the evidence.
            key: [d].
            z: Encoding of the newest rows [d].
            origin: Step of the forecast.
            past: Whether to see only what was known at the origin, with ages as of then.
        """

    @abstractmethod
    def touch(self, state: State, found: Found) -> State:
        """The state after what was found corrected a forecast."""

    @abstractmethod
    def utilisation(self, state: State) -> Tensor:
        """Share of the store that is in use."""


class BankStore(ErrorStore):
    """H-Mem's own bank; with buckets, each time of the season has slots of its own.

    Args:
        bank: The bank, counting ages in time; its capacity is a multiple of the buckets.
        horizon: H.
        buckets: B.
        bucket_mode: How times of the season share them out.
        period: Rows per season.
    """

    timed, sums, comparable = True, False, True

    def __init__(
        self,
        bank: ErrorMemoryBank,
        horizon: int,
        *,
        buckets: int = 1,
        bucket_mode: BucketMode = "daypart",
        period: int = 1,
    ) -> None:
        super().__init__()
        self.bank, self.horizon, self.width = bank, horizon, bank.top_k
        self.buckets, self.bucket_mode, self.period = buckets, bucket_mode, period

    @override
    def init_state(self) -> State:
        return self.bank.init_state()

    @override
    def write(
        self, state: State, key: Tensor, error: Tensor, step: Tensor, origin: Tensor, on: Tensor
    ) -> State:
        own = self._own(origin)
        return self.bank.write_one(state, key, error.reshape(-1), time=step, among=own, enable=on)

    @override
    def read(
        self, state: State, chrc: CHRC, key: Tensor, z: Tensor, origin: Tensor, *, past: bool
    ) -> Found:
        usable = self._own(origin)
        if past:
            known = state["time"] <= origin
            usable = known if usable is None else usable & known
        recalled = self.bank.recall(state, key, now=origin, usable=usable)
        return Found(chrc.evidence(self.bank, state, recalled, z), recalled)

    @override
    def touch(self, state: State, found: Found) -> State:
        if found.recalled is None:
            return state
        used = {"idx": found.recalled.slots, "found": found.recalled.valid}
        return self.bank.touch(state, used)

    @override
    def utilisation(self, state: State) -> Tensor:
        return self.bank.valid(state).float().mean()

    def _own(self, origin: Tensor) -> Tensor | None:
        """The slots for an origin, bool [M]; None for all."""
        if self.buckets == 1:
            return None
        bucket = bucket_at(origin, self.buckets, self.period, self.bucket_mode)
        return slots_of(bucket, self.buckets, self.bank.capacity // self.buckets)


class MemoryStore(ErrorStore):
    """Any associative memory in the place of the bank.

    A memory that tells the cosines of what it found gives them as evidence; of any other only the
    answer is known, and how it compares with the newest error. State: the memory's own,
    ``stored`` (errors written) and ``newest`` [H, C].

    Args:
        memory: The memory, key width d and value width H C.
        horizon: H.
        channels: C.
        key_dim: d.
        capacity: Errors it is built for.
        width: K, at least 3.
        min_entries: Errors that must have been written before anything is recalled.

    Raises:
        InvalidParameter: If that is more than a memory with such evidence has slots.
    """

    timed, sums = False, True

    def __init__(
        self,
        memory: AssociativeMemory,
        horizon: int,
        channels: int,
        key_dim: int,
        *,
        capacity: int,
        width: int,
        min_entries: int,
    ) -> None:
        super().__init__()
        self.memory, self.horizon, self.channels = memory, horizon, channels
        self.capacity, self.width, self.min_entries = capacity, width, min_entries
        self.comparable = False
        if isinstance(memory, Telling):
            self.comparable = _tells_cosines(memory, key_dim, horizon * channels, min_entries)

    @override
    def init_state(self) -> State:
        state = self.memory.init_state()
        newest = torch.zeros(self.horizon, self.channels, device=_device(state))
        stored = torch.zeros((), dtype=torch.int64, device=newest.device)
        return {**under("memory/", state), "stored": stored, "newest": newest}

    @override
    def write(
        self, state: State, key: Tensor, error: Tensor, step: Tensor, origin: Tensor, on: Tensor
    ) -> State:
        own = within(state, "memory/")
        safe = torch.where(on, error, 0.0)
        times = step.to(key.dtype)[None] if self.memory.uses_time else None
        written = self.memory.write(own, key[None], safe.reshape(1, -1), times)
        kept = {name: torch.where(on, written[name], entry) for name, entry in own.items()}
        newest = torch.where(on, error, state["newest"])
        return {**under("memory/", kept), "stored": state["stored"] + on, "newest": newest}

    @override
    def read(
        self, state: State, chrc: CHRC, key: Tensor, z: Tensor, origin: Tensor, *, past: bool
    ) -> Found:
        if past:
            raise NotImplementedError("an associative memory cannot be read as it was")
        own = within(state, "memory/")
        if isinstance(self.memory, Telling) and self.comparable:
            info = self.memory.read_info(own, key[None])
            evidence = evidence_of_info(
                info, self.horizon, width=self.width, min_entries=self.min_entries
            )
            return Found(evidence, None)
        times = origin.to(key.dtype)[None] if self.memory.uses_time else None
        recalled = self.memory.read(own, key[None], times)
        evidence = evidence_of_memory(
            recalled.view(self.horizon, self.channels),
            state["newest"],
            state["stored"],
            capacity=self.capacity,
            width=self.width,
            min_entries=self.min_entries,
        )
        return Found(evidence, None)

    @override
    def touch(self, state: State, found: Found) -> State:
        return state

    @override
    def utilisation(self, state: State) -> Tensor:
        return (state["stored"] / self.capacity).clamp(max=1)


@torch.no_grad()
def _tells_cosines(
    memory: AssociativeMemory, key_dim: int, value_dim: int, min_entries: int
) -> bool:
    """Whether a memory says which slots it found and how alike: 1 for the same unit key."""
    key = torch.zeros(1, key_dim)
    key[0, 0] = 1
    state = memory.write(memory.init_state(), key, torch.ones(1, value_dim))
    info = memory.read_info(state, key) if isinstance(memory, Telling) else {}
    if not info.keys() >= TOLD:
        return False
    nearest = info["sim"][0][info["idx"][0, 0]]
    if (nearest - 1).abs() > SAME:
        return False
    check_entries(min_entries, len(info["valid"]))
    return True


def _device(state: State) -> torch.device | None:
    return next((entry.device for entry in state.values()), None)
