"""Exact search against the flat indices of Faiss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.features import unit
from tests.memories.case import build, generator

N, DIM, QUERIES, K = 1000, 64, 100, 5


@pytest.fixture(scope="module")
def faiss() -> Any:
    return pytest.importorskip("faiss", reason="faiss-cpu is not installed")


def drawn() -> tuple[Tensor, Tensor]:
    """Keys and queries, all of different lengths, without ties."""
    rng = generator(1)
    keys, queries = torch.randn(N, DIM, generator=rng), torch.randn(QUERIES, DIM, generator=rng)
    return keys, queries


def neighbours(keys: Tensor, queries: Tensor, **params: Any) -> tuple[Tensor, Tensor]:
    """Similarities and event numbers of the nearest events, nearest first."""
    memory = build(
        "exact-knn", key_dim=DIM, value_dim=1, max_events=N, k=K, temperature=0.25, **params
    )
    values = torch.arange(N, dtype=torch.float32)[:, None]
    info = memory.read_info(memory.write(memory.init_state(), keys, values), queries)
    found = info["sim"].gather(-1, info["idx"])
    order = found.argsort(dim=-1, descending=True)
    numbers = values[:, 0].long()[info["idx"]]
    return found.gather(-1, order), numbers.gather(-1, order)


@pytest.mark.parametrize("key_norm", ["unit", "none"])
def test_the_nearest_by_inner_product_are_those_of_the_flat_index(
    faiss: Any, key_norm: str
) -> None:
    """The same events in the same order; float32 products of length 64, up to 30, to 1e-5."""
    keys, queries = drawn()
    similarities, numbers = neighbours(keys, queries, key_norm=key_norm)
    if key_norm == "unit":
        keys, queries = unit(keys), unit(queries)
    index = faiss.IndexFlatIP(DIM)
    index.add(keys.numpy())
    expected, ids = index.search(queries.numpy(), K)
    assert torch.equal(numbers, torch.from_numpy(ids))
    torch.testing.assert_close(similarities, torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


def test_the_nearest_by_distance_are_those_of_the_flat_index(faiss: Any) -> None:
    """Squared distances near 100 from products of three sums: 1e-5 relative."""
    keys, queries = drawn()
    similarities, numbers = neighbours(keys, queries, key_norm="none", similarity="sqeuclidean")
    index = faiss.IndexFlatL2(DIM)
    index.add(keys.numpy())
    expected, ids = index.search(queries.numpy(), K)
    assert torch.equal(numbers, torch.from_numpy(ids))
    torch.testing.assert_close(-similarities, torch.from_numpy(expected), rtol=1e-5, atol=1e-5)
