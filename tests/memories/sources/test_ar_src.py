"""The autoregressive sketches that write something: what each of them cannot do, and why."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from memories.base import State, state_floats
from memories.sources.ar_gated_src import ArGatedSrc
from memories.sources.ar_graph_src import ArGraphSrc
from memories.sources.ar_rag_src import ArRagSrc
from tests.memories.case import build, events, generator
from tests.memories.sources.initialisations import DIM, N, mean_cosine, reads

built = partial(build, key_dim=DIM, value_dim=DIM)
drawn = partial(events, key_dim=DIM, value_dim=DIM)


@torch.no_grad()
def written(memory: Any, keys: Tensor, values: Tensor) -> State:
    return memory.write(memory.init_state(), keys, values)


@torch.no_grad()
def recall(memory: Any, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(written(memory, keys, values), queries)


LAST_LAYER = {
    "ar-meta-src": lambda m: m.hypernetwork[4],
    "ar-rag-src": lambda m: m.attention.out,
    "ar-graph-src": lambda m: m.attention.out,
}


@pytest.mark.parametrize("name", sorted(LAST_LAYER))
def test_flipping_the_signs_of_one_layer_negates_every_read(name: str) -> None:
    """Initial weights are symmetric, so that recall is zero on average over them."""
    memory = built(name)
    keys, values = drawn(1, N)
    before = recall(memory, keys, values, keys)
    with torch.no_grad():
        LAST_LAYER[name](memory).weight.neg_()
        LAST_LAYER[name](memory).bias.neg_()
    after = recall(memory, keys, values, keys)
    assert float(before.abs().max()) > 1e-3
    torch.testing.assert_close(after, -before, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ar-meta-src", {}),
        ("ar-meta-src", {"value_aware": True}),
        ("ar-rag-src", {"capacity": N}),
        ("ar-graph-src", {}),
    ],
)
def test_recall_is_zero_on_average_over_200_initialisations(
    name: str, params: dict[str, object]
) -> None:
    """Within 0.02: a mean of 20 cosines in 32 dimensions varies by 0.04 or less, so 0.003."""
    assert abs(mean_cosine(name, 200, **params)) < 0.02


def test_what_the_network_writes_does_not_depend_on_the_value() -> None:
    memory = built("ar-meta-src")
    keys, values = drawn(1, N)
    expected = recall(memory, keys, values, keys)
    assert torch.equal(recall(memory, keys, 100 * values.flip(0) + 1, keys), expected)
    aware = built("ar-meta-src", value_aware=True)
    seen = [recall(aware, keys, v, keys) for v in (values, values.flip(0))]
    assert float((seen[0] - seen[1]).abs().max()) > 1e-3


def test_the_network_is_as_large_as_published() -> None:
    """D = 64: 64*128+128 + 128*128+128 + 128*4096+4096 weights, and the scale."""
    memory = build("ar-meta-src", key_dim=64, value_dim=64)
    assert sum(p.numel() for p in memory.parameters()) == 553_217
    assert state_floats(memory.init_state()) == 64 * 64


def test_many_events_are_written_in_blocks_as_they_are_one_by_one() -> None:
    """600 events are three blocks of 256."""
    memory = built("ar-meta-src", hidden=8)
    keys, values = drawn(1, 600)
    state = memory.init_state()
    for part in (slice(0, 1), slice(1, 599), slice(599, 600)):
        state = memory.write(state, keys[part], values[part])
    whole = written(memory, keys, values)["fast_weights"]
    torch.testing.assert_close(state["fast_weights"], whole, rtol=0, atol=1e-5)


@torch.no_grad()
def test_flipping_the_last_layer_of_the_gate_turns_it_around() -> None:
    """g becomes 1 - g: what was let in is not, so that half is written on average."""
    keys, values = drawn(1, 100)
    for seed in range(5):
        memory = built("ar-gated-src", seed, capacity=200)
        gates = memory.gates(memory.init_state(), keys)
        n_written = int(written(memory, keys, values)["written"])
        assert n_written == int((gates > 0.5).sum())
        memory.gate[2].weight.neg_()
        memory.gate[2].bias.neg_()
        flipped = memory.gates(memory.init_state(), keys)
        torch.testing.assert_close(flipped, 1 - gates, rtol=0, atol=1e-6)
        assert int(written(memory, keys, values)["written"]) == 100 - n_written


def test_the_luck_of_the_weights_decides_what_is_written() -> None:
    """Over 60 initialisations: from hardly anything to nearly all, 1/2 on average within 0.15.

    A share varies by at most 1/2, its mean over 60 by 0.065.
    """
    lanes = Lanes([built("ar-gated-src", seed) for seed in range(60)])
    keys, values = (x.expand(60, -1, -1) for x in drawn(1, N))
    share = lanes.write(lanes.init_state(), keys, values)["written"] / N
    assert float(share.min()) <= 0.1
    assert float(share.max()) >= 0.9
    assert float(share.mean()) == pytest.approx(0.5, abs=0.15)


@torch.no_grad()
def test_the_slots_hold_the_newest_events_that_were_let_in() -> None:
    """In the order of a ring over those alone; values are stored as they come."""
    memory = built("ar-gated-src", 1, capacity=4)
    keys, values = drawn(2, 40)
    let_in = (memory.gates(memory.init_state(), keys) > 0.5).nonzero()[:, 0]
    assert 8 < len(let_in) < 40
    state = written(memory, keys, values)
    for number, event in list(enumerate(let_in.tolist()))[-4:]:
        assert torch.equal(state["values"][number % 4], values[event])
        assert torch.equal(state["keys"][number % 4], keys[event])


def test_a_gate_that_lets_nothing_in_leaves_an_empty_memory() -> None:
    memory = built("ar-gated-src")
    with torch.no_grad():
        memory.gate[2].weight.zero_()
        memory.gate[2].bias.fill_(-1.0)
    keys, values = drawn(1, N)
    state = written(memory, keys, values)
    assert int(state["written"]) == 0
    assert not memory.valid(state).any()
    assert torch.equal(memory.read(state, keys), torch.zeros(N, DIM))
    assert state["context"].any()


@torch.no_grad()
def test_neighbours_are_random() -> None:
    """The nearest keys of a projected query hold its own key as often as 5 of 20 would by chance.

    Share over 40 initialisations of 20 queries each: 1/4 within 0.06, three deviations.
    """
    found = 0
    for seed in range(40):
        memory = built("ar-rag-src", seed, capacity=N)
        keys = drawn(seed, N)[0]
        cosines = torch.cosine_similarity((keys @ memory.query_in)[:, None], keys, dim=-1)
        found += int((cosines.topk(5).indices == torch.arange(N)[:, None]).sum())
    assert found / (40 * N) == pytest.approx(0.25, abs=0.06)


def test_only_the_values_of_the_nearest_keys_count() -> None:
    """Changing the value of an event that is not among a query's five leaves its read alone."""
    memory = built("ar-rag-src")
    keys, values = drawn(1, N)
    queries = keys[:1]
    with torch.no_grad():
        cosines = torch.cosine_similarity(queries @ memory.query_in, keys, dim=-1)
    order = cosines.argsort(descending=True)
    expected = recall(memory, keys, values, queries)
    far, near = values.clone(), values.clone()
    far[order[5]] += 10
    near[order[4]] += 10
    assert torch.equal(recall(memory, keys, far, queries), expected)
    assert float((recall(memory, keys, near, queries) - expected).abs().max()) > 0.01


