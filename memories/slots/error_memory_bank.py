"""H-Mem's bank of past errors: nearest keys with age, eviction by score, any aggregation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import unit
from memories.sizing import largest
from memories.slots import aggregation
from memories.slots.bank_presets import (
    PRESETS,
    Aggregate,
    PresetName,
    Similarity,
)
from memories.slots.bank_search import Recalled, alike, as_they_are, find
from memories.slots.blocks import QUERY_BLOCK
from memories.slots.eviction import UNUSED, Eviction
from memories.slots.nearest import rounding
from memories.slots.ring import ring_write

CENTER_MOMENTUM = 0.99
"""Of the running mean of keys."""


@memory("error-memory-bank", family="slots", source="H-Mem (2025, unpublished): its error bank")
class ErrorMemoryBank(AssociativeMemory):
    """Recalls an aggregate of the values of the `top_k` most similar keys, old ones discounted.

    Similarity of slot i: s_i = cos(q, k_i) decay^age_i. Of the `top_k` largest those with s_i >=
    `min_similarity` are valid, none before `min_entries` events are there; equal similarities go
    to the lower slot. A new event takes the first free slot, then that of the lowest score

        w_i imp/(max imp + 1e-8) + w_f hits/(max hits + o) + w_r (1 - age/(max age + o)),

    maxima over the slots in use; imp is the event's mean |value|, hits counts `touch`, o is 1e-8
    in preset guide and 1 elsewhere. With recency alone the bank is a ring. Presets ``guide`` and
    ``v1`` are H-Mem's bank as its guide of 2025 and its first version set it, ``plain`` and
    ``plain-soft`` memories of nearest neighbours; ``recent``, a control, returns the newest values
    whatever the query. The guide's "weighted mean" and "attention" are the softmax here.

    State: ``keys`` [M, D] at unit length, ``values`` [M, V], ``index`` [M] the number of the event
    in each slot, -1 for none, ``count``; ``time`` [M] with `age_unit` time; ``importance`` [M] and
    ``hits`` [M] where importance or use decides anything; ``mean_key`` [D] with `center_keys`.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write; the capacity in the presets plain and plain-soft.
        preset: Where the values of all parameters come from that are left null.
        capacity: Slots M.
        top_k: Slots retrieved; more than there are means all of them.
        temperature: T of the softmax over similarities.
        decay: Factor on a similarity per unit of age.
        min_similarity: Least discounted similarity that counts.
        min_entries: Events that must be there before anything is recalled.
        aggregate: ``softmax`` of similarity / T; ``weighted-mean`` by the similarities above
            zero; ``max``, the most similar alone; ``median``, the lower median per component;
            ``blend``, softmax where one similarity stands out and weighted-mean where none does.
        evict_weights: Of importance, frequency and recency in the score above.
        similarity: ``recency`` takes decay^age alone and ignores the query.
        importance: ``raw`` keeps an event's mean |value|, ``unit`` counts all alike.
        age_unit: What age counts: writes, or the ``times`` of events; without times the two are
            the same.
        overwrite_similarity: Cosine from which an event takes the slot of the nearest key; null
            keeps every copy.
        center_keys: Whether the running mean of keys (momentum 0.99, from zero) is subtracted
            from keys and queries before they are compared.
        forget_decay: Factor on all importances before each write.
        forget_threshold: Importance below which a slot is freed.
        max_age: Age above which a slot is freed; null for none.

    Raises:
        InvalidParameter: If the weights are not three numbers, none negative and one positive, if
            `forget_decay` fades importances that decide nothing, or if similarity recency meets
            decay 1, which ranks all events alike.
    """

    slot_state = ("keys", "values", "time", "importance", "hits")
    temperature: Tensor
    decay: Tensor
    min_similarity: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        max_events: int,
        preset: PresetName = "plain",
        capacity: Annotated[int, Ge(1)] | None = None,
        top_k: Annotated[int, Ge(1)] | None = None,
        temperature: Annotated[float, Gt(0)] | None = None,
        decay: Annotated[float, Gt(0), Le(1)] | None = None,
        min_similarity: Annotated[float, Ge(-1), Le(1)] | None = None,
        min_entries: Annotated[int, Ge(1)] | None = None,
        aggregate: Aggregate | None = None,
        evict_weights: tuple[float, float, float] | None = None,
        similarity: Similarity | None = None,
        importance: Literal["raw", "unit"] = "raw",
        age_unit: Literal["writes", "time"] = "writes",
        overwrite_similarity: Annotated[float, Ge(-1), Le(1)] | None = None,
        center_keys: bool = False,
        forget_decay: Annotated[float, Gt(0), Le(1)] = 1.0,
        forget_threshold: Annotated[float, Ge(0)] = 0.0,
        max_age: Annotated[int, Ge(1)] | None = None,
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim = key_dim, value_dim
        own = PRESETS[preset].merged(
            capacity=capacity,
            decay=decay,
            min_similarity=min_similarity,
            min_entries=min_entries,
            top_k=top_k,
            temperature=temperature,
            aggregate=aggregate,
            evict_weights=evict_weights,
            similarity=similarity,
        )
        if own.similarity == "recency" and own.decay == 1:
            raise InvalidParameter(
                "decay",
                "must be < 1 with similarity 'recency', which ranks events by it alone",
                help="use 0.995, the value of preset recent",
            )
        for name in ("temperature", "decay", "min_similarity"):
            self.scalar(name, getattr(own, name))
        self.capacity = own.capacity or max_events
        self.top_k = min(own.top_k, self.capacity)
        self.min_entries, self.aggregation = own.min_entries, own.aggregate
        self.similarity, self.importance, self.age_unit = own.similarity, importance, age_unit
        self.overwrite_similarity, self.center_keys = overwrite_similarity, center_keys
        self.eviction = Eviction(
            own.evict_weights,
            own.offset,
            forget_decay=forget_decay,
            forget_threshold=forget_threshold,
            max_age=max_age,
        )
        in_order = not (self.eviction.ranks or self.eviction.forgets)
        self.is_ring = in_order and overwrite_similarity is None

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        given = {"max_events": 1, **params}
        sized = largest(
            lambda capacity: cls(key_dim, value_dim, **{**given, "capacity": capacity}), budget
        )
        return {"capacity": sized}

    @override
    def init_state(self) -> State:
        like, slots = self.temperature, self.capacity
        state = {
            "keys": like.new_zeros(slots, self.key_dim),
            "values": like.new_zeros(slots, self.value_dim),
            "index": like.new_full((slots,), UNUSED, dtype=torch.int64),
            "count": like.new_zeros((), dtype=torch.int64),
        }
        if self.age_unit == "time":
            state["time"] = like.new_zeros(slots)
        if self.eviction.tracks_use:
            state["importance"] = like.new_zeros(slots)
            state["hits"] = like.new_zeros(slots)
        if self.center_keys:
            state["mean_key"] = like.new_zeros(self.key_dim)
        return state

    @override
    def valid(self, state: State) -> Tensor:
        return state["index"] >= 0

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        if self.is_ring and not self.center_keys:
            return self._append(state, keys, values, times)
        for t in range(keys.shape[0]):
            now = None if times is None else times[t]
            state = self.write_one(state, keys[t], values[t], time=now)
        return state

    def write_one(
        self,
        state: State,
        key: Tensor,
        value: Tensor,
        *,
        time: Tensor | None = None,
        importance: Tensor | None = None,
        among: Tensor | None = None,
        enable: Tensor | None = None,
    ) -> State:
        """The state after one event.

        Args:
            state: State before it.
            key: [D].
            value: [V].
            time: Its time; its number if None.
            importance: In place of its mean |value|.
            among: Slots it may go to, bool [M]; None for all. Give it for all events or for none.
            enable: Whether it is written at all, bool; the state stays as it is where false.
        """
        number = state["count"]
        on = torch.ones_like(number, dtype=torch.bool) if enable is None else enable
        event = {"keys": unit(key), "values": value, "index": number}
        if self.age_unit == "time":
            event["time"] = number if time is None else time
        if self.eviction.tracks_use:
            measured = value.abs().mean() if importance is None else importance
            event["importance"] = measured if self.importance == "raw" else value.new_ones(())
            event["hits"] = value.new_zeros(())
        state = self.eviction.decayed(state, on)
        slot = self._slot(state, event, among)
        written = dict(state)
        for name, entry in event.items():
            row = entry[None].to(state[name].dtype)
            if enable is not None:
                row = torch.where(on, row, state[name][slot])
            written[name] = state[name].index_copy(0, slot, row)
        written["count"] = number + on
        if self.center_keys:
            drift = (1 - CENTER_MOMENTUM) * (event["keys"] - state["mean_key"])
            written["mean_key"] = state["mean_key"] + torch.where(on, drift, 0.0)
        return self.eviction.forgotten(written, self._age(written, event.get("time")), on)

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        found = self._in_blocks(state, queries, times)
        return torch.cat([self.aggregate(recalled) for recalled in found])

    def read_info(
        self, state: State, queries: Tensor, times: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``idx`` [Q, K] slots, best first, and for each of them ``similarity``, ``found`` (whether
        it counts) and, unless the aggregate is the median, ``weights``; ``valid`` [M] and ``age``
        [M] of all slots, in events written since; ``evicted``, how many are no longer there.
        """
        found = list(self._in_blocks(state, queries, times))
        idx, similarity, valid, *_ = (torch.cat(parts) for parts in zip(*found, strict=True))
        info = {
            "values": torch.cat([self.aggregate(recalled) for recalled in found]),
            "idx": idx,
            "similarity": similarity,
            "found": valid,
            "valid": self.valid(state),
            "age": state["count"] - 1 - state["index"],
            "evicted": state["count"] - self.valid(state).sum(),
        }
        if self.aggregation != "median":
            info["weights"] = torch.cat([self.weights(recalled) for recalled in found])
        return info

    def recall(
        self,
        state: State,
        query: Tensor,
        *,
        now: Tensor | None = None,
        usable: Tensor | None = None,
    ) -> Recalled:
        """What one query [D] finds, best first; changes nothing.

        Args:
            state: State to read.
            query: [D].
            now: Time from which ages count, with `age_unit` time; the newest event's number if
                None.
            usable: Slots that may be found, bool [M]; None for all. Only these count towards
                `min_entries`.
        """
        found = self._retrieve(state, query[None], now, usable)
        return Recalled(*(field[0] for field in found))

    def weights(self, recalled: Recalled) -> Tensor:
        """Weights [..., K] of what was recalled; zero where not valid.

        Raises:
            NotImplementedError: If the aggregate is the median, which weights nothing.
        """
        similarity, valid = recalled.similarity, recalled.valid
        return aggregation.weights(similarity, valid, self.aggregation, self.temperature)

    def aggregate(self, recalled: Recalled) -> Tensor:
        """The value [..., V] that what was recalled comes to; zeros where nothing is valid."""
        if self.aggregation == "median":
            return aggregation.lower_median(recalled.values, recalled.valid)
        return (self.weights(recalled)[..., None] * recalled.values).sum(-2)

    @override
    def touch(self, state: State, evidence: Mapping[str, Tensor]) -> State:
        """The state after retrieved slots were used: one hit each.

        Args:
            state: State that was read.
            evidence: ``idx`` slots and ``found``, whether each counts, of one shape, as
                `read_info` names them.
        """
        if not self.eviction.tracks_use:
            return state
        used = evidence["found"].reshape(-1).to(state["hits"].dtype)
        return {**state, "hits": state["hits"].index_add(0, evidence["idx"].reshape(-1), used)}

    def _append(self, state: State, keys: Tensor, values: Tensor, times: Tensor | None) -> State:
        """The state after N events in a ring, written in one copy."""
        number = state["count"] + torch.arange(keys.shape[0], device=keys.device)
        events = {"keys": unit(keys), "values": values, "index": number}
        if self.age_unit == "time":
            events["time"] = (number if times is None else times).to(values.dtype)
        slots = ring_write({name: state[name] for name in events}, events, state["count"])
        return {**slots, "count": state["count"] + keys.shape[0]}

    def _slot(self, state: State, event: State, among: Tensor | None) -> Tensor:
        """Where an event goes, int64 [1]."""
        if self.is_ring and among is None:
            return (state["count"] % self.capacity)[None]
        now = event.get("time")
        # an event that is still to be written ages the others by one
        age = self._age(state, None if now is None else now - 1)
        slot = self.eviction.slot(state, age, among)
        if self.overwrite_similarity is None:
            return slot
        held = self.valid(state) if among is None else self.valid(state) & among
        cosines = torch.where(held, self._cosines(state, event["keys"]), -torch.inf)
        known = cosines.amax() >= self.overwrite_similarity - rounding(cosines)
        return torch.where(known, cosines.argmax(-1, keepdim=True), slot)

    def _age(self, state: State, now: Tensor | None) -> Tensor:
        """Age of each slot, the newest event's 1: [M], or [Q, M] for times [Q, 1]."""
        if self.age_unit == "writes":
            return state["count"] - state["index"]
        newest = state["count"] - 1 if now is None else now
        return newest - state["time"] + 1

    def _in_blocks(self, state: State, queries: Tensor, times: Tensor | None) -> Iterator[Recalled]:
        """What the queries [Q, D] find, at most 1,024 of them at a time."""
        blocks = torch.split(queries, QUERY_BLOCK)
        nows = [None] * len(blocks) if times is None else torch.split(times[:, None], QUERY_BLOCK)
        for block, now in zip(blocks, nows, strict=True):
            yield self._retrieve(state, block, now, None)

    def _retrieve(
        self, state: State, queries: Tensor, now: Tensor | None, usable: Tensor | None
    ) -> Recalled:
        """What queries [Q, D] find; the gradient passes through what was found alone."""
        held = self.valid(state) if usable is None else self.valid(state) & usable
        age = self._age(state, now)
        return find(
            state,
            unit(queries),
            age,
            self.decay**age,
            held,
            top_k=self.top_k,
            min_similarity=self.min_similarity,
            min_entries=self.min_entries,
            compared=self._compared(state),
        )

    def _cosines(self, state: State, key: Tensor) -> Tensor:
        """Cosines [M] of a unit key with those of all slots; anything in unused ones."""
        compared = self._compared(state)
        return (compared(key.detach()[None]) @ compared(state["keys"].detach()).mT)[0]

    def _compared(self, state: State) -> Callable[[Tensor], Tensor]:
        """What unit keys [..., D] are turned into before they are compared."""
        if self.similarity == "recency":
            return alike
        if not self.center_keys:
            return as_they_are
        mean = state["mean_key"].detach()
        return lambda keys: unit(keys - mean)
