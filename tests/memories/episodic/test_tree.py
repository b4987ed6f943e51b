"""A tree of segments over a stream of events."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.episodic.tree import EventTree


def one_by_one(gaps: list[list[bool]], fan_out: int) -> tuple[list[list[bool]], list[int]]:
    """Which events open a node on each level, and the children of the open ones, by the rule."""
    n_levels, n_events = len(gaps), len(gaps[0])
    children = [0] * n_levels
    opens: list[list[bool]] = [[] for _ in range(n_levels)]
    for i in range(n_events):
        begins = True
        for level in range(n_levels):
            opening = gaps[level][i] or (begins and children[level] == fan_out)
            children[level] = 1 if opening else children[level] + begins
            opens[level].append(opening)
            begins = opening
    return opens, children


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[list[bool]], int, list[int]]:
    """Gaps per level, each a gap on all lower levels too; a fan-out; cuts of the stream."""
    n_levels, n = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    heights = st.integers(-6, n_levels).map(lambda height: max(0, height))
    sizes = draw(st.lists(heights, min_size=n, max_size=n))
    sizes[0] = n_levels
    gaps = [[size > level for size in sizes] for level in range(n_levels)]
    cuts = draw(st.lists(st.integers(0, n), max_size=3))
    return gaps, draw(st.integers(2, 4)), sorted(cuts)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(stream=streams())
def test_events_go_where_the_rule_puts_them_one_by_one(
    stream: tuple[list[list[bool]], int, list[int]],
) -> None:
    gaps, fan_out, cuts = stream
    n_levels, n = len(gaps), len(gaps[0])
    tree = EventTree(capacity=100, levels=n_levels, fan_out=fan_out)
    state = tree.init_state(torch.zeros(()), 1, 1)
    apart = torch.tensor(gaps)
    opens, numbers = [], []
    for start, end in zip([0, *cuts], [*cuts, n], strict=True):
        if start == end:
            continue
        placed = tree.place(state, apart[:, start:end])
        opens.append(placed.opens)
        numbers.append(placed.numbers)
        events = torch.zeros(end - start, 1)
        state = {**state, **tree.add(state, placed, events, events, events[:, 0])}
    expected, children = one_by_one(gaps, fan_out)
    opened = torch.tensor(expected)
    assert torch.equal(torch.cat(opens, dim=1), opened)
    assert torch.equal(torch.cat(numbers, dim=1), opened.cumsum(1) - 1)
    assert state["children"].tolist() == children
    assert state["opened"].tolist() == opened.sum(1).tolist()


def grown(n: int, capacity: int, levels: int, fan_out: int) -> tuple[EventTree, Any]:
    """A tree after n events without a gap: event i has key i + 1, value -i and time 10 i."""
    tree = EventTree(capacity, levels, fan_out)
    state = tree.init_state(torch.zeros(()), 1, 1)
    apart = torch.zeros(levels, n, dtype=torch.bool)
    apart[:, 0] = True
    keys = torch.arange(1.0, n + 1)[:, None]
    placed = tree.place(state, apart)
    return tree, tree.add(state, placed, keys, 1 - keys, 10 * (keys[:, 0] - 1))


def test_events_without_gaps_grow_a_balanced_tree() -> None:
    """64 events, fan-out 4: 16 nodes of 4 events, 4 of 16, 1 of 64."""
    tree, state = grown(64, capacity=64, levels=3, fan_out=4)
    assert tree.sizes == (32, 8, 8)
    assert state["opened"].tolist() == [16, 4, 1]
    assert state["children"].tolist() == [4, 4, 4]
    counts = [state["node_count"][tree.nodes(level)].tolist() for level in (1, 2, 3)]
    assert counts == [[4] * 16 + [0] * 16, [16] * 4 + [0] * 4, [64] + [0] * 7]
    second = tree.nodes(2).start + 1
    assert state["node_start"][second].item() == 160
    assert state["node_end"][second].item() == 310
    assert tree.means(state, 2, "node_keys")[1].item() == (17 + 32) / 2
    assert tree.means(state, 2, "node_values")[1].item() == -(16 + 31) / 2
    assert tree.present(state, 2).tolist() == [True] * 4 + [False] * 4
    assert not tree.means(state, 2, "node_keys")[4:].any()


@pytest.mark.parametrize("n", [24, 49, 200])
def test_a_level_keeps_its_newest_nodes(n: int) -> None:
    """Fan-out 2 over a capacity of 4 has places for 8 nodes of 2 events on level 1."""
    tree, state = grown(n, capacity=4, levels=1, fan_out=2)
    assert tree.sizes == (8,)
    opened = -(-n // 2)
    for number in range(opened):
        place, there = tree.find(state, 1, torch.tensor(number))
        assert bool(there) == (number >= opened - 8)
        if there:
            held = [i for i in (2 * number, 2 * number + 1) if i < n]
            assert int(state["node_count"][place]) == len(held)
            assert float(state["node_keys"][place]) == sum(i + 1 for i in held)
            assert float(state["node_start"][place]) == 10 * held[0]
            assert float(state["node_end"][place]) == 10 * held[-1]
