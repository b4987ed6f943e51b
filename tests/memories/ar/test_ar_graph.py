"""The graph of merged events."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from memories.base import InvalidParameter, State, state_floats
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.reference import ar_graph, ring_attention

HARD = 1e4
"""An inverse temperature at which softmax leaves the best node alone."""


def written(memory: object, keys: Tensor, values: Tensor) -> State:
    return memory.write(memory.init_state(), keys, values)


def test_ten_events_of_one_key_share_a_node_that_holds_their_mean() -> None:
    key, values = unit_rows(1, 1, 16), unit_rows(2, 10, 5)
    memory = build("ar-graph", key_dim=16, value_dim=5)
    state = written(memory, key.repeat(10, 1), values)
    assert state["merged"].tolist() == [10] + [0] * 99
    mean = values.mean(0, keepdim=True)
    torch.testing.assert_close(memory.read(state, key), mean, rtol=0, atol=1e-6)


def test_a_span_of_one_keeps_the_newest_value_of_a_key() -> None:
    key, values = unit_rows(1, 1, 16), unit_rows(2, 10, 5)
    memory = build("ar-graph", key_dim=16, value_dim=5, merge_span=1)
    recalled = memory.read(written(memory, key.repeat(10, 1), values), key)
    torch.testing.assert_close(recalled, values[-1:], rtol=0, atol=1e-6)


def test_a_span_of_four_is_a_moving_average_of_weight_a_quarter() -> None:
    """From the fourth event on: x <- 3/4 x + 1/4 v."""
    key, values = unit_rows(1, 1, 16), unit_rows(2, 7, 5)
    memory = build("ar-graph", key_dim=16, value_dim=5, merge_span=4)
    recalled = memory.read(written(memory, key.repeat(7, 1), values), key)
    mean = values[:4].mean(0)
    for v in values[4:]:
        mean = 0.75 * mean + 0.25 * v
    torch.testing.assert_close(recalled, mean[None], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("cosine", "nodes"), [(0.96, 1), (0.94, 2)])
def test_keys_merge_from_the_cosine_on_that_is_asked_for(cosine: float, nodes: int) -> None:
    keys = torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]])
    memory = build("ar-graph", key_dim=2, value_dim=3)
    state = written(memory, keys, unit_rows(1, 2, 3))
    assert int(memory.valid(state).sum()) == nodes


def test_without_merging_it_is_softmax_attention_over_the_newest_events() -> None:
    """A threshold no cosine reaches: the node updated longest ago is the oldest event's."""
    keys, values = events(1, 40)
    queries = events(2, 9)[0]
    memory = build("ar-graph", capacity=30, merge_above=1.01)
    expected = ring_attention.recall(keys, values, queries, capacity=30, beta=16.0)
    recalled = memory.read(written(memory, keys, values), queries)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


def test_the_successor_of_a_key_is_exactly_the_value_of_the_next_event() -> None:
    """Distinct keys and a hard match: one edge leaves each node, and its share is 1."""
    keys, values = orthonormal(1, 20, 32), unit_rows(2, 20, 5)
    memory = build("ar-graph", key_dim=32, value_dim=5, beta=HARD)
    state = written(memory, keys, values)
    following = memory.successor(state, keys)
    torch.testing.assert_close(following[:-1], values[1:], rtol=0, atol=1e-6)
    assert torch.equal(following[-1], torch.zeros(5))


def test_the_order_survives_writing_in_parts_and_recycling() -> None:
    """50 events through 20 nodes, five at a time: the last 19 still lead to their successors."""
    keys, values = orthonormal(1, 50, 64), unit_rows(2, 50, 5)
    memory = build("ar-graph", key_dim=64, value_dim=5, beta=HARD, capacity=20)
    state = memory.init_state()
    for start in range(0, 50, 5):
        state = memory.write(state, keys[start : start + 5], values[start : start + 5])
    following = memory.successor(state, keys[30:49])
    torch.testing.assert_close(following, values[31:], rtol=0, atol=1e-6)
    assert float(state["edges"].count_nonzero()) == 19


def test_a_key_with_two_successors_recalls_them_by_the_age_of_their_edges() -> None:
    """A B A C: the edge to B is two events older, so its share is 0.99^2 / (0.99^2 + 1)."""
    a, b, c = orthonormal(1, 3, 8)
    values = torch.eye(4)
    memory = build("ar-graph", key_dim=8, value_dim=4, beta=HARD)
    state = written(memory, torch.stack([a, b, a, c]), values)
    share = 0.99**2 / (0.99**2 + 1)
    expected = torch.tensor([[0.0, share, 0.0, 1 - share]])
    torch.testing.assert_close(memory.successor(state, a[None]), expected, rtol=0, atol=1e-6)


def test_a_node_that_is_opened_anew_loses_its_edges() -> None:
    """Two nodes: the third event takes the first one's place, and 1 -> 2 is gone."""
    keys, values = orthonormal(1, 3, 8), unit_rows(2, 3, 5)
    memory = build("ar-graph", key_dim=8, value_dim=5, capacity=2, beta=HARD)
    state = written(memory, keys, values)
    torch.testing.assert_close(
        state["edges"], torch.tensor([[0.0, 0.0], [1.0, 0.0]]), rtol=0, atol=0
    )
    assert torch.equal(memory.successor(state, keys[2:]), torch.zeros(1, 5))


