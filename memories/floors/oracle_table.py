"""The ceiling of exact look-up: a dictionary that can also be asked by part of a key."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax
from memories.slots.ring import ring_valid, ring_write

AGREEMENT = 1e-5
"""Squared distance up to which two keys are the same, as a share of the squared length."""
EVENT_BLOCK = 128
"""Events compared with all slots at once."""


@memory("oracle-table", family="floors")
class OracleTable(AssociativeMemory):
    """Recalls the mean value of all entries whose key agrees with the query, else zero.

    A key agrees if it equals the query wherever the query is not zero: a whole key finds its own
    entry, a part of a key every entry that has this part, zeros alone every entry. Writing a key
    again replaces its entry. Nothing is recalled by similarity, so that a noisy query finds
    nothing: `exact-knn` is the ceiling for those. Its state grows with the data: a reference line
    and no competitor at equal state, and so it has no `from_budget`.

    State: ``keys`` [M, D], ``values`` [M, V] of the newest M = `max_events` events; ``current``
    [M], 1 for the last event of its key and 0 for others; ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write, M; beyond them the oldest are overwritten.
    """

    slot_state = ("keys", "values")
    blank: Tensor

    def __init__(self, key_dim: int, value_dim: int, *, max_events: int) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.max_events = max_events
        self.scalar("blank", 0.0)

    @override
    def init_state(self) -> State:
        return {
            "keys": self.blank.new_zeros(self.max_events, self.key_dim),
            "values": self.blank.new_zeros(self.max_events, self.value_dim),
            "current": self.blank.new_zeros(self.max_events),
            "count": self.blank.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], self.max_events)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        n_events = keys.shape[0]
        numbers = torch.arange(n_events, device=keys.device)
        stored = self._in_use(state, "keys")
        kept, last = torch.ones_like(state["current"]) > 0, torch.ones_like(numbers) > 0
        for block in torch.split(numbers, EVENT_BLOCK):
            new = keys[block]
            kept = kept & (_distance(stored, new) > AGREEMENT).all(-1)
            earlier = block <= numbers[:, None]
            last = last & ((_distance(keys, new) > AGREEMENT) | earlier).all(-1)
        current = torch.where(kept, state["current"], 0.0)
        slots = {"keys": state["keys"], "values": state["values"], "current": current}
        events = {"keys": keys, "values": values, "current": last.to(current.dtype)}
        return {**ring_write(slots, events, state["count"]), "count": state["count"] + n_events}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(partial(self._look_up, state), queries)

    def _look_up(self, state: State, queries: Tensor) -> Tensor:
        distance = _distance(queries, self._in_use(state, "keys"), part=True)
        agree = (distance <= AGREEMENT) & (state["current"] > 0) & self.valid(state)
        # over equal distances a softmax is the mean, and the read keeps a gradient
        return masked_softmax(-distance, agree) @ self._in_use(state, "values")

    def _in_use(self, state: State, name: str) -> Tensor:
        """Slots [M, ...] of one name; zero where no event is, whatever lies there."""
        return torch.where(self.valid(state)[:, None], state[name], 0.0)


def _distance(asked: Tensor, keys: Tensor, *, part: bool = False) -> Tensor:
    """Squared distance [Q, M] of keys [M, D] from each vector [Q, D], over its squared length.

    With `part` only where the vector is not zero.
    """
    given = (asked != 0).to(keys.dtype) if part else torch.ones_like(asked)
    squared = (asked * asked).sum(-1, keepdim=True)
    distance = squared - 2 * asked @ keys.mT + given @ (keys * keys).mT
    return distance / torch.where(squared > 0, squared, 1.0)
