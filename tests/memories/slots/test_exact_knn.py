"""The exact nearest-neighbour memory: the newest of equals, overflow, temperature."""

from __future__ import annotations

import pytest
import torch

from tests.memories.case import build, events, unit_rows


@pytest.mark.parametrize("n_queries", [1, 2, 64])
@pytest.mark.parametrize("dim", [6, 16, 33, 100])
@pytest.mark.parametrize("similarity", ["dot", "sqeuclidean"])
def test_a_rewritten_key_returns_its_last_value(dim: int, n_queries: int, similarity: str) -> None:
    """341 copies among 1,023 events.

    A matrix-vector product gives copies at the end of a block other last bits than those before
    it, so an exact comparison would return an older value.
    """
    memory = build(
        "exact-knn",
        key_dim=dim,
        value_dim=1,
        max_events=1023,
        similarity=similarity,
        key_norm="none",
    )
    keys = 3 * unit_rows(1, 1023, dim)
    keys[::3] = keys[0]
    values = torch.arange(1023.0)[:, None]
    state = memory.write(memory.init_state(), keys, values)
    queries = keys[:1].expand(n_queries, dim)
    assert memory.read(state, queries).flatten().tolist() == [1020.0] * n_queries


def test_every_event_is_recalled_exactly() -> None:
    memory = build("exact-knn", key_dim=16)
    keys, values = events(1, 30, key_dim=16)
    state = memory.write(memory.init_state(), keys, values)
    assert torch.equal(memory.read(state, 5 * keys), values)
    assert int(memory.read_info(state, keys)["overflow"]) == 0


def test_capacity_follows_the_task_and_overflow_is_told() -> None:
    """40 events on 30 slots: 10 are gone, the last 30 are exact."""
    assert build("exact-knn", max_events=17).capacity == 17
    memory = build("exact-knn", key_dim=16, capacity=30)
    keys, values = events(1, 40, key_dim=16)
    state = memory.write(memory.init_state(), keys, values)
    assert torch.equal(memory.read(state, keys[10:]), values[10:])
    assert int(memory.read_info(state, keys)["overflow"]) == 10


def test_two_equidistant_neighbours_weigh_the_same() -> None:
    memory = build("exact-knn", key_dim=2, value_dim=1, k=2)
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    state = memory.write(memory.init_state(), keys, torch.tensor([[2.0], [4.0], [100.0]]))
    assert float(memory.read(state, torch.tensor([[1.0, 1.0]]))) == pytest.approx(3.0, abs=1e-6)


def test_temperature_weighs_neighbours_by_similarity() -> None:
    """Similarities 1 and 0 at temperature 0.5: weights 1 and e^-2 over their sum."""
    memory = build("exact-knn", key_dim=2, value_dim=1, k=2, temperature=0.5)
    state = memory.write(memory.init_state(), torch.eye(2), torch.tensor([[1.0], [0.0]]))
    expected = 1 / (1 + torch.tensor(-2.0).exp())
    assert float(memory.read(state, torch.eye(2)[:1])) == pytest.approx(float(expected), abs=1e-6)


def test_distance_and_inner_product_disagree_where_keys_are_not_normalised() -> None:
    """Query (1, 0): nearest is (0.9, 0), the largest product is with (5, 5)."""
    keys, values = torch.tensor([[0.9, 0.0], [5.0, 5.0]]), torch.tensor([[1.0], [2.0]])
    recalled = {}
    for similarity in ("dot", "sqeuclidean"):
        memory = build("exact-knn", key_dim=2, value_dim=1, similarity=similarity, key_norm="none")
        state = memory.write(memory.init_state(), keys, values)
        recalled[similarity] = float(memory.read(state, torch.tensor([[1.0, 0.0]])))
    assert recalled == {"dot": 2.0, "sqeuclidean": 1.0}


def test_more_neighbours_than_slots_means_all_of_them() -> None:
    keys, values = events(2, 5)
    few, many = (build("exact-knn", capacity=5, k=k) for k in (5, 50))
    state = few.write(few.init_state(), keys, values)
    assert torch.equal(few.read(state, keys), many.read(state, keys))


def test_it_has_no_size_to_fit_into_a_budget() -> None:
    with pytest.raises(NotImplementedError, match="cannot be sized"):
        build("exact-knn").from_budget(4096, 64, 64)
