"""Episodes recalled by content, context, time and recency."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from memories.base import InvalidParameter, state_floats
from tests.memories.case import build, events, generator, orthonormal, unit_rows


@pytest.fixture(autouse=True, scope="module")
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def linear(**params: Any) -> Any:
    return build("episodic-linear", **{"context_dim": 0, **params})


def stored(memory: Any, *parts: Tensor | None) -> Any:
    return memory.write(memory.init_state(), *parts)


def test_orthonormal_keys_are_recalled_exactly_up_to_the_capacity() -> None:
    """At beta 1,000 the other events' weights are e^-1000; of 24 events in 20 slots 4 are gone.

    Lost keys are orthogonal to all that is left, so that all of them recall the same
    recency-weighted mean, to 1e-3: beta times the rounding of a cosine.
    """
    keys, values = orthonormal(1, 24, 32), unit_rows(2, 24, 32)
    memory = linear(key_dim=32, value_dim=32, capacity=20, beta=1000.0)
    recalled = memory.read(stored(memory, keys[:20], values[:20]), keys[:20])
    torch.testing.assert_close(recalled, values[:20], rtol=0, atol=1e-5)
    recalled = memory.read(stored(memory, keys, values), keys)
    torch.testing.assert_close(recalled[4:], values[4:], rtol=0, atol=1e-5)
    torch.testing.assert_close(recalled[:4], recalled[:1].expand(4, -1), rtol=0, atol=1e-3)
    best = cosine_similarity(recalled[:4, None], values[None], dim=-1).argmax(-1)
    assert (best >= 4).all()


def test_a_key_outweighs_99_others_at_the_default_temperature() -> None:
    """Own weight e^b / (e^b + 99 e^(b^2 / 2D)) = 0.9994 at b = 16, D = 32, for random unit keys.

    On the sphere E[e^(b cos)] is below that of a Gaussian, and 100 keys scatter by 1e-4.
    """
    keys = unit_rows(3, 100, 32)
    memory = linear(key_dim=32, value_dim=1, recency_weight=0.0)
    info = memory.read_info(stored(memory, keys, torch.zeros(100, 1)), keys)
    own = info["weights"].detach().diagonal().mean()
    expected = 1 / (1 + 99 * math.exp(16**2 / 64 - 16))
    assert float(own) == pytest.approx(expected, abs=4e-4)


def test_events_with_one_key_are_told_apart_by_context_or_time_alone() -> None:
    """Without a cue (v1 + v2) / 2, cosine 1/sqrt(2); with it the other weighs e^-8 as much."""
    key, values, contexts = unit_rows(1, 1, 8), torch.eye(5)[:2], torch.eye(4)[:2]
    memory = linear(key_dim=8, context_dim=4, recency_weight=0.0)
    state = stored(memory, key.expand(2, -1), values, torch.tensor([3.0, 90.0]), contexts)
    plain = memory.read(state, key)
    torch.testing.assert_close(plain, values.mean(0, keepdim=True), rtol=0, atol=1e-6)
    assert float(cosine_similarity(plain, values[:1])) == pytest.approx(1 / math.sqrt(2), abs=1e-6)
    other = 1 / (1 + math.exp(8))
    for which, time in ((0, 3.0), (1, 90.0)):
        expected = (1 - other) * values[which] + other * values[1 - which]
        by_context = memory.read(state, key, None, contexts[which : which + 1])
        by_time = memory.read(state, key, torch.tensor([time]))
        for recalled in (by_context, by_time):
            torch.testing.assert_close(recalled[0], expected, rtol=0, atol=1e-6)
            assert float(cosine_similarity(recalled[0], values[which], dim=0)) >= 0.999


def test_a_zero_query_leaves_the_cues_alone_to_decide() -> None:
    """8 against 8/e at most: five others weigh at most e^(-5) each, their values differ by 2."""
    keys, values, contexts = unit_rows(1, 6, 8), unit_rows(2, 6, 5), orthonormal(3, 6, 6)
    memory = linear(key_dim=8, context_dim=6, recency_weight=0.0)
    state = stored(memory, keys, values, None, contexts)
    nothing = torch.zeros(6, 8)
    for recalled in (
        memory.read(state, nothing, torch.arange(6.0)),
        memory.read(state, nothing, None, 3 * contexts),
    ):
        torch.testing.assert_close(recalled, values, rtol=0, atol=2 * 5 * math.exp(-5))
    torch.testing.assert_close(
        memory.read(state, nothing), values.mean(0).expand(6, -1), rtol=0, atol=1e-6
    )


def test_of_two_equal_events_the_younger_weighs_more_by_the_recency_term() -> None:
    """Ages count from 1: log of the ratio is w_r (e^(-lambda) - e^(-2 lambda))."""
    memory = linear(recency_weight=2.0, recency_rate=0.5)
    keys = torch.ones(2, 6)
    weights = memory.read_info(stored(memory, keys, torch.zeros(2, 5)), keys[:1])["weights"][0, :2]
    expected = 2.0 * (math.exp(-0.5) - math.exp(-1.0))
    assert float(weights[1].log() - weights[0].log()) == pytest.approx(expected, abs=1e-5)


def test_times_serve_the_time_cue_and_nothing_else() -> None:
    """Recency counts events: shuffled or far-off times change no read without a time."""
    memory = linear()
    keys, values = events(1, 12)
    by_number = stored(memory, keys, values)
    by_time = stored(memory, keys, values, 1e6 * torch.randn(12, generator=generator(1)))
    assert torch.equal(memory.read(by_number, keys), memory.read(by_time, keys))
    assert by_number["times"][:12].tolist() == list(range(12))


def test_an_event_without_a_context_is_neither_helped_nor_hindered_by_one() -> None:
    """Written without context first, then with: only the second event's score changes, by 8 cos."""
    memory = linear(context_dim=3)
    keys, values = events(1, 2)
    state = memory.write(stored(memory, keys[:1], values[:1]), keys[1:], values[1:], None,
                         torch.tensor([[0.0, 2.0, 0.0]]))  # fmt: skip
    assert state["has_context"][:3].tolist() == [False, True, False]
    queries, cue = events(2, 1)[0], torch.tensor([[0.0, 3.0, 4.0]])
    plain, cued = (memory.read_info(state, queries, None, c)["weights"][0, :2] for c in (None, cue))
    gained = (cued[1] / cued[0]).log() - (plain[1] / plain[0]).log()
    assert float(gained) == pytest.approx(16 * 0.5 * 0.6, abs=1e-4)