def test_with_fewer_events_than_neighbours_all_are_attended_to() -> None:
    """Three events of five neighbours: the order of the events does not matter."""
    memory = built("ar-rag-src")
    keys, values = drawn(1, 3)
    expected = recall(memory, keys, values, keys)
    flipped = recall(memory, keys.flip(0), values.flip(0), keys)
    torch.testing.assert_close(flipped, expected, rtol=0, atol=1e-6)
    assert float(expected.abs().max()) > 0.01


def test_the_graph_answers_every_query_alike() -> None:
    """Edges are near one half and all convolved nodes coincide: cosines above 0.999."""
    recalled, _ = reads("ar-graph-src", 20)
    cosines = torch.cosine_similarity(recalled[:, :1], recalled, dim=-1)
    assert float(cosines.min()) > 0.999
    memory = built("ar-graph-src")
    nodes = memory.initial_nodes
    edges = torch.sigmoid(nodes @ memory.edge.detach() @ nodes.mT)
    assert float((edges - 0.5).abs().max()) < 0.1


def test_an_event_moves_one_node_by_at_most_the_rate() -> None:
    memory = built("ar-graph-src")
    keys, values = drawn(1, 1)
    start = memory.init_state()["nodes"]
    moved = (written(memory, keys, values)["nodes"] - start).abs()
    nearest = int(torch.cosine_similarity(keys, start, dim=-1).argmax())
    assert moved.amax(1).nonzero().tolist() == [[nearest]]
    assert 1e-4 < float(moved.max()) <= 0.01


def test_a_budget_buys_slots_of_what_is_stored() -> None:
    """Keys and values; beside the context for the gated one, and a node of width D."""
    assert ArRagSrc.from_budget(100, 6, 5) == {"capacity": 9}
    assert ArGraphSrc.from_budget(100, 6, 5) == {"capacity": 16}
    assert ArGatedSrc.from_budget(100, 6, 5) == {"capacity": 8}
    assert ArGatedSrc.from_budget(100, 6, 5, drift_dim=2, decay=0.5) == {"capacity": 8}
    assert ArGatedSrc.from_budget(100, 6, 5, drift_dim=1) == {"capacity": 9}


@pytest.mark.parametrize("name", ["ar-meta-src", "ar-rag-src", "ar-graph-src", "ar-gated-src"])
def test_widths_may_differ_and_heads_need_not_divide_them(name: str) -> None:
    memory = build(name, key_dim=7, value_dim=3)
    keys, values = events(1, 9, key_dim=7, value_dim=3)
    queries = torch.randn(4, 7, generator=generator(2))
    assert recall(memory, keys, values, queries).shape == (4, 3)
