"""The published episodic memory in its five versions, and what is known to be wrong with it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from bench import registry
from bench.lanes import Lanes
from bench.reading import params
from memories.base import InvalidParameter, State, state_floats
from memories.sources.episodic_linear_src import EpisodicLinearSrc
from memories.sources.slot_descent import Scoring
from tests.memories.case import build, events, generator
from tests.memories.cases.sources import slot_settings
from tests.memories.sources.published import Published
from tests.reference import episodic_linear_src

CONTEXT_DIM = 3
slots = partial(build, "episodic-linear-src", capacity=12)


def contexts(seed: int, n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, CONTEXT_DIM, generator=generator(seed), dtype=dtype)


@torch.no_grad()
def written(memory: Any, *given: Tensor | None) -> State:
    return memory.write(memory.init_state(), *given)


@pytest.mark.parametrize(
    ("preset", "trained"),
    [("v2", {}), ("v3", {}), ("v4", {}), ("v5", {"rounds": 1, "inner_steps": 5})],
)
def test_calls_with_and_without_contexts_do_what_torchs_optimiser_does(
    preset: str, trained: dict[str, int]
) -> None:
    """Three calls, the middle one without contexts, on a ring that wraps; float64.

    Written with autograd, `torch.optim.Adam` and the rows in use selected: 1e-9 covers the
    rounding of 100 steps, whose ratio of moments magnifies it.
    """
    memory = slots(preset=preset, context_dim=CONTEXT_DIM, learning_rate=0.1, **trained).double()
    published = Published(memory)
    state = memory.init_state()
    for call, (n, with_context) in enumerate([(4, True), (6, False), (5, True)]):
        keys, values = events(call, n, dtype=torch.float64)
        given = contexts(call, n) if with_context else None
        state = memory.write(state, keys, values, None, given)
        for part in [slice(i, i + 1) for i in range(n)] if preset == "v2" else [slice(0, n)]:
            published.store(
                keys[part],
                values[part],
                None if given is None else given[part],
                rounds=memory.rounds,
                steps=memory.inner_steps,
            )
    for name in ("keys", "values", "contexts", "times"):
        expected = getattr(published, name).detach()
        torch.testing.assert_close(state[name], expected, rtol=0, atol=1e-9)
    queries, cues = events(9, 7, dtype=torch.float64)[0], contexts(9, 7)
    for cue in (None, cues):
        recalled = memory.read(state, queries, None, cue)
        expected = published(queries, cue).detach()
        torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("preset", ["v1", "v2", "v3", "v4"])
def test_contexts_and_times_reach_the_loop_over_events(preset: str) -> None:
    """Contexts with events and queries; times count from v4 on, the loop is given them there."""
    memory = slots(preset=preset, context_dim=CONTEXT_DIM).double()
    keys, values = events(1, 15, dtype=torch.float64)
    given, times = contexts(2, 15), 0.5 * torch.arange(15.0).flip(0).double()
    state = written(memory, keys, values, times, given)
    expected = episodic_linear_src.recall(
        keys,
        values,
        keys[:6],
        contexts=given,
        times=times if preset == "v4" else None,
        query_contexts=given[:6],
        **slot_settings(memory),
    )
    recalled = memory.read(state, keys[:6], times[:6], given[:6])
    torch.testing.assert_close(recalled, expected.detach(), rtol=0, atol=1e-10)


def test_only_one_value_is_moved_by_the_first_event_and_each_coordinate_by_the_rate() -> None:
    """One slot is in use, so that its weight is one and its key has no gradient."""
    memory = slots(rounds=1, inner_steps=1)
    start = memory.init_state()
    state = written(memory, *events(1, 1))
    moved = state["values"] - start["values"]
    torch.testing.assert_close(moved[0].abs(), torch.full((5,), 0.01), rtol=0, atol=1e-6)
    assert torch.equal(moved[1:], torch.zeros(11, 5))
    assert torch.equal(state["keys"], start["keys"])


def test_reads_of_v5_do_not_depend_on_the_time_weight() -> None:
    """Its factor is cut to one for every event that has passed."""
    keys, values = events(1, 20)
    reads = []
    for time_weight in (0.0, 0.1, 2.0):
        memory = slots(preset="v5", time_weight=time_weight)
        reads.append(memory.read(written(memory, keys, values), keys))
    assert torch.equal(reads[0], reads[1])
    assert torch.equal(reads[1], reads[2])


@pytest.mark.parametrize("preset", ["v1", "v2", "v3", "v4"])
def test_of_two_slots_with_the_same_key_the_younger_weighs_more(preset: str) -> None:
    """By exp(recency (exp(-0.1 age) - exp(-0.1 (age + 4)))) with ages 1 and 5 of 10 events."""
    memory = slots(preset=preset).double()
    state = {**written(memory, *events(1, 10, dtype=torch.float64))}
    state["keys"] = state["keys"][:1].expand(12, -1)
    state["times"] = torch.arange(12, dtype=torch.float64)
    weights = memory.read_info(state, events(2, 3, dtype=torch.float64)[0])["weights"]
    age = torch.tensor([1.0, 5.0], dtype=torch.float64)
    younger, older = torch.exp(memory.version.recency * torch.exp(-memory.time_weight * age))
    ratio = weights[:, 9] / weights[:, 5]
    torch.testing.assert_close(ratio, (younger / older).expand(3), rtol=1e-12, atol=0)
    assert (ratio > 1).all()


def test_the_orthogonality_term_counts_from_two_used_slots_on() -> None:
    """v3 is v4 without it: one event gives the same bits, a second one does not."""
    third, fourth = slots(preset="v3"), slots(preset="v4")
    one = [written(memory, *events(1, 1))["values"] for memory in (third, fourth)]
    assert torch.equal(*one)
    two = [written(memory, *events(1, 2))["values"] for memory in (third, fourth)]
    assert float((two[0] - two[1]).abs().max()) > 1e-3


def test_contexts_are_moved_and_not_stored_except_by_copies() -> None:
    """v1 stores them; where an event has none its slot keeps what stood there."""
    keys, values = events(1, 4)
    given = contexts(1, 4, torch.float32)
    copying = slots(preset="v1", context_dim=CONTEXT_DIM)
    copied = written(copying, keys, values, None, given)
    assert torch.equal(copied["contexts"][:4], given)
    assert torch.equal(written(copying, keys, values)["contexts"], copying.init_state()["contexts"])
    moving = slots(context_dim=CONTEXT_DIM)
    moved = written(moving, keys, values, None, given)["contexts"]
    change = (moved - moving.init_state()["contexts"]).abs()
    assert 0 < float(change.max()) < 0.5
    assert float((moved[:4] - given).abs().max()) > 0.5


def test_the_counter_of_contexts_advances_only_with_contexts() -> None:
    """4 events of 6 steps with contexts, then 3 without: their contexts and moments stay."""
    memory = slots(context_dim=CONTEXT_DIM)
    state = written(memory, *events(1, 4), None, contexts(1, 4, torch.float32))
    after = memory.write(state, *events(2, 3))
    assert (int(after["steps"]), int(after["context_steps"])) == (42, 24)
    assert torch.equal(after["contexts"], state["contexts"])
    for name in ("first_moment", "second_moment"):
        assert torch.equal(after[name][:, -CONTEXT_DIM:], state[name][:, -CONTEXT_DIM:])
        assert not torch.equal(after[name][:, :-CONTEXT_DIM], state[name][:, :-CONTEXT_DIM])


def test_the_second_version_trains_its_times_and_later_ones_keep_the_event_numbers() -> None:
    numbers = torch.arange(5.0)
    trained = written(slots(preset="v2"), *events(1, 5))["times"][:5]
    assert float(trained[-1]) == 4.0
    assert float((trained - numbers).abs().max()) > 1e-3
    assert torch.equal(written(slots(preset="v3"), *events(1, 5))["times"][:5], numbers)


@pytest.mark.parametrize(("preset", "taken"), [("v1", 0), ("v3", 0), ("v4", 1), ("v5", 1)])
def test_given_times_count_from_the_fourth_version_on(preset: str, taken: int) -> None:
    times = torch.tensor([3.5, 2.0, 7.25])
    state = written(slots(preset=preset), *events(1, 3), times)
    assert torch.equal(state["times"][:3], [torch.arange(3.0), times][taken])


def test_a_long_call_trains_only_its_last_slots() -> None:
    """60 events at once: the last slot's bonus of 0.3 e^5.9 = 109 takes all the weight."""
    memory = slots(capacity=60, rounds=1, inner_steps=1)
    start, state = memory.init_state(), written(memory, *events(1, 60))
    moved = (state["values"] - start["values"]).abs().amax(1)
    assert float(moved[-1]) > 0.05
    every = torch.ones(60, dtype=torch.bool)
    during = Scoring(memory.version, memory.time_weight, start["count"], every)
    weights = during.weights(start, during.bonus(state["times"]), events(2, 9)[0], None)
    assert float(weights[:, -1].min()) > 0.999


