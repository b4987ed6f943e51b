"""Token memories that break one law each, and the one that breaks none."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from bench.audit.tokens import CHANNELS, LOOKBACK, TOKEN_DIM
from memories.backbones.base import Training
from memories.base import State, TokenMemory
from memories.slots.ring import ring_valid, ring_write

D = TOKEN_DIM
ROWS = 6


class Mean(TokenMemory):
    """One token, the mean of the newest rows: keeps all laws. Offenders change one thing."""

    slot_state = ("rows",)

    @override
    def init_state(self) -> State:
        return {"rows": torch.zeros(ROWS, D), "count": torch.zeros((), dtype=torch.int64)}

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], ROWS)

    @override
    def tokens(self, state: State) -> Tensor:
        rows = torch.where(self.valid(state)[:, None], state["rows"], 0.0)
        return rows.sum(0, keepdim=True) / state["count"].clamp(min=1, max=ROWS)

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        row = hidden.detach().mean((0, 1))[None]
        stored = ring_write({"rows": state["rows"]}, {"rows": row}, state["count"])
        return {**stored, "count": state["count"] + 1}


class CountsItsReads(Mean):
    """Counts a read in the state."""

    @override
    def tokens(self, state: State) -> Tensor:
        state["count"].add_(1)
        return super().tokens(state)


class ReadsAtRandom(Mean):
    """Adds noise of its own to the tokens."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def tokens(self, state: State) -> Tensor:
        return super().tokens(state) + torch.randn(1, D, generator=self.noise)


class WritesIntoItsState(Mean):
    """Stores the row in place."""

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        state["rows"][int(state["count"]) % ROWS] = hidden.detach().mean((0, 1))
        return {**state, "count": state["count"] + 1}


class CentresItsHidden(Mean):
    """Subtracts a mean from the hidden states it was lent."""

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        hidden -= hidden.mean(0)
        return super().absorb(state, hidden)


class RemembersOutside(Mean):
    """Keeps a sum outside the state."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    @override
    def tokens(self, state: State) -> Tensor:
        return super().tokens(state) + self.total

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        self.total += float(hidden.sum())
        return super().absorb(state, hidden)


class StartsAtRandom(Mean):
    """Draws an entry from a generator shared by all."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def init_state(self) -> State:
        return {**super().init_state(), "noise": torch.randn(D, generator=self.noise)}

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        return {**super().absorb(state, hidden), "noise": state["noise"]}


class PeeksAhead(Mean):
    """Looks past its own pass into those that follow in memory."""

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        size = LOOKBACK * CHANNELS * D
        start = hidden.storage_offset() + size
        behind = hidden.untyped_storage().nbytes() // hidden.element_size() - start
        if behind < size:
            return super().absorb(state, hidden)
        ahead = hidden.as_strided(hidden.shape, hidden.stride(), start)
        return super().absorb(state, hidden + 0.1 * ahead)


class Grows(Mean):
    """Keeps every row."""

    slot_state = ()

    @override
    def tokens(self, state: State) -> Tensor:
        return state["rows"].mean(0, keepdim=True)

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        rows = torch.cat([state["rows"], hidden.detach().mean((0, 1))[None]])
        return {"rows": rows, "count": state["count"] + 1}


class GrowsInTokens(Mean):
    """Hands out one token per pass."""

    @override
    def tokens(self, state: State) -> Tensor:
        return super().tokens(state).expand(max(1, int(state["count"])), D)


class Overflows(Mean):
    """Multiplies by a billion at every pass."""

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        return super().absorb({**state, "rows": 1e9 * (state["rows"] + 1)}, hidden)


class MixesLanes(Mean):
    """Adds the token of whoever was read last."""

    last: ClassVar[list[Tensor]] = []
    vectorized = False

    @override
    def tokens(self, state: State) -> Tensor:
        token = super().tokens(state)
        before = self.last[-1] if self.last else torch.zeros_like(token)
        self.last.append(token)
        return token + before


class ReadsUnusedSlots(Mean):
    """Averages all slots, used or not."""

    @override
    def tokens(self, state: State) -> Tensor:
        return state["rows"].mean(0, keepdim=True)


class StoresOneRowPerBatch(Mean):
    """Averages a batch into one row, without saying so."""

    @override
    def absorb_batch(self, state: State, hidden: Tensor) -> State:
        return self.absorb(state, hidden.mean(0))


class SaysSoOfItsBatches(StoresOneRowPerBatch):
    """Averages a batch into one row, and says so."""

    composes_batches = False


class SnapshotsTooLittle(Mean):
    """Leaves the newest row out of its snapshots."""

    @override
    def snapshot(self, state: State) -> State:
        newest = (state["count"] - 1) % ROWS
        kept = torch.where(torch.arange(ROWS)[:, None] == newest, 0.0, state["rows"])
        return {**state, "rows": kept}


class EmptiesAtSnapshots(Mean):
    """Starts to count anew when a snapshot is taken."""

    @override
    def snapshot(self, state: State) -> State:
        taken = {name: entry.clone() for name, entry in state.items()}
        state["count"].zero_()
        return taken


class CentresStackedSnapshots(Mean):
    """Takes off the mean over all snapshots that it is given together."""

    @override
    def tokens_from(self, snapshot: State, training: Training | None = None) -> Tensor:
        if snapshot["count"].dim() == 0:
            return self.tokens(snapshot)
        tokens = torch.func.vmap(self.tokens_from)(snapshot)
        return tokens - tokens.mean(0)


class ForgetsTheSecondAxis(Mean):
    """Knows snapshots that are stacked once, and takes the first of those stacked twice."""

    @override
    def tokens_from(self, snapshot: State, training: Training | None = None) -> Tensor:
        if snapshot["count"].dim() < 2:
            return super().tokens_from(snapshot, training)
        first = {name: entry[0] for name, entry in snapshot.items()}
        return super().tokens_from(first, training).expand(2, -1, -1, -1)


class BatchAppend(Mean):
    """Appends every pass to a buffer of its own that nothing empties, in training as in a test.

    As the first published spectral memory does: its buffer is no part of what is reset between
    phases, so that an evaluation depends on the order and the contents of all passes before it,
    and those of a test are still there in the next epoch.
    """

    vectorized = False

    def __init__(self) -> None:
        super().__init__()
        self.buffer = torch.zeros(0, D)

    @override
    def tokens(self, state: State) -> Tensor:
        ages = torch.arange(len(self.buffer), 0, -1)[:, None]
        return (self.buffer / ages).sum(0, keepdim=True)

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        self.buffer = torch.cat([self.buffer, hidden.detach().mean((0, 1))[None]])
        return {**state, "count": state["count"] + 1}


class KeepsTheGraph(Mean):
    """Stores rows with their gradient."""

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        row = hidden.mean((0, 1))[None]
        stored = ring_write({"rows": state["rows"]}, {"rows": row}, state["count"])
        return {**stored, "count": state["count"] + 1}