@pytest.mark.parametrize("context_dim", [0, 3])
def test_contexts_of_another_width_are_refused(context_dim: int) -> None:
    memory = linear(context_dim=context_dim)
    keys, values = events(1, 2)
    with pytest.raises(InvalidParameter, match=f"is {context_dim}, but contexts of width 4"):
        memory.write(memory.init_state(), keys, values, None, torch.zeros(2, 4))
    with pytest.raises(InvalidParameter, match="width 4"):
        memory.read(memory.init_state(), keys, None, torch.zeros(2, 4))


def test_without_context_time_and_recency_it_is_softmax_attention() -> None:
    keys, values = events(1, 30)
    queries = events(2, 9)[0]
    plain = linear(capacity=20, recency_weight=0.0)
    attention = build("ring-attention", capacity=20, beta=16.0)
    torch.testing.assert_close(
        plain.read(stored(plain, keys, values), queries),
        attention.read(stored(attention, keys, values), queries),
        rtol=0,
        atol=1e-6,
    )


@settings(max_examples=20, deadline=None, derandomize=True)
@given(order=st.permutations(range(14)))
def test_without_recency_the_order_of_events_does_not_matter(order: list[int]) -> None:
    """Times and contexts move with their events; sums in another order differ by rounding."""
    memory = linear(context_dim=3, capacity=14, recency_weight=0.0).double()
    keys, values = events(1, 14, dtype=torch.float64)
    contexts, times = events(2, 14, key_dim=3, dtype=torch.float64)[0], torch.arange(14.0).double()
    cues = times[:5] + 0.3, contexts[:5] + 0.1
    expected = memory.read(stored(memory, keys, values, times, contexts), keys[:5], *cues)
    shuffled = (x[order] for x in (keys, values, times, contexts))
    recalled = memory.read(stored(memory, *shuffled), keys[:5], *cues)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-12)


@torch.enable_grad()
def test_the_best_slot_alone_has_the_gradient_of_the_softmax() -> None:
    soft, hard = linear(), linear(query_policy="top1")
    keys, values = events(1, 9)
    queries = (keys + 0.5)[:4].requires_grad_()
    direction = torch.randn(4, 5, generator=generator(1))
    gradients = []
    for memory in (soft, hard):
        recalled = memory.read(stored(memory, keys, values), queries)
        gradients.append(torch.autograd.grad((recalled * direction).sum(), queries)[0])
    assert float(gradients[0].abs().max()) > 1e-3
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-6)
    chosen = hard.read_info(stored(hard, keys, values), queries)["weights"]
    assert set(chosen.unique().tolist()) == {0.0, 1.0}


def test_of_equally_good_slots_the_newest_is_taken() -> None:
    """A zero query without recency scores all slots alike; 9 events in 7 slots wrap around."""
    memory = linear(value_dim=1, capacity=7, query_policy="top1", recency_weight=0.0)
    state = stored(memory, unit_rows(1, 9, 6), torch.arange(9.0)[:, None])
    assert memory.read(state, torch.zeros(1, 6)).tolist() == [[8.0]]


