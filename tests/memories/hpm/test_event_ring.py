"""Rings of events: order, eviction, ids that are refused, one by one or at once."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.func import vmap

from tests.memories.hpm.built import codes, core

BOTH = ("procedural", "instance")


def rings(capacity: int = 10, *, deduplicate: bool = True, banks: Any = BOTH) -> Any:
    return core(4, banks=banks, capacity=capacity, deduplicate=deduplicate, cross_attention=False)


def put(memory: Any, state: dict[str, Tensor], first: int, ids: list[int]) -> dict[str, Tensor]:
    """The state after events whose keys hold their number from `first` on."""
    keys = torch.arange(first, first + len(ids)).float()[:, None].expand(-1, 4)
    values = {name: -keys if name == "procedural" else keys for name in memory.settings.dynamic}
    return memory.write(state, keys, values, torch.tensor(ids, dtype=torch.int64))


def numbers(state: dict[str, Tensor], bank: int = 0) -> list[int]:
    """What the slots of a bank hold, the oldest first."""
    size, head = int(state["dyn_size"][bank]), int(state["dyn_head"][bank])
    capacity = state["dyn_key"].shape[1] - 1
    return [int(state["dyn_key"][bank, (head - size + i) % capacity, 0]) for i in range(size)]


def test_fifteen_events_on_ten_slots_leave_the_last_ten() -> None:
    memory = rings()
    state = put(memory, memory.init_state(), 0, list(range(15)))
    assert numbers(state) == numbers(state, 1) == list(range(5, 15))
    assert state["dyn_size"].tolist() == [10, 10]
    assert state["dyn_evicted"].tolist() == [5, 5]
    ids = state["dyn_id"][0, :-1].tolist()
    assert sorted(ids) == list(range(5, 15))
    assert state["dyn_id"][0, -1] == -1


def test_an_id_that_is_stored_is_refused() -> None:
    """Ids 0, 0, 1, 0, 2 leave three events, each the first of its id."""
    memory = rings()
    state = put(memory, memory.init_state(), 0, [0, 0, 1, 0, 2])
    assert numbers(state) == [0, 2, 4]
    assert state["dyn_id"][1, :3].tolist() == [0, 1, 2]
    state = put(memory, state, 5, [2, 3])
    assert numbers(state) == [0, 2, 4, 6]


def test_events_without_an_id_are_never_refused() -> None:
    memory = rings()
    state = put(memory, memory.init_state(), 0, [-1, -1, 7, -1])
    assert numbers(state) == [0, 1, 2, 3]
    keys = torch.ones(2, 4)
    state = memory.write(state, keys, {"instance": keys})
    assert state["dyn_size"].tolist() == [4, 6]


def test_without_deduplication_every_event_is_stored() -> None:
    memory = rings(deduplicate=False)
    state = put(memory, memory.init_state(), 0, [0, 0, 1, 0, 2])
    assert numbers(state) == [0, 1, 2, 3, 4]


def test_an_id_in_the_other_bank_is_refused_too() -> None:
    memory = rings()
    keys = torch.ones(1, 4)
    state = memory.write(memory.init_state(), keys, {"procedural": keys}, torch.tensor([3]))
    state = memory.write(state, keys, {"instance": keys}, torch.tensor([3]))
    assert state["dyn_size"].tolist() == [1, 0]


def test_an_id_that_was_overwritten_is_new_again() -> None:
    memory = rings(capacity=2)
    state = put(memory, memory.init_state(), 0, [0, 1, 2, 0])
    assert numbers(state) == [2, 3]
    assert state["dyn_evicted"].tolist() == [2, 2]


def test_events_are_stamped_with_their_number_or_the_time_given() -> None:
    memory = rings(capacity=3, banks=("instance",))
    state = put(memory, memory.init_state(), 0, [0, 0, 1, 2, 3])
    assert sorted(state["dyn_time"][0, :-1].tolist()) == [1.0, 2.0, 3.0]
    keys = torch.ones(1, 4)
    state = memory.write(
        state, keys, {"instance": keys}, torch.tensor([9]), times=torch.tensor([0.5])
    )
    assert 0.5 in state["dyn_time"][0, :-1].tolist()


@given(
    capacity=st.integers(1, 5),
    ids=st.lists(st.integers(-1, 4), max_size=12),
    cut=st.integers(0, 12),
    deduplicate=st.booleans(),
)
def test_one_write_equals_writing_event_by_event_and_a_list(capacity, ids, cut, deduplicate):
    """Bit for bit in every entry, the row behind the last slot included: it is always zero."""
    memory = rings(capacity, deduplicate=deduplicate, banks=("instance",))
    whole = put(memory, memory.init_state(), 0, ids)
    parts = put(memory, put(memory, memory.init_state(), 0, ids[:cut]), len(ids[:cut]), ids[cut:])
    single = memory.init_state()
    held: list[tuple[int, int]] = []
    evicted = 0
    for number, one in enumerate(ids):
        single = put(memory, single, number, [one])
        if not (deduplicate and one >= 0 and one in [known for _, known in held]):
            held.append((number, one))
            evicted += len(held) > capacity
            held = held[-capacity:]
    for state in (parts, single):
        assert all(torch.equal(state[name], entry) for name, entry in whole.items())
    assert numbers(whole) == [number for number, _ in held]
    assert int(whole["dyn_evicted"][0]) == evicted
    assert not whole["dyn_key"][0, -1].any()
    assert not whole["dyn_val"][0, -1].any()


def test_lanes_write_as_alone() -> None:
    memory = rings(capacity=3)
    ids = torch.tensor([[0, 1, 1, 2, 3], [4, 4, 4, -1, -1]])
    keys = torch.stack([codes(1, 5, 4), codes(2, 5, 4)])

    def write(keys: Tensor, ids: Tensor) -> dict[str, Tensor]:
        return memory.write(memory.init_state(), keys, dict.fromkeys(BOTH, keys), ids)

    together = vmap(write)(keys, ids)
    for lane in range(2):
        alone = write(keys[lane], ids[lane])
        assert all(torch.equal(together[name][lane], entry) for name, entry in alone.items())


def test_what_is_stored_has_no_gradient() -> None:
    memory = rings()
    keys = codes(1, 3, 4).requires_grad_()
    state = memory.write(memory.init_state(), keys, dict.fromkeys(BOTH, 2 * keys))
    assert not state["dyn_key"].requires_grad
    assert not state["dyn_val"].requires_grad
