"""The laws of associative memories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from safetensors.torch import load, save
from torch import Tensor

from bench import seeds
from bench.audit.verdict import (
    Broken,
    Law,
    NotClaimed,
    clone,
    differing,
    require_close,
    same_bits,
)
from bench.lanes import Lanes
from memories.base import AssociativeMemory, State

KEY_DIM, VALUE_DIM, CONTEXT_DIM = 16, 12, 8
EVENTS, MAX_EVENTS = 24, 32
DICTATED = {
    "key_dim": KEY_DIM,
    "value_dim": VALUE_DIM,
    "context_dim": CONTEXT_DIM,
    "max_events": MAX_EVENTS,
}

LANE_TOLERANCE = 1e-6
COMPOSITION_TOLERANCE = 1e-5
"""Relative, float32: chunked forms add in another order than single events."""

Build = Callable[[int], AssociativeMemory]
"""Makes the memory of a seed."""


@dataclass(frozen=True)
class Events:
    """N events and as many queries of one lane; cues only if the memory takes them."""

    keys: Tensor
    values: Tensor
    queries: Tensor
    times: Tensor | None
    contexts: Tensor | None

    @classmethod
    def draw(cls, memory: AssociativeMemory, seed: int, n: int = EVENTS) -> Events:
        """Random events that suit the memory."""
        generator = seeds.torch_generator(seed, seeds.TEST, "audit")

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        keys, values, noise = normal(n, KEY_DIM), normal(n, VALUE_DIM), normal(n, KEY_DIM)
        queries = keys + 0.1 * noise
        if memory.binary_keys:
            keys, queries = keys.sign(), queries.sign()
        times = torch.arange(n, dtype=torch.float32) if memory.uses_time else None
        contexts = normal(n, CONTEXT_DIM) if memory.uses_context else None
        return cls(keys, values, queries, times, contexts)

    def part(self, start: int, end: int) -> Events:
        """Events start..end-1."""
        return self._each(lambda x: x[start:end])

    def tensors(self) -> tuple[Tensor | None, ...]:
        """All five, in order."""
        return self.keys, self.values, self.queries, self.times, self.contexts

    def after(self, t: int) -> Events:
        """The same up to event t; every later one replaced by something large and different."""
        return self._each(lambda x: torch.cat([x[: t + 1], 3 * x[t + 1 :].flip(0) + 100]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Events:
        """The events with every tensor changed alike."""
        return Events(
            change(self.keys),
            change(self.values),
            change(self.queries),
            None if self.times is None else change(self.times),
            None if self.contexts is None else change(self.contexts),
        )


def write(memory: AssociativeMemory, state: State, events: Events) -> State:
    """The state after the events."""
    return memory.write(state, events.keys, events.values, events.times, events.contexts)


def read(memory: AssociativeMemory, state: State, events: Events) -> Tensor:
    """What the events' queries recall."""
    return memory.read(state, events.queries, events.times, events.contexts)


@torch.no_grad()
def reading_changes_nothing(build: Build) -> None:
    """Read twice; state and answers must stay as they were."""
    memory = build(0)
    events = Events.draw(memory, 0)
    state = write(memory, memory.init_state(), events)
    before = clone(state)
    first = read(memory, state, events).clone()
    if changed := differing(before, state):
        raise Broken(f"read changed the state: {', '.join(changed)}")
    if not same_bits(first, read(memory, state, events)):
        raise Broken("reading the same state twice gives different values")


@torch.no_grad()
def arguments_untouched(build: Build) -> None:
    """Write and read; no tensor that was passed in may change."""
    memory = build(0)
    events = Events.draw(memory, 0)
    state = memory.init_state()
    for step in ("first", "second"):
        given = clone(state)
        inputs = [None if x is None else x.clone() for x in events.tensors()]
        after = write(memory, state, events)
        read(memory, after, events)
        if changed := differing(given, state):
            raise Broken(f"the {step} write changed its input state in place: {', '.join(changed)}")
        for name, old, new in zip(
            ("keys", "values", "queries", "times", "contexts"),
            inputs,
            events.tensors(),
            strict=True,
        ):
            if old is not None and new is not None and not same_bits(old, new):
                raise Broken(f"{name} were changed in place")
        state = after


@torch.no_grad()
def same_seed_same_bits(build: Build) -> None:
    """Two memories of one seed, same events: every bit must agree."""
    results = []
    for _ in range(2):
        memory = build(0)
        events = Events.draw(memory, 0)
        state = write(memory, memory.init_state(), events)
        results.append((state, read(memory, state, events)))
    (state_a, values_a), (state_b, values_b) = results
    if changed := differing(state_a, state_b):
        raise Broken(f"two runs of one seed differ in state: {', '.join(changed)}")
    if not same_bits(values_a, values_b):
        raise Broken("two runs of one seed recall different values")


