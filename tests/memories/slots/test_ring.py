"""The ring that slot memories write to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.base import InvalidParameter
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write
from tests.reference import ring as loop


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    capacity=st.integers(1, 9),
    before=st.integers(0, 25),
    n=st.integers(0, 30),
)
def test_a_write_equals_that_of_a_sequential_ring(capacity: int, before: int, n: int) -> None:
    """For all offsets, and fewer, as many and more events than slots."""
    numbers = torch.arange(before + n, dtype=torch.float32)[:, None]
    buffers = {"slots": torch.full((capacity, 1), -1.0)}
    buffers = ring_write(buffers, {"slots": numbers[:before]}, torch.tensor(0))
    buffers = ring_write(buffers, {"slots": numbers[before:]}, torch.tensor(before))
    expected = loop.slots(numbers, capacity)
    for slot in range(capacity):
        assert float(buffers["slots"][slot]) == float(expected.get(slot, -1.0))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(capacity=st.integers(1, 9), count=st.integers(0, 40))
def test_age_and_validity_follow_from_the_count(capacity: int, count: int) -> None:
    held = loop.slots(torch.arange(count), capacity)
    total = torch.tensor(count)
    age, valid = ring_age(total, capacity), ring_valid(total, capacity)
    assert sorted(held) == valid.nonzero().flatten().tolist()
    for slot, event in held.items():
        assert int(age[slot]) == count - 1 - int(event)
    assert torch.equal(age[age], torch.arange(capacity))


def test_writing_leaves_the_old_buffer_alone() -> None:
    old = torch.zeros(3, 2)
    ring_write({"slots": old}, {"slots": torch.ones(2, 2)}, torch.tensor(2))
    assert torch.equal(old, torch.zeros(3, 2))


def test_rings_in_lanes_may_stand_at_different_offsets() -> None:
    counts = torch.tensor([0, 1, 5])
    start = torch.zeros(3, 4, 1)
    events = torch.arange(1.0, 7.0).reshape(3, 2, 1)

    def one(buffer: torch.Tensor, event: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return ring_write({"slots": buffer}, {"slots": event}, count)["slots"]

    written = torch.func.vmap(one)(start, events, counts)[..., 0]
    assert written.tolist() == [[1, 2, 0, 0], [0, 3, 4, 0], [0, 5, 6, 0]]


def test_a_budget_below_one_slot_is_refused() -> None:
    assert capacity_within(389, 130) == {"capacity": 2}
    with pytest.raises(InvalidParameter, match="must be >= 130"):
        capacity_within(129, 130)
