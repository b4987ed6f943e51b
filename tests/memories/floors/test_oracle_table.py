"""A dictionary that is asked by whole keys or by parts of them."""

from __future__ import annotations

import pytest
import torch

from tests.memories.case import build, events


def written(keys, values, max_events=40):
    memory = build(
        "oracle-table", key_dim=keys.shape[1], value_dim=values.shape[1], max_events=max_events
    )
    return memory, memory.write(memory.init_state(), keys, values)


def test_a_whole_key_recalls_its_own_value_and_nothing_else():
    keys, values = events(1, 30)
    memory, state = written(keys, values)
    torch.testing.assert_close(memory.read(state, keys), values, rtol=0, atol=1e-6)


def test_a_key_that_was_never_written_recalls_zero_however_near_it_is():
    keys, values = events(2, 10)
    memory, state = written(keys, values)
    assert torch.equal(memory.read(state, keys * 1.02), torch.zeros(10, 5))
    assert torch.equal(memory.read(state, keys + 0.05), torch.zeros(10, 5))


def test_a_key_written_again_replaces_its_entry_within_a_call_and_across_calls():
    keys, values = events(3, 6)
    memory, state = written(torch.cat([keys, keys[:2]]), torch.cat([values, -values[:2]]))
    expected = torch.cat([-values[:2], values[2:]])
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-6)
    state = memory.write(state, keys[4:], 2 * values[4:])
    expected[4:] = 2 * values[4:]
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-6)
    assert float(state["current"].sum()) == 6


def test_a_part_of_a_key_recalls_the_mean_of_all_entries_that_have_it():
    """Keys of two blocks; three entries share the first, one of them was written twice."""
    keys = torch.tensor([[1.0, 0.5, 2.0], [1.0, 0.5, 3.0], [2.0, 0.5, 2.0], [1.0, 0.5, 2.0]])
    values = torch.tensor([[8.0], [2.0], [5.0], [4.0]])
    memory, state = written(keys, values)
    queries = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 4.0]])
    expected = torch.tensor([[3.0], [4.5], [11 / 3], [0.0]])
    torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-6)


def test_zeros_alone_agree_with_every_entry():
    keys, values = events(4, 8)
    memory, state = written(keys, values)
    torch.testing.assert_close(
        memory.read(state, torch.zeros(1, 6)), values.mean(0, keepdim=True), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_agreement_is_relative_to_the_length_of_the_query(scale):
    keys, values = events(5, 20)
    memory, state = written(scale * keys, values)
    torch.testing.assert_close(memory.read(state, scale * keys), values, rtol=0, atol=1e-6)
    assert (memory.read(state, 1.01 * scale * keys) == 0).all()


def test_beyond_its_events_the_oldest_are_forgotten():
    """7 slots, 10 events: three are gone, also where they come in one call or one by one."""
    keys, values = events(6, 10)
    expected = torch.cat([torch.zeros(3, 5), values[3:]])
    memory, state = written(keys, values, max_events=7)
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-6)
    state = memory.init_state()
    for k, v in zip(keys, values, strict=True):
        state = memory.write(state, k[None], v[None])
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-6)


def test_more_events_than_are_compared_at_once_are_all_compared():
    """300 events of 150 keys in a random order: of each key the last one stays."""
    keys, values = events(7, 300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(7)) % 150
    memory, state = written(keys[order], values, max_events=300)
    last = torch.stack([(order == key).nonzero().max() for key in range(150)])
    torch.testing.assert_close(memory.read(state, keys[:150]), values[last], rtol=0, atol=1e-6)
    assert float(state["current"].sum()) == 150
