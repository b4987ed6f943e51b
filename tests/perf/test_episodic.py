"""Speed of the episodic memories against single events and against the loops that define them.

Both sides of a ratio run in turns inside one test, the fastest of several rounds of each counts,
and every ratio is stored in the benchmark's `extra_info`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.memories.case import build, unit_rows
from tests.memories.cases.episodic import linear, mixture, rowwise, tree

pytestmark = pytest.mark.perf

N, DIM, QUERIES, ROUNDS = 256, 64, 4, 3

MEMORIES: list[tuple[str, Callable[[Any], Any], dict[str, Any]]] = [
    ("episodic-linear", linear, {}),
    ("episodic-matrix", linear, {}),
    ("episodic-matrix", rowwise, {"address": "rowwise"}),
    ("hier-linear", tree, {}),
    ("hier-matrix", tree, {}),
    ("episodic-moe", mixture, {}),
]
by_memory = pytest.mark.parametrize(
    ("name", "reference", "params"),
    MEMORIES,
    ids=["-".join([name, *params.values()]) for name, _, params in MEMORIES],
)


@pytest.fixture
def events() -> tuple[Tensor, Tensor]:
    return unit_rows(1, N, DIM), unit_rows(2, N, DIM)


def made(name: str, params: dict[str, Any]) -> Any:
    return build(name, key_dim=DIM, value_dim=DIM, context_dim=0, capacity=N, **params)


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
@by_memory
def test_writing_at_once_beats_writing_event_by_event(
    benchmark: Any,
    events: tuple[Tensor, Tensor],
    name: str,
    reference: Callable[[Any], Any],
    params: dict[str, Any],
) -> None:
    """One lane, 256 events, D = V = 64: no memory of the family loops over events."""
    memory = made(name, params)

    def at_once() -> Any:
        return memory.write(memory.init_state(), *events)

    def one_by_one() -> Any:
        state = memory.init_state()
        for t in range(N):
            state = memory.write(state, *(x[t : t + 1] for x in events))
        return state

    whole, single = fastest(at_once, one_by_one)
    benchmark.extra_info["speedup_over_single_writes"] = single / whole
    benchmark.extra_info["microseconds_per_event"] = 1e6 * whole / N
    benchmark(at_once)
    assert single / whole >= 10


@torch.no_grad()
@by_memory
def test_reading_beats_the_loop_over_queries_and_events(
    benchmark: Any,
    events: tuple[Tensor, Tensor],
    name: str,
    reference: Callable[[Any], Any],
    params: dict[str, Any],
) -> None:
    """Writing 256 events and reading 4 queries, as the memory does it and as its equations do."""
    memory = made(name, params)
    loop = reference(memory)
    queries = events[0][:QUERIES]

    def vectorised() -> Tensor:
        return memory.read(memory.write(memory.init_state(), *events), queries)

    torch.testing.assert_close(vectorised(), loop(*events, queries), rtol=0, atol=1e-4)
    ours, theirs = fastest(vectorised, lambda: loop(*events, queries))
    benchmark.extra_info["speedup_over_the_loop"] = theirs / ours
    state = memory.write(memory.init_state(), *events)
    many = events[0].repeat(4, 1)
    (taken,) = fastest(lambda: memory.read(state, many))
    benchmark.extra_info["microseconds_per_query"] = 1e6 * taken / len(many)
    benchmark(lambda: memory.read(state, queries))
    assert theirs / ours >= 10
