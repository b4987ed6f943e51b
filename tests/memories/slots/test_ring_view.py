"""Reads along a stream at once, against the ring written event by event and against attention."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from memories.slots import ring_view
from memories.slots.ring_view import ring_views
from tests.memories.case import build, events


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    capacity=st.integers(1, 7),
    before=st.integers(0, 17),
    n=st.integers(1, 17),
    block=st.integers(1, 20),
    inclusive=st.booleans(),
)
def test_each_query_sees_what_the_ring_holds_at_that_moment(
    capacity: int, before: int, n: int, block: int, inclusive: bool
) -> None:
    """Event numbers as contents: the newest `capacity` of those written, newest first."""
    numbers = torch.arange(before + n, dtype=torch.float32)[:, None]
    slots = torch.full((capacity, 1), torch.nan)
    for number in range(before):
        slots[number % capacity] = float(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring_view, "VIEW_BLOCK", block)
        views = list(
            ring_views(
                {"x": slots}, {"x": numbers[before:]}, torch.tensor(before), inclusive=inclusive
            )
        )
    asked = [t for view in views for t in range(view.queries.start, view.queries.stop)]
    assert asked == list(range(n))
    for view in views:
        assert not view.entries["x"].isnan().any()
        for row, t in enumerate(range(view.queries.start, view.queries.stop)):
            written = before + t + (1 if inclusive else 0)
            visible = view.visible[row]
            seen = view.entries["x"][visible, 0].tolist()
            assert seen == list(range(written - 1, max(-1, written - 1 - capacity), -1))
            assert view.age[row][visible].tolist() == list(range(len(seen)))


@pytest.mark.parametrize("capacity", [400, 50])
def test_a_scan_is_causal_attention_over_a_window(capacity: int) -> None:
    """300 events are five blocks of queries; the window is a band of a mask in torch's own."""
    n = 300
    memory = build("ring-attention", beta=3.0, capacity=capacity, key_norm="none").double()
    keys, values = events(1, n, dtype=torch.float64)
    queries = events(2, n, dtype=torch.float64)[0]
    lag = torch.arange(n)[:, None] - torch.arange(n)
    band = (lag >= 0) & (lag < capacity)
    expected = scaled_dot_product_attention(
        queries[None], keys[None], values[None], attn_mask=band, scale=3.0
    )[0]
    reads, _ = memory.scan(memory.init_state(), keys, values, queries)
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-12)
    if capacity > n:
        causal = scaled_dot_product_attention(
            queries[None], keys[None], values[None], is_causal=True, scale=3.0
        )[0]
        torch.testing.assert_close(reads, causal, rtol=0, atol=1e-12)


def test_a_scan_of_rewritten_keys_finds_the_newest_value() -> None:
    """Three keys in turn, each with its event number as value, read after every event."""
    memory = build("exact-knn", value_dim=1, capacity=30)
    keys = events(1, 3)[0][torch.arange(60) % 3]
    values = torch.arange(60.0)[:, None]
    reads, _ = memory.scan(memory.init_state(), keys, values, keys)
    assert torch.equal(reads, values)
    reads, _ = memory.scan(memory.init_state(), keys, values, keys, inclusive=False)
    assert torch.equal(reads[3:], values[:-3])


@pytest.mark.parametrize("name", ["ring-attention", "exact-knn"])
def test_a_scan_never_looks_into_unused_slots(name: str) -> None:
    memory = build(name, capacity=20)
    keys, values = events(2, 12)
    state = memory.write(memory.init_state(), keys[:4], values[:4])
    unused = {
        entry: torch.where(memory.valid(state)[:, None], tensor, torch.nan)
        if entry in memory.slot_state
        else tensor
        for entry, tensor in state.items()
    }
    assert unused["values"].isnan().any()
    expected, _ = memory.scan(state, keys, values, keys)
    assert torch.equal(memory.scan(unused, keys, values, keys)[0], expected)
