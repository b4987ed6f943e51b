"""Reads of full stores: against a loop over items, a sort of their scores, a loop over bits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.memories.case import build, unit_rows
from tests.perf.throughput import DIM, fastest

pytestmark = pytest.mark.perf

STORED, QUERIES = 1000, 256


def plain_retrieval(
    keys: list[Tensor], values: list[Tensor], queries: Tensor, top_k: int, beta: float
) -> Tensor:
    """Per query and item a cosine, then a sort and a softmax over the best."""
    lengths = [float(key.norm()) for key in keys]
    recalled = []
    for q in queries:
        length = float(q.norm())
        cosines = [
            float(q @ key) / (length * size) for key, size in zip(keys, lengths, strict=True)
        ]
        best = sorted(range(len(keys)), key=lambda i: (-cosines[i], -i))[:top_k]
        weights = (beta * torch.tensor([cosines[i] for i in best])).softmax(0)
        recalled.append(
            torch.stack([w * values[i] for w, i in zip(weights, best, strict=True)]).sum(0)
        )
    return torch.stack(recalled)


@torch.no_grad()
def test_retrieval_is_a_hundred_times_faster_than_a_loop_over_items(benchmark: Any) -> None:
    """256 queries over 1,000 stored items, both sides in one run."""
    memory = build("ar-rag", key_dim=DIM, value_dim=DIM, capacity=STORED)
    keys, values = unit_rows(1, STORED, DIM), unit_rows(2, STORED, DIM)
    queries = unit_rows(3, QUERIES, DIM)
    state = memory.write(memory.init_state(), keys, values)
    items = list(keys), list(values)

    def loop() -> Tensor:
        return plain_retrieval(*items, queries, memory.top_k, float(memory.beta))

    torch.testing.assert_close(memory.read(state, queries), loop(), rtol=0, atol=1e-5)
    (looped,) = fastest(loop, rounds=1)
    (read,) = fastest(lambda: memory.read(state, queries), rounds=20)
    benchmark.extra_info["speedup"] = looped / read
    benchmark.extra_info["microseconds_per_query"] = 1e6 * read / QUERIES
    benchmark(lambda: memory.read(state, queries))
    assert looped / read >= 100


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("exact-knn", {"capacity": STORED}),
        ("exact-knn", {"capacity": STORED, "k": 5}),
        ("ring-attention", {"capacity": STORED}),
        ("ar-rag", {"capacity": STORED}),
    ],
)
@pytest.mark.parametrize("n_queries", [1, QUERIES])
def test_reading_full_slots(
    benchmark: Any,
    name: str,
    params: dict[str, Any],
    n_queries: int,
) -> None:
    """Reads of a full store: many at once cost about as much as sorting their scores, or less."""
    memory = build(name, key_dim=DIM, value_dim=DIM, **params)
    keys, values = unit_rows(1, STORED, DIM), unit_rows(2, STORED, DIM)
    state = memory.write(memory.init_state(), keys, values)
    queries = keys[:n_queries]
    scores = torch.randn(n_queries, STORED, generator=torch.Generator().manual_seed(1))
    read, sort = fastest(
        lambda: memory.read(state, queries), lambda: scores.sort(descending=True, stable=True)
    )
    benchmark.extra_info["microseconds_per_query"] = 1e6 * read / n_queries
    benchmark.extra_info["ratio_to_a_stable_sort"] = read / sort
    benchmark(lambda: memory.read(state, queries))
    assert n_queries == 1 or read < 1.5 * sort


@torch.no_grad()
@pytest.mark.parametrize("degree", [3, "exp"])
def test_a_sweep_over_all_bits_beats_a_loop_over_them(benchmark: Any, degree: int | str) -> None:
    """Fields from overlaps alone against one [P, n] array per bit, 256 states of 128 bits."""
    memory = build(
        "dense-am", key_dim=128, value_dim=128, capacity=STORED, degree=degree, mode="auto"
    )
    patterns = unit_rows(1, STORED, 128).sign()
    state = memory.write(memory.init_state(), patterns, patterns)
    queries = unit_rows(2, QUERIES, 128).sign()

    def rise(others: Tensor) -> Tensor:
        return others.exp() if degree == "exp" else (others + 1) ** 3 - (others - 1) ** 3

    def bit_by_bit() -> Tensor:
        new = []
        for i in range(128):
            # overlaps with the other bits; of an exponential only ratios count
            others = queries @ patterns.mT - queries[:, i : i + 1] * patterns[:, i]
            others = others - others.amax(-1, keepdim=True) if degree == "exp" else others
            new.append((rise(others) @ patterns[:, i]).sign())
        return torch.stack(new, dim=-1)

    # a field within rounding of zero keeps its bit: a few of 32,768
    assert (memory.read(state, queries) == bit_by_bit()).float().mean() > 0.999
    sweep, looped = fastest(lambda: memory.read(state, queries), bit_by_bit)
    benchmark.extra_info["speedup"] = looped / sweep
    benchmark.extra_info["microseconds_per_query"] = 1e6 * sweep / QUERIES
    benchmark(lambda: memory.read(state, queries))
    assert looped / sweep >= 4