def test_reading_again_with_the_answer_cleans_up_a_noisy_query() -> None:
    """Auto-association of 40 unit keys from queries at cosine 0.45: each read comes nearer.

    Measured at beta 8: 0.86, 0.92, 0.94.
    """
    keys = unit_rows(1, 40, 64)
    queries = keys + 2 * unit_rows(2, 40, 64)
    nearness = []
    for depth in (1, 2, 3):
        memory = linear(key_dim=64, value_dim=64, beta=8.0, depth=depth)
        recalled = memory.read(stored(memory, keys, keys), queries)
        nearness.append(float(cosine_similarity(recalled, keys).mean()))
    assert nearness[0] + 0.04 < nearness[1]
    assert nearness[1] + 0.01 < nearness[2]


def test_each_deeper_read_is_a_read_of_the_query_and_the_answer() -> None:
    memory, deep = (linear(key_dim=5, depth=depth) for depth in (1, 3))
    keys, values = events(1, 8, key_dim=5)
    queries = events(2, 4, key_dim=5)[0]
    state = stored(memory, keys, values)
    expected = memory.read(state, queries)
    for _ in range(2):
        probe = queries + expected
        expected = memory.read(state, probe / probe.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(deep.read(state, queries), expected, rtol=0, atol=1e-5)
    info = deep.read_info(state, queries)
    torch.testing.assert_close(info["values"], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(info["weights"] @ state["values"], expected, rtol=0, atol=1e-5)


def test_deeper_reads_need_values_that_can_be_added_to_queries() -> None:
    with pytest.raises(InvalidParameter, match=r"depth: must be 1 where value_dim \(5\)"):
        linear(depth=2)


def test_a_projection_applies_to_keys_and_queries_alike() -> None:
    """Projecting away the coordinate in which query and key differ makes them meet."""
    memory = linear(key_dim=2, value_dim=1, project_keys=True, beta=50.0)
    with torch.no_grad():
        memory.projection.copy_(torch.diag(torch.tensor([1.0, 0.0])))
    keys = torch.tensor([[1.0, 5.0], [-1.0, -4.0]])
    state = stored(memory, keys, torch.tensor([[1.0], [2.0]]))
    recalled = memory.read(state, torch.tensor([[1.0, -5.0]]))
    assert float(recalled) == pytest.approx(1.0, abs=1e-6)


def test_evidence_explains_the_value() -> None:
    memory = linear(capacity=7)
    keys, values = events(1, 10)
    state = stored(memory, keys, values)
    info = memory.read_info(state, keys)
    torch.testing.assert_close(info["weights"] @ state["values"], info["values"], rtol=0, atol=1e-6)
    assert torch.equal(info["values"], memory.read(state, keys))
    torch.testing.assert_close(info["weights"].sum(-1), torch.ones(10), rtol=0, atol=1e-6)
    assert info["age"].tolist() == [2, 1, 0, 6, 5, 4, 3]
    assert state["index"].tolist() == [7, 8, 9, 3, 4, 5, 6]
    own = info["sim"].gather(1, (torch.arange(10) % 7)[:, None])[3:, 0]
    torch.testing.assert_close(own, torch.ones(7), rtol=0, atol=1e-6)


def test_many_queries_keep_their_cues() -> None:
    """2,500 queries are three blocks; each with the time and context of its own."""
    memory = linear(context_dim=3).double()
    keys, values = events(1, 20, dtype=torch.float64)
    contexts = events(2, 2500, key_dim=3, dtype=torch.float64)[0]
    state = stored(memory, keys, values, None, contexts[:20])
    queries = events(3, 2500, dtype=torch.float64)[0]
    times = torch.linspace(0, 20, 2500, dtype=torch.float64)
    recalled = memory.read(state, queries, times, contexts)
    for q in (0, 1023, 1024, 2047, 2048, 2499):
        part = slice(q, q + 1)
        alone = memory.read(state, queries[part], times[part], contexts[part])
        torch.testing.assert_close(recalled[part], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("context_dim", "words"), [(0, 6 + 5 + 1 + 2), (3, 6 + 5 + 1 + 2 + 3.25)])
def test_a_slot_costs_its_entries_and_a_budget_counts_contexts(
    context_dim: int, words: float
) -> None:
    """Key, value, time, an event number of two words; a context and its flag of one byte."""
    memory = linear(context_dim=context_dim, capacity=16)
    assert state_floats(memory.init_state()) == 16 * words
    sized = type(memory).from_budget(1000, 6, 5, context_dim=context_dim)
    assert sized == {"capacity": int(1000 // words)}
