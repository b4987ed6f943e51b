"""Speed of the AR family and of the sequence models against the loops that define them.

Ratios to the reference are stored in the benchmark's `extra_info`. Where a rule is sequential the
memory loops over events too: it must at least not lose to the plain loop over slots and edges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from tests.memories.case import build, unit_rows
from tests.reference import (
    ar_context_drift,
    ar_gated,
    ar_graph,
    ar_meta,
    xf_episodic,
    xf_multiscale,
)
from tests.reference.ar_fast_weights import recall as fast_weights

pytestmark = pytest.mark.perf

N, DIM, ROUNDS, LANES = 64, 32, 5, 20
AR = ["ar-meta", "ar-graph", "ar-gated", "ar-context-drift"]
SEQUENCE = ["xf-episodic", "xf-multiscale"]


def made(name: str, seed: int = 0) -> Any:
    return build(name, seed, key_dim=DIM, value_dim=DIM)


def references(name: str, memory: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    slow = dict(memory.named_parameters())
    if name == "ar-graph":
        return lambda k, v, q: ar_graph.recall(k, v, q, capacity=100)
    if name in SEQUENCE:
        options = {"slow": slow, "heads": 4}
        if name == "xf-episodic":
            inner = lambda k, v, q: fast_weights(k, v, q, rule="delta")  # noqa: E731
            return lambda k, v, q: xf_episodic.recall(k, v, q, inner=inner, **options)
        sizes = {"scales": memory.scales, "capacity": memory.capacity}
        return lambda k, v, q: xf_multiscale.recall(k, v, q, **sizes, **options)
    loop = {"ar-meta": ar_meta, "ar-gated": ar_gated, "ar-context-drift": ar_context_drift}[name]
    return lambda k, v, q: loop.recall(k, v, q, slow=slow)


def fastest(*sides: Callable[[], Any]) -> list[float]:
    """Seconds of each side's fastest round, the sides taking turns."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "bar"), [*((name, 1.5) for name in AR), *((name, 10) for name in SEQUENCE)]
)
def test_writing_and_reading_beat_the_loop(benchmark: Any, name: str, bar: float) -> None:
    """64 events, 64 queries, D = V = 32, one lane: at least `bar` times as fast."""
    memory = made(name)
    keys, values = unit_rows(1, N, DIM), unit_rows(2, N, DIM)
    loop = references(name, memory)

    def whole() -> Tensor:
        recalled: Tensor = memory.read(memory.write(memory.init_state(), keys, values), keys)
        return recalled

    torch.testing.assert_close(whole(), loop(keys, values, keys), rtol=0, atol=1e-4)
    ours, looped = fastest(whole, lambda: loop(keys, values, keys))
    benchmark.extra_info["speedup"] = looped / ours
    benchmark(whole)
    assert looped / ours >= bar


@torch.no_grad()
@pytest.mark.parametrize("name", [*AR, *SEQUENCE])
def test_writing_in_lanes(benchmark: Any, name: str) -> None:
    """20 seeds as lanes against one after another; reported with the time per event."""
    memories = [made(name, seed) for seed in range(LANES)]
    keys, values = unit_rows(3, LANES, N, DIM), unit_rows(4, LANES, N, DIM)
    stacked, alone = Lanes(memories), [Lanes([memory]) for memory in memories]

    def together() -> None:
        stacked.write(stacked.init_state(), keys, values)

    def one_by_one() -> None:
        for i, lanes in enumerate(alone):
            lanes.write(lanes.init_state(), keys[i : i + 1], values[i : i + 1])

    block, single = fastest(together, one_by_one)
    benchmark.extra_info["speedup"] = single / block
    benchmark.extra_info["microseconds_per_event_and_lane"] = 1e6 * block / (N * LANES)
    benchmark(together)
    assert single > block


@torch.no_grad()
@pytest.mark.parametrize("name", [*AR, *SEQUENCE])
@pytest.mark.parametrize("n_queries", [1, 256])
def test_reading(benchmark: Any, name: str, n_queries: int) -> None:
    """Many queries at once cost less than the same queries one by one."""
    memory = made(name)
    state = memory.write(memory.init_state(), unit_rows(1, N, DIM), unit_rows(2, N, DIM))
    queries = unit_rows(5, n_queries, DIM)
    together, apart = fastest(
        lambda: memory.read(state, queries),
        lambda: [memory.read(state, query[None]) for query in queries],
    )
    benchmark.extra_info["microseconds_per_query"] = 1e6 * together / n_queries
    benchmark(lambda: memory.read(state, queries))
    assert n_queries == 1 or together < apart / 4