def test_a_call_of_more_than_890_events_overflows_and_single_events_do_not() -> None:
    """exp(0.1 i) leaves float32 at i = 888; in chunks of one the clock never stands still."""
    keys, values = events(1, 900)
    at_once = slots(rounds=1, inner_steps=1)
    alone = slots(rounds=1, inner_steps=1, chunk=1)
    assert not written(at_once, keys, values)["values"].isfinite().all()
    assert written(at_once, keys[:880], values[:880])["values"].isfinite().all()
    assert written(alone, keys, values)["values"].isfinite().all()


def test_the_last_version_as_it_stands_stores_nothing() -> None:
    """No round, no step: what is read is what the slots started with, whatever was written.

    Given 50 steps an event it recalls at least the event that it was trained on last.
    """
    memory = slots(preset="v5")
    keys, values = events(1, 8)
    first, second = written(memory, keys, values), written(memory, -keys, 3 * values)
    assert torch.equal(memory.read(first, keys), memory.read(second, keys))
    assert torch.equal(first["keys"], memory.init_state()["keys"])
    assert "first_moment" not in first
    trained = slots(preset="v5", rounds=1, inner_steps=50, learning_rate=0.1)
    recalled = trained.read(written(trained, keys, values), keys[-1:])
    assert float(torch.cosine_similarity(recalled, values[-1:])) > 0.99


