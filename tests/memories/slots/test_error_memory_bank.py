"""The error bank: what it keeps, what it finds, and what that comes to."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from bench.lanes import Lanes
from memories.base import InvalidParameter, State
from memories.slots import bank_statistics
from memories.slots.bank_search import Recalled
from memories.slots.error_memory_bank import ErrorMemoryBank
from tests.memories.case import build, events, unit_rows
from tests.reference import error_memory_bank as loop

bank = partial(build, "error-memory-bank")


def written(memory: ErrorMemoryBank, keys: Tensor, values: Tensor) -> State:
    return memory.write(memory.init_state(), keys, values)


def numbers(n: int, width: int = 1) -> Tensor:
    return torch.arange(1.0, n + 1)[:, None].expand(-1, width).contiguous()


def filled(n: int, **params: Any) -> tuple[ErrorMemoryBank, State]:
    """A bank of numbered values under orthonormal keys."""
    memory = bank(key_dim=n, value_dim=1, **params)
    return memory, written(memory, torch.eye(n), numbers(n))


@pytest.mark.parametrize("n", [1, 20, 30])
def test_distinct_keys_are_recalled_exactly_until_they_do_not_fit(n):
    """30 slots; of 33 events the first three are gone and the rest is exact."""
    memory = bank(key_dim=64, value_dim=5, capacity=30)
    keys, values = unit_rows(1, n + 3, 64), events(2, n + 3)[1]
    state = written(memory, keys, values)
    lost = max(0, n + 3 - 30)
    assert torch.equal(memory.read(state, keys[lost:]), values[lost:])
    if lost:
        assert (memory.read(state, keys[:lost]) - values[:lost]).abs().amax(-1).min() > 0.01


def test_an_exact_match_among_four_orthogonal_keys():
    """Softmax over five cosines at T = 0.1: weight e^10 / (e^10 + 4) = 0.999818 on value 3."""
    memory, state = filled(5, preset="plain-soft")
    recalled = memory.recall(state, torch.eye(5)[2])
    weight = math.exp(10) / (math.exp(10) + 4)
    expected = 3 * weight + (1 + 2 + 4 + 5) * (1 - weight) / 4
    assert float(memory.weights(recalled)[0]) == pytest.approx(0.999818, abs=1e-6)
    assert float(memory.aggregate(recalled)) == pytest.approx(expected, abs=1e-5)


def test_the_guides_threshold_ends_a_perfect_match_at_age_120():
    """0.99^119 = 0.3024 and 0.99^120 = 0.2994 stand on the two sides of 0.3."""
    memory = bank(key_dim=2, value_dim=1, preset="guide")
    state = written(memory, torch.tensor([[1.0, 0.0]]), torch.ones(1, 1))
    others = torch.tensor([[0.0, 1.0]]).expand(118, -1), torch.zeros(118, 1)
    state = memory.write(state, *others)
    at_119 = memory.recall(state, torch.tensor([1.0, 0.0]))
    assert (int(at_119.age[0]), bool(at_119.valid[0])) == (119, True)
    assert float(at_119.similarity[0]) == pytest.approx(0.99**119, abs=1e-6)
    state = memory.write(state, others[0][:1], others[1][:1])
    at_120 = memory.recall(state, torch.tensor([1.0, 0.0]))
    assert not at_120.valid.any()
    assert torch.equal(memory.aggregate(at_120), torch.zeros(1))


@pytest.mark.parametrize("preset", ["guide", "v1", "plain", "plain-soft"])
@pytest.mark.parametrize("aggregate", ["softmax", "weighted-mean", "max", "median", "blend"])
def test_a_read_that_finds_nothing_is_zero_with_a_finite_gradient(preset, aggregate):
    """Empty, or with nine events of the ten that are asked for."""
    memory = bank(preset=preset, aggregate=aggregate, capacity=12, min_entries=10)
    for state in (memory.init_state(), written(memory, *events(1, 9))):
        query = torch.ones(6, requires_grad=True)
        recalled = memory.recall(state, query)
        assert not recalled.valid.any()
        read = memory.aggregate(recalled)
        assert torch.equal(read, torch.zeros(5))
        total = read.sum() + recalled.similarity.sum()
        (gradient,) = torch.autograd.grad(total, query)
        assert torch.equal(gradient, torch.zeros(6))


def test_equal_importances_without_hits_make_a_ring():
    """v1 with importance unit, 8 slots, 8 + 5 events: slots 0..4 hold events 9..13."""
    memory = bank(key_dim=4, value_dim=1, preset="v1", capacity=8, importance="unit")
    keys = unit_rows(1, 13, 4)
    state = written(memory, keys, numbers(13))
    ring = bank(key_dim=4, value_dim=1, capacity=8)
    assert torch.equal(state["values"], written(ring, keys, numbers(13))["values"])
    assert state["values"].flatten().tolist() == [9, 10, 11, 12, 13, 6, 7, 8]


def test_what_is_used_outlives_what_is_not():
    """Hits weigh 0.2: slot 0, the oldest, is touched and slot 1 goes in its place."""
    memory, state = filled(4, preset="v1", capacity=4, importance="unit")
    recalled = memory.recall(state, torch.eye(4)[0])
    evidence = {"idx": torch.tensor([0, 0, 3]), "found": torch.tensor([True, True, False])}
    touched = memory.touch(state, evidence)
    assert touched["hits"].tolist() == [2, 0, 0, 0]
    assert state["hits"].tolist() == [0, 0, 0, 0]
    assert recalled.slots.shape == (4,)
    new = torch.ones(4) / 2, torch.tensor([9.0])
    assert memory.write_one(state, *new)["values"].flatten().tolist() == [9, 2, 3, 4]
    after = memory.write_one(touched, *new)
    assert after["values"].flatten().tolist() == [1, 9, 3, 4]
    assert after["hits"].tolist() == [2, 0, 0, 0]


def test_a_ring_counts_no_hits():
    memory, state = filled(4)
    assert "hits" not in state
    assert memory.touch(state, {"idx": torch.tensor([0]), "found": torch.tensor([True])}) is state


def test_an_importance_can_be_given():
    """In place of the mean of |1|, |-3|, which is 2."""
    memory = bank(key_dim=2, value_dim=2, preset="guide", capacity=3)
    key, value = torch.ones(2), torch.tensor([1.0, -3.0])
    state = memory.write_one(memory.init_state(), key, value)
    state = memory.write_one(state, key, value, importance=torch.tensor(7.0))
    assert state["importance"].tolist() == [2, 7, 0]


@pytest.mark.parametrize("preset", ["plain", "v1"])
def test_an_event_that_is_not_enabled_leaves_every_bit_as_it_was(preset):
    """Also with importances that fade, ages that end and a mean that moves."""
    memory = bank(
        preset=preset,
        capacity=5,
        center_keys=True,
        forget_decay=0.5,
        forget_threshold=0.01,
        max_age=3,
        evict_weights=(0.5, 0.0, 0.5),
    )
    keys, values = events(1, 9)
    state = written(memory, keys[:7], values[:7])
    off = memory.write_one(state, keys[7], values[7], enable=torch.tensor(False))
    assert all(torch.equal(off[name], state[name]) for name in state)
    on = memory.write_one(state, keys[7], values[7], enable=torch.tensor(True))
    always = memory.write_one(state, keys[7], values[7])
    assert all(torch.equal(on[name], always[name]) for name in state)
    assert int(on["count"]) == 8


@pytest.mark.parametrize("preset", ["plain-soft", "v1"])
def test_slots_that_are_set_apart_keep_to_themselves(preset):
    """Two buckets of four slots: each holds its own last events, whatever the other sees."""
    memory = bank(key_dim=4, value_dim=1, preset=preset, capacity=8, min_entries=4)
    first = torch.arange(8) < 4
    state = memory.init_state()
    keys = unit_rows(3, 11, 4)
    for t in range(11):
        state = memory.write_one(
            state, keys[t], torch.tensor([t + 1.0]), among=first if t % 3 else ~first
        )
    low, high = state["values"][:4, 0].tolist(), state["values"][4:, 0].tolist()
    assert high == [1, 4, 7, 10]
    assert len(set(low)) == 4
    assert set(low) <= {2, 3, 5, 6, 8, 9, 11}
    assert 11 in low
    inside = memory.recall(state, keys[0], usable=~first)
    assert set(inside.values.flatten().tolist()) <= {0, 1, 4, 7, 10}
    assert inside.valid.sum() >= 1
    few = memory.recall(state, keys[0], usable=torch.arange(8) < 3)
    assert not few.valid.any()


def test_a_read_of_the_past_is_the_read_that_was_made_then():
    """Only what had been written by time 9, ages from 9: as the bank stood there."""
    memory = bank(preset="v1", capacity=30, age_unit="time", min_entries=3)
    keys, values = events(4, 20)
    state, past = memory.init_state(), {}
    for t in range(20):
        state = memory.write_one(state, keys[t], values[t], time=torch.tensor(t))
        past = state if t == 9 else past
    query = events(5, 1)[0][0]
    then = memory.recall(past, query, now=torch.tensor(9))
    again = memory.recall(state, query, now=torch.tensor(9), usable=state["time"] <= 9)
    assert all(torch.equal(a, b) for a, b in zip(then, again, strict=True))
    now = memory.recall(state, query, now=torch.tensor(19))
    assert not torch.equal(now.values, then.values)


def test_ages_count_times_where_times_are_given():
    """Events at times 0, 10, 11, read at 12: ages 13, 3, 2; in writes 3, 2, 1."""
    keys, values = torch.eye(3), numbers(3)
    times = torch.tensor([0.0, 10.0, 11.0])
    for unit, given, ages in (
        ("time", times, [13, 3, 2]),
        ("time", None, [3, 2, 1]),
        ("writes", times, [3, 2, 1]),
    ):
        memory = bank(key_dim=3, value_dim=1, preset="plain-soft", age_unit=unit, decay=0.5)
        state = memory.write(memory.init_state(), keys, values, given)
        now = None if given is None else torch.tensor(12.0)
        found = memory.recall(state, torch.ones(3), now=now)
        order = found.slots[found.slots < 3]
        assert [int(found.age[list(found.slots).index(i)]) for i in range(3)] == ages
        assert order.tolist() == [2, 1, 0]
        similarity = sorted((3**-0.5 * 0.5**age for age in ages), reverse=True)
        assert found.similarity[:3].tolist() == pytest.approx(similarity, abs=1e-6)
        nows = None if now is None else now[None]
        read = memory.read(state, torch.ones(1, 3), nows)[0]
        assert torch.equal(read, memory.aggregate(found))


def test_times_in_a_call_are_those_of_single_events():
    memory = bank(preset="guide", age_unit="time", capacity=6)
    ring = bank(age_unit="time", capacity=6)
    keys, values = events(6, 9)
    times = torch.arange(9.0) * 3
    for one in (memory, ring):
        state = one.init_state()
        for t in range(9):
            state = one.write_one(state, keys[t], values[t], time=times[t])
        together = one.write(one.init_state(), keys, values, times)
        assert all(torch.equal(state[name], together[name]) for name in state)
        assert set(state["time"].tolist()) <= set(times.tolist())


def test_a_known_key_takes_its_old_slot_if_copies_are_not_wanted():
    """Rewriting key 1 leaves one copy with the new value; without the option the old one wins."""
    keys = torch.cat([torch.eye(3), torch.eye(3)[1:2]])
    copies = bank(key_dim=3, value_dim=1)
    assert copies.read(written(copies, keys, numbers(4)), keys)[1] == 2
    single = bank(key_dim=3, value_dim=1, overwrite_similarity=0.99)
    state = written(single, keys, numbers(4))
    assert single.read(state, keys).flatten().tolist() == [1, 4, 3, 4]
    assert int(single.valid(state).sum()) == 3
    assert state["index"].tolist()[:4] == [0, 3, 2, -1]


def test_importance_that_fades_by_a_hundredth_ends_after_299_writes():
    """0.99^298 = 0.0500 >= 0.05 > 0.99^299: an age limit, whatever the importance was once."""
    memory = bank(
        key_dim=2,
        value_dim=1,
        preset="v1",
        capacity=400,
        importance="unit",
        forget_decay=0.99,
        forget_threshold=0.05,
    )
    keys = unit_rows(1, 300, 2)
    state = memory.init_state()
    for t in range(299):
        state = memory.write_one(state, keys[t], torch.ones(1))
    assert int(memory.valid(state).sum()) == 299
    state = memory.write_one(state, keys[299], torch.ones(1))
    assert state["index"][:3].tolist() == [-1, 1, 2]
    assert int(bank_statistics.of_bank(state)["evicted"]) == 1
    state = memory.write_one(state, keys[0], torch.ones(1))
    assert state["index"][:3].tolist() == [300, -1, 2]


def test_nothing_older_than_the_age_limit_is_kept():
    """Event 5 finds slot 0 free, for event 0 was 5 writes old after event 4; and so on."""
    memory, state = filled(9, preset="plain-soft", max_age=4, capacity=9)
    assert state["index"].tolist() == [5, 6, 7, 8, -1, -1, -1, -1, -1]
    assert sorted(memory.read_info(state, torch.eye(9)[:1])["age"][:4].tolist()) == [0, 1, 2, 3]


def test_centred_keys_spread_cosines_that_are_all_near_one():
    """Keys (1, e_i) with small e_i: cosines above 0.99 fall apart once their mean is taken off."""
    offsets = torch.linspace(-0.1, 0.1, 41)[:, None]
    keys = torch.cat([torch.ones(41, 1), offsets], dim=-1)
    spread = {}
    for centred in (False, True):
        memory = bank(key_dim=2, value_dim=1, top_k=41, center_keys=centred, capacity=41)
        state = written(memory, keys.repeat(20, 1), numbers(41 * 20))
        spread[centred] = memory.recall(state, keys[0]).similarity
    assert spread[False].min() > 0.98
    assert spread[True].min() < 0
    assert float(spread[True].max()) == pytest.approx(1, abs=1e-3)


def test_the_recent_preset_recalls_the_newest_events_whatever_the_query():
    """Weights proportional to e^(0.995^age / 0.1), ages 1 to 5."""
    memory = bank(preset="recent").double()
    keys, values = events(7, 30, dtype=torch.float64)
    state = written(memory, keys, values)
    reads = memory.read(state, events(8, 6, dtype=torch.float64)[0])
    assert torch.equal(reads, reads[:1].expand(6, -1))
    weights = (0.995 ** torch.arange(1, 6, dtype=torch.float64) / 0.1).softmax(0)
    torch.testing.assert_close(reads[0], weights @ values.flip(0)[:5], rtol=0, atol=1e-7)
    settings = {"top_k": 5, "decay": 0.995, "min_entries": 10, "aggregate": "softmax"}
    expected = loop.recall(keys, values, keys[:2], capacity=1000, similarity="recency", **settings)
    torch.testing.assert_close(reads[:2], expected, rtol=0, atol=1e-7)
    assert torch.equal(memory.read(written(memory, keys[:9], values[:9]), keys[:1]), 0 * reads[:1])


def test_what_is_found_comes_best_first_and_explains_the_answer():
    memory = bank(preset="plain-soft", capacity=20, decay=0.9)
    keys, values = events(9, 15)
    state = written(memory, keys, values)
    info = memory.read_info(state, keys[:4])
    assert (info["similarity"].diff(dim=-1) <= 1e-6).all()
    explained = (info["weights"][..., None] * state["values"][info["idx"]]).sum(1)
    torch.testing.assert_close(explained, memory.read(state, keys[:4]), rtol=0, atol=1e-6)
    assert torch.equal(info["values"], memory.read(state, keys[:4]))
    assert info["found"].all()
    assert info["age"][:15].tolist() == list(range(14, -1, -1))
    assert torch.equal(info["valid"], memory.valid(state))
    median = bank(aggregate="median", top_k=2)
    assert "weights" not in median.read_info(median.init_state(), keys[:1])


def test_more_queries_than_a_block_are_answered_with_their_own_times():
    memory = bank(preset="plain-soft", age_unit="time", decay=0.9)
    state = memory.write(memory.init_state(), *events(10, 7), torch.arange(7.0))
    queries = events(11, 1500)[0]
    now = torch.arange(1500.0) % 11 + 6
    reads = memory.read(state, queries, now)
    for i in (0, 1023, 1024, 1499):
        alone = memory.aggregate(memory.recall(state, queries[i], now=now[i]))
        torch.testing.assert_close(reads[i], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("parameter", "settings"),
    [("temperature", (0.1, 0.5)), ("decay", (0.9, 1.0)), ("min_similarity", (-1.0, 0.6))],
)
def test_lanes_may_differ_in_a_scalar_of_the_bank(parameter, settings):
    memories = [bank(preset="plain-soft", **{parameter: setting}) for setting in settings]
    keys, values = events(12, 15)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=5e-6, atol=5e-6)
    assert (reads[0] - reads[1]).abs().max() > 1e-3


@pytest.mark.parametrize("preset", ["v1", "plain-soft"])
def test_gradients_of_queries_in_lanes_are_those_of_single_reads(preset):
    memory = bank(preset=preset, capacity=12, min_entries=1).double()
    states = [written(memory, *events(s, 9 + s, dtype=torch.float64)) for s in range(3)]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    queries = events(13, 3, dtype=torch.float64)[0]

    def score(query: Tensor, state: State) -> Tensor:
        return memory.aggregate(memory.recall(state, query)).square().sum()

    together = vmap(grad(score))(queries, stacked)
    assert together.abs().amax(-1).min() > 0
    for lane, state in enumerate(states):
        alone = grad(score)(queries[lane], state)
        torch.testing.assert_close(together[lane], alone, rtol=1e-10, atol=1e-12)
        assert torch.autograd.gradcheck(partial(score, state=state), queries[lane].requires_grad_())


def test_statistics_say_how_the_bank_is_filled_and_used():
    """Three of eight slots, hits 3, 1, 0: the most used hundredth is one slot, with 3 of 4 hits."""
    memory, state = filled(8, preset="v1", capacity=8)
    empty = bank_statistics.of_bank(memory.init_state())
    assert all(float(value) == 0 for value in empty.values())
    state = written(memory, torch.eye(8)[:3], numbers(3))
    idx = torch.tensor([0, 0, 0, 1])
    state = memory.touch(state, {"idx": idx, "found": torch.ones(4, dtype=torch.bool)})
    seen = {name: float(value) for name, value in bank_statistics.of_bank(state).items()}
    assert seen == pytest.approx(
        {
            "utilisation": 3 / 8,
            "mean_age": 2,
            "evicted": 0,
            "mean_importance": 2,
            "mean_hits": 4 / 3,
            "top_hits": 0.75,
        }
    )


def test_statistics_of_a_read_tell_ages_and_how_many_entries_matter():
    """Two valid of three, weights a half each: e^(ln 2) = 2 entries, ages 4 and 10."""
    recalled = Recalled(
        slots=torch.arange(3),
        similarity=torch.tensor([0.5, 0.5, 0.0]),
        valid=torch.tensor([True, True, False]),
        keys=torch.zeros(3, 2),
        values=torch.zeros(3, 1),
        age=torch.tensor([4, 10, 99]),
    )
    seen = bank_statistics.of_recall(recalled, torch.tensor([0.5, 0.5, 0.0]))
    assert {name: float(value) for name, value in seen.items()} == pytest.approx(
        {
            "valid_share": 2 / 3,
            "top_similarity": 0.5,
            "retrieved_age": 7,
            "oldest_age": 10,
            "effective_entries": 2,
        }
    )
    nothing = bank_statistics.of_recall(
        recalled._replace(valid=torch.zeros(3, dtype=torch.bool), similarity=torch.zeros(3)),
        torch.zeros(3),
    )
    assert all(float(value) == 0 for value in nothing.values())


@pytest.mark.parametrize(
    ("preset", "slots"), [("plain", 40), ("plain-soft", 40), ("guide", 1000), ("recent", 1000)]
)
def test_the_capacity_is_the_presets_or_the_tasks(preset, slots):
    assert bank(preset=preset).capacity == slots
    assert bank(preset=preset, capacity=3).capacity == 3
    assert bank(preset="guide", capacity=3).top_k == 3


def test_ranking_by_a_recency_that_does_not_decay_is_refused():
    with pytest.raises(InvalidParameter, match="must be < 1") as refused:
        bank(preset="plain", similarity="recency")
    assert refused.value.parameter == "decay"
