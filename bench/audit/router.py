"""The laws of routers: what is learned later, and what is left out, never shows in an answer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from bench.audit.labelled_events import (
    EVENTS,
    LABELS,
    Build,
    Events,
    answer,
    lane_answers,
    learn,
    require_layout,
)
from bench.audit.verdict import Broken, Law, NotClaimed, clone, differing, require_close, same_bits
from memories.base import Router, State

LANE_TOLERANCE = 1e-5
"""Relative, float32: scores come from sums over primitives, events and hidden units."""
COMPOSITION_TOLERANCE = 1e-5
PROBABILITY_TOLERANCE = 1e-5


@torch.no_grad()
def routing_changes_nothing(build: Build) -> None:
    """Route twice; state and answers must stay as they were."""
    router, events = build(0), Events.draw(0)
    state = learn(router, router.init_state(), events)
    before = clone(state)
    first = answer(router, state, events.queries).clone()
    if changed := differing(before, state):
        raise Broken(f"route changed the state: {', '.join(changed)}")
    if not same_bits(first, answer(router, state, events.queries)):
        raise Broken("routing twice from the same state gives different answers")


@torch.no_grad()
def arguments_untouched(build: Build) -> None:
    """Learn and route; no tensor that was passed in may change."""
    router, events = build(0), Events.draw(0)
    kept = [given.clone() for given in events.tensors()]
    state = router.init_state()
    for step in ("first", "second"):
        given = clone(state)
        after = learn(router, state, events)
        answer(router, after, events.queries)
        if changed := differing(given, state):
            raise Broken(f"the {step} learn changed its input state in place: {', '.join(changed)}")
        for name, old, new in zip(
            ("codes", "labels", "ids", "queries"), kept, events.tensors(), strict=True
        ):
            if not same_bits(old, new):
                raise Broken(f"{name} were changed in place")
        state = after


@torch.no_grad()
def same_seed_same_bits(build: Build) -> None:
    """Two routers of one seed, same events: every bit must agree."""
    results = []
    for _ in range(2):
        router, events = build(0), Events.draw(0)
        state = learn(router, router.init_state(), events)
        results.append((state, answer(router, state, events.queries)))
    (state, seen), (again, expected) = results
    if changed := differing(state, again):
        raise Broken(f"two runs of one seed differ in state: {', '.join(changed)}")
    if not same_bits(seen, expected):
        raise Broken("two runs of one seed give different answers")


@torch.no_grad()
def reset_forgets(build: Build) -> None:
    """Use a router, reset it, use it again: it must do as a new one does."""
    used, new = build(0), build(0)
    first, second = Events.draw(0), Events.draw(1)
    answer(used, learn(used, used.init_state(), first), first.queries)
    state, fresh = used.init_state(), new.init_state()
    if changed := differing(state, fresh):
        raise Broken(f"init_state remembers earlier events: {', '.join(changed)}")
    state, fresh = learn(used, state, second), learn(new, fresh, second)
    if changed := differing(state, fresh):
        raise Broken(f"after a reset the state depends on earlier events: {', '.join(changed)}")
    if not same_bits(answer(used, state, second.queries), answer(new, fresh, second.queries)):
        raise Broken("after a reset answers depend on earlier events: there is state outside state")


@torch.no_grad()
def past_ignores_future(build: Build) -> None:
    """Replace all events after t: answers given up to t must be bit-identical.

    All events lie in one tensor whose views are handed out, so that a router which looks past its
    own view finds what comes next.
    """
    expected = _interleaved(build, Events.draw(0))
    for t in (0, EVENTS // 3, EVENTS - 2):
        seen = _interleaved(build, Events.draw(0).after(t))
        for at in range(t + 1):
            if not same_bits(seen[at], expected[at]):
                raise Broken(f"with events after t={t} replaced, the answers after {at} change")


def _interleaved(build: Build, events: Events) -> list[Tensor]:
    """Answers to all queries after each event."""
    router = build(0)
    state, asked, given = router.init_state(), Events.draw(2).queries, []
    for t in range(EVENTS):
        state = learn(router, state, events.part(t, t + 1))
        given.append(answer(router, state, asked))
    return given


@torch.no_grad()
def excluded_events_do_not_answer(build: Build) -> str:
    """Leave an event out of an answer: what that event was must not show in it."""
    router, events = build(0), Events.draw(0, n=EVENTS // 2)
    if not router.excludes:
        raise NotClaimed("excludes = False")
    state, word = learn(router, router.init_state(), events), "bit-equal"
    seen = _answer_without(router, state, events.z, events.ids)
    for at in range(len(events.ids)):
        other = learn(router, router.init_state(), events.with_another(at))
        expected = _answer_without(router, other, events.z, events.ids)[at]
        close = require_close(seen[at], expected, LANE_TOLERANCE, f"answer without event {at}")
        word = close if close != "bit-equal" else word
    whole = _answer_without(router, state, events.z, torch.full_like(events.ids, -1))
    require_close(whole, answer(router, state, events.z), LANE_TOLERANCE, "with nothing left out")
    return word


def _answer_without(router: Router, state: State, queries: Tensor, ids: Tensor) -> Tensor:
    scores, routing, _ = router.route(state, queries, ids)
    return torch.cat([scores, routing], dim=-1)


@torch.no_grad()
def state_keeps_its_shape(build: Build) -> None:
    """Answers have the shapes and meaning of the protocol; the state its layout; all is finite."""
    router = build(0)
    state = router.init_state()
    layout = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
    for seed in range(4):  # more events than max_events: buffers must wrap, not grow
        events = Events.draw(seed)
        _require_answers(router, *router.route(state, events.queries), layout)
        state = learn(router, state, events)
        require_layout("learn", state, layout)
        for name, entry in state.items():
            if entry.is_floating_point() and not bool(entry.isfinite().all()):
                raise Broken(f"entry '{name}' is not finite after {(seed + 1) * EVENTS} events")


def _require_answers(
    router: Router,
    scores: Tensor,
    routing: Tensor,
    after: State,
    layout: Mapping[str, tuple[torch.Size, torch.dtype]],
) -> None:
    require_layout("route", after, layout)
    for name, seen, columns in (
        ("scores", scores, LABELS),
        ("routing", routing, len(router.banks)),
    ):
        if tuple(seen.shape) != (EVENTS, columns):
            raise Broken(f"{name} have shape {list(seen.shape)}, expected {[EVENTS, columns]}")
        if not bool(seen.isfinite().all()):
            raise Broken(f"{name} are not finite")
    total = routing.sum(-1)
    fine = ((total - 1).abs() <= PROBABILITY_TOLERANCE) | (routing == 0).all(-1)
    if router.banks and not (bool(fine.all()) and bool((routing >= 0).all())):
        raise Broken("the routing is no probability over the banks")


@torch.no_grad()
def learning_composes(build: Build) -> str:
    """Learn A and B together, or A then B, or event by event: the answers must be alike."""
    router, events = build(0), Events.draw(0)
    if not router.composes:
        raise NotClaimed("composes = False")
    whole = learn(router, router.init_state(), events)
    expected = answer(router, whole, events.queries)
    for cuts in ((0, EVENTS), (EVENTS // 2,), tuple(range(1, EVENTS))):
        state, start = router.init_state(), 0
        for end in (*cuts, EVENTS):
            state, start = learn(router, state, events.part(start, end)), end
        seen = answer(router, state, events.queries)
        word = require_close(seen, expected, COMPOSITION_TOLERANCE, f"answers, cut at {cuts}")
    return word


@torch.no_grad()
def queries_do_not_meet(build: Build) -> str:
    """Permute the queries, or ask them one by one: the answers must be the same."""
    router, events = build(0), Events.draw(0)
    state = learn(router, router.init_state(), events)
    together = answer(router, state, events.queries)
    order = torch.arange(EVENTS - 1, -1, -1)
    flipped = answer(router, state, events.queries[order])[order]
    word = require_close(flipped, together, LANE_TOLERANCE, "queries in another order")
    alone = torch.cat([answer(router, state, one[None]) for one in events.queries])
    require_close(alone, together, LANE_TOLERANCE, "queries one by one")
    return word


@torch.no_grad()
def lanes_do_not_meet(build: Build) -> str:
    """A lane alone equals the lane among others, and ignores what the others see."""
    routers = [build(seed) for seed in range(3)]
    events = [Events.draw(seed) for seed in range(3)]
    together = lane_answers(routers, events, "learn")
    word = "bit-equal"
    for lane, router in enumerate(routers):
        alone = lane_answers([router], [events[lane]], "learn")[0]
        close = require_close(together[lane], alone, LANE_TOLERANCE, f"lane {lane} against alone")
        word = close if close != "bit-equal" else word
        state = learn(router, router.init_state(), events[lane])
        direct = answer(router, state, events[lane].queries)
        require_close(together[lane], direct, LANE_TOLERANCE, f"lane {lane} against a direct call")
    disturbed = lane_answers(routers, [events[0], events[1].after(0), events[2]], "learn")
    if not (same_bits(disturbed[0], together[0]) and same_bits(disturbed[2], together[2])):
        raise Broken("what one lane is given changes another lane's answers")
    return word


@torch.no_grad()
def saved_state_is_the_state(build: Build) -> None:
    """Save, restore into a new router and go on: nothing may change."""
    router, restored = build(0), build(0)
    events, more = Events.draw(0), Events.draw(1)
    state = learn(router, router.init_state(), events)
    kept = load(save({name: entry.contiguous() for name, entry in state.items()}))
    later, again = learn(router, state, more), learn(restored, kept, more)
    if changed := differing(later, again):
        raise Broken(f"after a restore the state goes on differently: {', '.join(changed)}")
    if not same_bits(answer(router, later, more.queries), answer(restored, again, more.queries)):
        raise Broken("after a restore answers differ: there is state outside the state")


@torch.no_grad()
def unused_slots_are_never_read(build: Build) -> None:
    """Fill the unused slots with NaN: answers and later events must not notice."""
    router = build(0)
    if not router.slot_state:
        raise NotClaimed("no slot_state")
    events, more = Events.draw(0, n=5), Events.draw(1, n=5)
    state = learn(router, router.init_state(), events)
    unused = ~router.valid(state)
    poisoned = {
        name: torch.where(unused.reshape(-1, *[1] * (entry.dim() - 1)), torch.nan, entry)
        if name in router.slot_state
        else entry
        for name, entry in state.items()
    }
    for given, other in ((state, poisoned), (learn(router, state, more),
                                             learn(router, poisoned, more))):  # fmt: skip
        if not same_bits(answer(router, given, more.queries), answer(router, other, more.queries)):
            raise Broken("answers depend on slots that hold nothing")


LAWS = (
    Law("read-purity", "routing changes nothing", routing_changes_nothing),
    Law("arguments", "no argument is changed in place", arguments_untouched),
    Law("determinism", "same seed, same bits", same_seed_same_bits),
    Law("reset", "init_state forgets everything", reset_forgets),
    Law("causality", "events after t never change answers given at t", past_ignores_future),
    Law("exclusion", "an event left out does not answer", excluded_events_do_not_answer),
    Law("layout", "answers and state keep their shapes; all is finite", state_keeps_its_shape),
    Law("composition", "learning together equals learning in parts", learning_composes),
    Law("queries", "answers do not depend on the other queries", queries_do_not_meet),
    Law("lanes", "a lane alone equals the lane among others", lanes_do_not_meet),
    Law("restore", "saving and restoring the state changes nothing", saved_state_is_the_state),
    Law("unused-slots", "slots that hold nothing are never read", unused_slots_are_never_read),
)