def test_a_single_node_has_no_edge_from_what_it_forgot() -> None:
    keys, values = orthonormal(1, 2, 8), unit_rows(2, 2, 5)
    memory = build("ar-graph", key_dim=8, value_dim=5, capacity=1)
    assert written(memory, keys, values)["edges"].tolist() == [[0.0]]
    again = written(memory, keys[:1].repeat(2, 1), values)
    assert again["edges"].tolist() == [[1.0]]


@pytest.mark.parametrize("capacity", [5, 9, 30])
@pytest.mark.parametrize("merge_above", [0.5, 0.95])
def test_successors_equal_those_of_the_loop_over_edges(capacity: int, merge_above: float) -> None:
    keys, values = events(3, 26, dtype=torch.float64)
    keys = torch.cat([keys[:8], keys])
    values = torch.cat([values, values[:8] + 1])
    memory = build("ar-graph", capacity=capacity, merge_above=merge_above).double()
    expected = ar_graph.successor(
        keys,
        values,
        keys[:11],
        capacity=capacity,
        merge_above=merge_above,
        edge_decay=float(memory.edge_decay),
    )
    following = memory.successor(written(memory, keys, values), keys[:11])
    torch.testing.assert_close(following, expected, rtol=0, atol=1e-10)


def test_successors_work_in_lanes_and_start_from_nothing() -> None:
    memories = [build("ar-graph", seed) for seed in range(3)]
    lanes = Lanes(memories)
    drawn = [events(seed, 9) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    assert not lanes.call("successor", lanes.init_state(), keys).any()
    following = lanes.call("successor", lanes.write(lanes.init_state(), keys, values), keys)
    for i, memory in enumerate(memories):
        alone = memory.successor(written(memory, keys[i], values[i]), keys[i])
        torch.testing.assert_close(following[i], alone, rtol=0, atol=5e-6)


def test_a_learned_spread_starts_near_nothing_and_moves_reads_along_edges() -> None:
    """sigmoid(-4) = 0.018 of a hard match's weight goes to what followed."""
    keys, values = orthonormal(1, 4, 8), torch.eye(4)
    memory = build("ar-graph", key_dim=8, value_dim=4, beta=HARD, learn_spread=True)
    recalled = memory.read(written(memory, keys, values), keys[:1])
    spread = 0.0179862
    expected = torch.tensor([[1 - spread, spread, 0.0, 0.0]])
    torch.testing.assert_close(recalled.detach(), expected, rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(recalled[0, 1], memory.spread_logit)
    assert float(gradient) == pytest.approx(spread * (1 - spread), rel=1e-3)


def test_evidence_explains_the_value() -> None:
    keys, values = events(7, 12)
    memory = build("ar-graph", capacity=9)
    state = written(memory, keys, values)
    info = memory.read_info(state, keys)
    torch.testing.assert_close(info["weights"].sum(-1), torch.ones(12), rtol=0, atol=1e-6)
    torch.testing.assert_close(
        info["weights"] @ state["node_values"], memory.read(state, keys), rtol=0, atol=1e-6
    )
    assert torch.equal(info["values"], memory.read(state, keys))
    assert sorted(info["age"].tolist()) == list(range(9))
    assert info["valid"].all()


@pytest.mark.parametrize("budget", [30, 100, 1000, 16384])
def test_the_largest_graph_within_a_budget_counts_its_edges(budget: int) -> None:
    """P (D + V + 4) + P^2 words."""
    capacity = build("ar-graph").from_budget(budget, 6, 5)["capacity"]
    words = [
        state_floats(build("ar-graph", capacity=p).init_state()) for p in (capacity, capacity + 1)
    ]
    assert words[0] == capacity * (6 + 5 + 4) + capacity**2
    assert words[0] <= budget < words[1]


def test_a_budget_below_one_node_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=">= 16, the size of one node") as caught:
        build("ar-graph").from_budget(15, 6, 5)
    assert caught.value.parameter == "budget"


@pytest.mark.parametrize(
    ("parameter", "settings"),
    [("beta", (2.0, 16.0)), ("merge_above", (0.5, 0.95)), ("edge_decay", (0.5, 1.0))],
)
def test_lanes_may_differ_in_a_scalar(parameter: str, settings: tuple[float, float]) -> None:
    memories = [build("ar-graph", capacity=20, **{parameter: setting}) for setting in settings]
    keys, values = events(10, 15)
    # the first key is met again, before another one: it has two successors of different age
    keys = torch.cat([keys[:5], keys[:1], keys[6:]])
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    following = lanes.call("successor", state, keys.expand(2, -1, -1))
    for among, memory in zip(following, memories, strict=True):
        alone = memory.successor(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=5e-6, atol=5e-6)
    assert (following[0] - following[1]).abs().max() > 1e-3