@torch.no_grad()
def reset_forgets(build: Build) -> None:
    """Use a memory, reset it, use it again: it must do as a new one does."""
    used, new = build(0), build(0)
    first, second = Events.draw(used, 0), Events.draw(used, 1)
    read(used, write(used, used.init_state(), first), first)
    state, fresh = used.init_state(), new.init_state()
    if changed := differing(state, fresh):
        raise Broken(f"init_state remembers earlier events: {', '.join(changed)}")
    state, fresh = write(used, state, second), write(new, fresh, second)
    if changed := differing(state, fresh):
        raise Broken(f"after a reset the state depends on earlier events: {', '.join(changed)}")
    if not same_bits(read(used, state, second), read(new, fresh, second)):
        raise Broken("after a reset reads depend on earlier events: there is state outside state")


@torch.no_grad()
def past_ignores_future(build: Build) -> None:
    """Perturb all events after t: interleaved reads up to t must be bit-identical."""
    memory = build(0)
    events = Events.draw(memory, 0)
    for inclusive in (True, False):
        expected = _scan(memory, events, inclusive)
        for t in (0, EVENTS // 3, EVENTS - 2):
            seen = _scan(memory, events.after(t), inclusive)
            if not same_bits(seen[: t + 1], expected[: t + 1]):
                where = "up to and including" if inclusive else "before"
                raise Broken(f"a read at event {t} ({where} it) changes with later events")


def _scan(memory: AssociativeMemory, events: Events, inclusive: bool) -> Tensor:
    values, _ = memory.scan(
        memory.init_state(), events.keys, events.values, events.queries, inclusive=inclusive
    )
    return values


@torch.no_grad()
def scan_is_write_and_read(build: Build) -> str:
    """Interleaving must give what single writes and reads give."""
    memory = build(0)
    if not memory.composes:
        raise NotClaimed("composes = False")
    events = Events.draw(memory, 0)
    words = []
    for inclusive in (True, False):
        expected, state = AssociativeMemory.scan(
            memory, memory.init_state(), events.keys, events.values, events.queries,
            inclusive=inclusive,
        )  # fmt: skip
        seen, after = memory.scan(
            memory.init_state(), events.keys, events.values, events.queries, inclusive=inclusive
        )
        words.append(require_close(seen, expected, COMPOSITION_TOLERANCE, "scan against the loop"))
        _states_close(after, state, "state after scan")
    return words[0]


@torch.no_grad()
def writes_compose(build: Build) -> str:
    """Write A and B together, or A then B: the memory must answer alike."""
    memory = build(0)
    if not memory.composes:
        raise NotClaimed("composes = False")
    events = Events.draw(memory, 0)
    whole = write(memory, memory.init_state(), events)
    for cut in (0, 1, EVENTS // 2, EVENTS):
        state = write(memory, memory.init_state(), events.part(0, cut))
        state = write(memory, state, events.part(cut, EVENTS))
        _states_close(state, whole, f"state after a cut at event {cut}")
        seen, expected = read(memory, state, events), read(memory, whole, events)
        word = require_close(seen, expected, COMPOSITION_TOLERANCE, f"reads, cut at event {cut}")
    return word


def _states_close(seen: State, expected: State, what: str) -> None:
    for name in expected:
        entry, wanted = seen[name], expected[name]
        if entry.is_floating_point():
            require_close(entry, wanted, COMPOSITION_TOLERANCE, f"{what}, entry '{name}'")
        elif not same_bits(entry, wanted):
            raise Broken(f"{what}: entry '{name}' differs")


@torch.no_grad()
def empty_write_and_read(build: Build) -> None:
    """No events change nothing; a memory without events recalls zeros."""
    memory = build(0)
    events = Events.draw(memory, 0)
    state = memory.init_state()
    values = read(memory, state, events)
    if tuple(values.shape) != (EVENTS, VALUE_DIM):
        raise Broken(f"read returned shape {list(values.shape)}, expected {[EVENTS, VALUE_DIM]}")
    if not bool((values == 0).all()):
        raise Broken("reading before any event gives something else than zeros")
    state = write(memory, state, events)
    if changed := differing(state, write(memory, state, events.part(0, 0))):
        raise Broken(f"writing no events changes the state: {', '.join(changed)}")


@torch.no_grad()
def queries_do_not_meet(build: Build) -> str:
    """Permute the queries, or ask them one by one: the answers must be the same."""
    memory = build(0)
    events = Events.draw(memory, 0)
    state = write(memory, memory.init_state(), events)
    together = read(memory, state, events)
    order = torch.arange(EVENTS - 1, -1, -1)
    flipped = replace(
        events,
        queries=events.queries[order],
        times=None if events.times is None else events.times[order],
        contexts=None if events.contexts is None else events.contexts[order],
    )
    word = require_close(
        read(memory, state, flipped)[order], together, LANE_TOLERANCE, "queries in another order"
    )
    alone = torch.cat([read(memory, state, events.part(q, q + 1)) for q in range(EVENTS)])
    require_close(alone, together, LANE_TOLERANCE, "queries one by one")
    return word


@torch.no_grad()
def state_keeps_its_shape(build: Build) -> None:
    """Names, shapes and dtypes of the state never change; its values stay finite."""
    memory = build(0)
    state = memory.init_state()
    layout = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
    for seed in range(3):  # more events than max_events: buffers must wrap, not grow
        state = write(memory, state, Events.draw(memory, seed))
        now = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
        if now != layout:
            changed = sorted(name for name in now.keys() | layout.keys()
                             if now.get(name) != layout.get(name))  # fmt: skip
            raise Broken(f"write changed the layout of {', '.join(changed)}")
        for name, entry in state.items():
            if entry.is_floating_point() and not bool(entry.isfinite().all()):
                raise Broken(f"entry '{name}' is not finite after {(seed + 1) * EVENTS} events")


@torch.no_grad()
def lanes_do_not_meet(build: Build) -> str:
    """A lane alone equals the lane among others, and ignores what the others see."""
    memories = [build(seed) for seed in range(3)]
    events = [Events.draw(memory, seed) for seed, memory in enumerate(memories)]
    together = _lane_reads(Lanes(memories), events)
    word = "bit-equal"
    for lane, memory in enumerate(memories):
        alone = _lane_reads(Lanes([memory]), [events[lane]])[0]
        close = require_close(together[lane], alone, LANE_TOLERANCE, f"lane {lane} against alone")
        word = close if close != "bit-equal" else word
        direct = read(memory, write(memory, memory.init_state(), events[lane]), events[lane])
        require_close(together[lane], direct, LANE_TOLERANCE, f"lane {lane} against a direct call")
    disturbed = [events[0], events[1].after(0), events[2]]
    seen = _lane_reads(Lanes(memories), disturbed)
    if not (same_bits(seen[0], together[0]) and same_bits(seen[2], together[2])):
        raise Broken("what one lane is given changes another lane's reads")
    return word


def _lane_reads(lanes: Lanes, events: list[Events]) -> Tensor:
    def stacked(name: str) -> Tensor | None:
        parts = [getattr(e, name) for e in events]
        return None if parts[0] is None else torch.stack(parts)

    keys, values, queries = stacked("keys"), stacked("values"), stacked("queries")
    assert keys is not None and values is not None and queries is not None  # always given
    times, contexts = stacked("times"), stacked("contexts")
    state = lanes.write(lanes.init_state(), keys, values, times, contexts)
    return lanes.read(state, queries, times, contexts)


@torch.no_grad()
def saved_state_is_the_state(build: Build) -> None:
    """Save, restore into a new memory and go on: nothing may change."""
    memory, restored = build(0), build(0)
    events, more = Events.draw(memory, 0), Events.draw(memory, 1)
    state = write(memory, memory.init_state(), events)
    kept = load(save({name: entry.contiguous() for name, entry in state.items()}))
    later, again = write(memory, state, more), write(restored, kept, more)
    if changed := differing(later, again):
        raise Broken(f"after a restore the state goes on differently: {', '.join(changed)}")
    if not same_bits(read(memory, later, more), read(restored, again, more)):
        raise Broken("after a restore reads differ: there is state outside the state")


@torch.no_grad()
def unused_slots_are_never_read(build: Build) -> None:
    """Fill the unused slots with NaN: reads and later writes must not notice."""
    memory = build(0)
    if not memory.slot_state:
        raise NotClaimed("no slot_state")
    events = Events.draw(memory, 0, n=5)
    state = write(memory, memory.init_state(), events)
    unused = ~memory.valid(state)
    poisoned = {
        name: torch.where(unused.reshape(-1, *[1] * (entry.dim() - 1)), torch.nan, entry)
        if name in memory.slot_state
        else entry
        for name, entry in state.items()
    }
    expected = read(memory, state, events)
    if not same_bits(read(memory, poisoned, events), expected):
        raise Broken("a read uses slots that hold no event")
    more = events.part(0, 2)
    after = read(memory, write(memory, poisoned, more), events)
    if not same_bits(after, read(memory, write(memory, state, more), events)):
        raise Broken("a write carries what stood in unused slots into a later read")


LAWS = (
    Law("read-purity", "reading changes nothing", reading_changes_nothing),
    Law("arguments", "no argument is changed in place", arguments_untouched),
    Law("determinism", "same seed, same bits", same_seed_same_bits),
    Law("reset", "init_state forgets everything", reset_forgets),
    Law("causality", "events after t never change a read at t", past_ignores_future),
    Law("scan", "interleaved writes and reads equal single ones", scan_is_write_and_read),
    Law("composition", "writing A then B equals writing both", writes_compose),
    Law("empty", "no events change nothing; an empty memory recalls zeros", empty_write_and_read),
    Law("queries", "a query's answer does not depend on the others", queries_do_not_meet),
    Law("layout", "the state keeps its shape and stays finite", state_keeps_its_shape),
    Law("lanes", "a lane alone equals the lane among others", lanes_do_not_meet),
    Law("restore", "saving and restoring the state changes nothing", saved_state_is_the_state),
    Law("unused-slots", "slots without an event are never read", unused_slots_are_never_read),
)