@torch.no_grad()
def test_copies_are_recalled_and_unused_slots_compete() -> None:
    """v1 at D = 32: a key's product with itself is about 32, with another about 6.

    A zero query weighs all 12 slots by recency alone, the ten unused ones as of time zero.
    """
    memory = slots(preset="v1", capacity=30, key_dim=32, value_dim=32)
    keys, values = events(1, 20, key_dim=32, value_dim=32)
    recalled = memory.read(written(memory, keys, values), keys)
    assert float(torch.cosine_similarity(recalled, values).mean()) > 0.99
    small = slots(preset="v1")
    state = written(small, *events(2, 2))
    age = torch.cat([torch.tensor([2.0, 1.0]), torch.full((10,), 2.0)])
    expected = torch.exp(torch.exp(-0.1 * age)).div(torch.exp(torch.exp(-0.1 * age)).sum())
    recalled = small.read(state, torch.zeros(1, 6))[0]
    torch.testing.assert_close(recalled, expected @ state["values"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_chunk_is_a_call_of_its_own(chunk: int) -> None:
    memory, whole = slots(chunk=chunk), slots()
    keys, values = events(1, 10)
    state = whole.init_state()
    for first in range(0, 10, chunk):
        part = slice(first, first + chunk)
        state = whole.write(state, keys[part], values[part])
    together = written(memory, keys, values)
    assert all(torch.equal(together[name], entry) for name, entry in state.items())
    assert not torch.equal(together["values"], written(whole, keys, values)["values"])


def test_the_evidence_explains_the_value() -> None:
    memory = slots(context_dim=CONTEXT_DIM)
    keys, values = events(1, 5)
    given = contexts(1, 5, torch.float32)
    state = written(memory, keys, values, None, given)
    info = memory.read_info(state, keys, given)
    torch.testing.assert_close(info["weights"] @ state["values"], info["values"])
    assert torch.equal(info["values"], memory.read(state, keys, None, given))
    assert info["valid"].tolist() == [True] * 5 + [False] * 7
    assert info["age"][:5].tolist() == [4, 3, 2, 1, 0]


def test_queries_of_many_blocks_keep_their_contexts() -> None:
    """1,100 queries are two blocks; each is answered as it is alone, up to rounding."""
    memory = slots(context_dim=CONTEXT_DIM)
    state = written(memory, *events(1, 5))
    queries, given = events(2, 1100)[0], contexts(2, 1100, torch.float32)
    together = memory.read(state, queries, None, given)
    for q in (0, 1023, 1024, 1099):
        alone = memory.read(state, queries[q : q + 1], None, given[q : q + 1])
        torch.testing.assert_close(together[q : q + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("parameter", "settings"), [("learning_rate", (0.01, 0.1)), ("time_weight", (0.0, 0.5))]
)
def test_lanes_may_differ_in_a_scalar(parameter: str, settings: tuple[float, float]) -> None:
    memories = [slots(**{parameter: setting}) for setting in settings]
    keys, values = events(1, 9)
    both = (keys.expand(2, -1, -1), values.expand(2, -1, -1))
    lanes = Lanes(memories)
    reads = lanes.read(lanes.write(lanes.init_state(), *both), both[0])
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=0, atol=1e-5)
    assert float((reads[0] - reads[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("preset", ["v2", "v4"])
def test_writes_of_all_lanes_can_be_differentiated_in_one_call(preset: str) -> None:
    """vmap(grad) through the steps equals autograd lane by lane, unused slots included."""
    memory = slots(preset=preset).double()
    drawn = [events(seed, 6, dtype=torch.float64) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))

    def loss(keys: Tensor, values: Tensor) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        return (memory.read(state, keys) - values).square().mean()

    together = vmap(grad(loss))(keys, values)
    for lane in range(3):
        single = keys[lane].clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(single, values[lane]), single)
        torch.testing.assert_close(together[lane], expected, rtol=0, atol=1e-10)
        assert float(expected.abs().max()) > 1e-6


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "v1"}, 6 + 5 + 1),
        ({"preset": "v2"}, 6 + 5 + 1 + 2 * 12),
        ({}, 6 + 5 + 1 + 2 * 11),
        ({"context_dim": 3}, 6 + 5 + 3 + 1 + 2 * 14),
        ({"preset": "v5"}, 6 + 5 + 1),
        ({"preset": "v5", "rounds": 1, "inner_steps": 50}, 6 + 5 + 1 + 2 * 11),
    ],
)
def test_a_slot_costs_its_contents_its_time_and_two_moments_of_what_is_trained(
    settings: dict[str, Any], words: int
) -> None:
    sized = EpisodicLinearSrc.from_budget(1000, 6, 5, **settings)
    assert sized == {"capacity": 1000 // words}
    memory = slots(**{**settings, **sized})
    assert state_floats(memory.init_state()) == sized["capacity"] * words
    with pytest.raises(InvalidParameter) as caught:
        EpisodicLinearSrc.from_budget(words - 1, 6, 5, **settings)
    assert caught.value.parameter == "budget"


@pytest.mark.parametrize("name", ["rounds", "inner_steps", "chunk"])
def test_the_version_that_copies_refuses_parameters_of_the_descent(name: str) -> None:
    with pytest.raises(InvalidParameter, match="which copies events") as caught:
        slots(preset="v1", **{name: 1})
    assert caught.value.parameter == name


def test_a_suite_can_set_whatever_a_version_fixes() -> None:
    """`steps` alone would be taken for the length of a forecaster's stream."""
    settable = {p.name for p in params.of(registry.get("memory", "episodic-linear-src"))}
    assert settable == {
        *("preset", "capacity", "rounds", "inner_steps", "chunk", "learning_rate", "time_weight")
    }
