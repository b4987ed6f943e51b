"""Retrieval of stored pairs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, state_floats
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.reference import ring_attention


def recall(memory: object, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


@pytest.mark.parametrize("top_k", [30, 100])
def test_with_every_event_retrieved_it_is_softmax_attention(top_k: int) -> None:
    """softmax(beta cos) over all 30 events, on fewer and on more slots than retrieved ones."""
    keys, values = events(1, 30)
    queries = events(2, 9)[0]
    memory = build("ar-rag", top_k=top_k, capacity=1000)
    expected = ring_attention.recall(keys, values, queries, capacity=30, beta=16.0)
    torch.testing.assert_close(recall(memory, keys, values, queries), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_with_every_event_retrieved_it_is_the_episodic_memory_without_its_cues() -> None:
    """top_k = N, recency off, no context and no time: the same softmax of cosines, to 1e-5."""
    keys, values = events(1, 30)
    queries = events(2, 9)[0]
    plain = build("episodic-linear", capacity=30, recency_weight=0.0)
    retrieved = recall(build("ar-rag", capacity=30, top_k=30), keys, values, queries)
    expected = recall(plain, keys, values, queries)
    torch.testing.assert_close(retrieved, expected, rtol=0, atol=1e-5)


def test_only_the_nearest_are_mixed() -> None:
    """Two neighbours at the same cosine share the weight; the third, just behind, has none."""
    keys = torch.tensor([[1.0, 0.2], [1.0, -0.2], [1.0, 0.21]])
    values = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    memory = build("ar-rag", key_dim=2, value_dim=3, top_k=2)
    recalled = recall(memory, keys, values, torch.tensor([[2.0, 0.0]]))
    torch.testing.assert_close(recalled, torch.tensor([[0.5, 0.5, 0.0]]), rtol=0, atol=1e-6)


def test_of_equally_near_events_the_newest_are_taken() -> None:
    """A zero query is equally near to everything."""
    keys, values = unit_rows(1, 9, 4), torch.arange(9.0)[:, None]
    memory = build("ar-rag", key_dim=4, value_dim=1, top_k=3, capacity=7)
    assert float(recall(memory, keys, values, torch.zeros(1, 4))) == pytest.approx(7.0, abs=1e-5)


def test_the_oldest_events_give_way() -> None:
    keys, values = orthonormal(1, 16, 16), unit_rows(2, 16, 3)
    memory = build("ar-rag", key_dim=16, value_dim=3, capacity=10, top_k=1)
    recalled = recall(memory, keys, values, keys)
    torch.testing.assert_close(recalled[6:], values[6:], rtol=0, atol=1e-6)
    assert ((recalled[:6] - values[:6]).norm(dim=-1) > 1e-3).all()


def test_each_slot_knows_the_number_of_its_event() -> None:
    memory = build("ar-rag", capacity=4)
    state = memory.write(memory.init_state(), *events(1, 6))
    assert state["index"].tolist() == [4, 5, 2, 3]
    assert state["index"].dtype == torch.int64
    assert state_floats(state) == 4 * (6 + 5 + 2)


def test_a_learned_projection_applies_to_keys_and_queries_alike() -> None:
    """Projecting away the coordinate in which query and key differ makes them meet."""
    memory = build("ar-rag", key_dim=2, value_dim=1, top_k=1, proj="learned")
    with torch.no_grad():
        memory.projection.copy_(torch.diag(torch.tensor([1.0, 0.0])))
    keys = torch.tensor([[1.0, 5.0], [-1.0, -4.0]])
    recalled = recall(memory, keys, torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, -5.0]]))
    assert recalled.tolist() == [[1.0]]


def test_fusion_adds_nothing_until_it_is_trained_and_then_learns() -> None:
    keys, values = events(3, 20, value_dim=8)
    plain = build("ar-rag", value_dim=8)
    fused = build("ar-rag", value_dim=8, fusion="residual-attn")
    recalled = recall(fused, keys, values, keys)
    torch.testing.assert_close(recalled, recall(plain, keys, values, keys), rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(recalled.square().sum(), fused.fusion.out)
    assert float(gradient.abs().max()) > 1e-3
    with torch.no_grad():
        fused.fusion.out.copy_(torch.eye(8))
    changed = recall(fused, keys, values, keys)
    assert float((changed - recalled).detach().abs().max()) > 1e-2


def test_fused_heads_attend_as_four_separate_softmaxes() -> None:
    """The attention output of one query, head by head, from the retrieved values."""
    memory = build("ar-rag", value_dim=8, top_k=3, fusion="residual-attn").double()
    keys, values = events(4, 12, value_dim=8, dtype=torch.float64)
    plain = recall(memory, keys, values, keys[:1])[0]
    fusion = memory.fusion
    with torch.no_grad():
        fusion.out.copy_(torch.eye(8))
    state = memory.write(memory.init_state(), keys, values)
    retrieved = values[memory.read_info(state, keys[:1])["idx"][0]]
    query = keys[0] / keys[0].norm() @ fusion.query_in
    heads = []
    for h in range(4):
        part = slice(2 * h, 2 * h + 2)
        logits = (retrieved @ fusion.key_in)[:, part] @ query[part] / 2**0.5
        heads.append(logits.softmax(0) @ (retrieved @ fusion.value_in)[:, part])
    expected = plain + torch.cat(heads)
    torch.testing.assert_close(memory.read(state, keys[:1])[0], expected, rtol=0, atol=1e-10)


def test_fusion_refuses_values_that_its_heads_do_not_divide() -> None:
    with pytest.raises(InvalidParameter, match=r"value_dim \(5\)") as caught:
        build("ar-rag", value_dim=5, fusion="residual-attn")
    assert caught.value.parameter == "fusion"
