"""Speed of the chunked and vectorised memories against the loops that define them.

Both sides of a ratio run in turns inside one test, the fastest of several rounds of each counts,
and every ratio is stored in the benchmark's `extra_info`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.memories.case import build, feature_reference, unit_rows
from tests.reference import gated_delta, hopfield, hrr, ridge_assoc, sdm

pytestmark = pytest.mark.perf

N, DIM, ROUNDS, N_LANES = 1024, 64, 7, 20


@pytest.fixture
def events() -> tuple[Tensor, Tensor]:
    return unit_rows(1, N, DIM), unit_rows(2, N, DIM)


def fastest(*sides: Callable[[], Any]) -> list[float]:
    """Seconds of each side's fastest round, the sides taking turns."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def delta_loop(keys: Tensor, values: Tensor) -> Tensor:
    """The bare recurrence on unit keys, with nothing around it."""
    weights = torch.zeros(DIM, DIM)
    for k, v in zip(keys, values, strict=True):
        weights = weights + torch.outer(k, v - k @ weights)
    return weights


def linear_loop(keys: Tensor, values: Tensor) -> Tensor:
    weights = torch.zeros(DIM, DIM)
    for k, v in zip(keys, values, strict=True):
        weights = weights + torch.outer(k, v)
    return weights


def event_by_event(memory: Any, keys: Tensor, values: Tensor) -> Tensor:
    """N writes of one event each through the memory itself."""
    state = memory.init_state()
    for t in range(len(keys)):
        state = memory.write(state, keys[t : t + 1], values[t : t + 1])
    return state["fast_weights"]


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "loop", "bar"), [("delta", delta_loop, 8), ("linear-assoc", linear_loop, 10)]
)
def test_writing_at_once_beats_writing_event_by_event(
    benchmark: Any,
    events: tuple[Tensor, Tensor],
    name: str,
    loop: Callable[[Tensor, Tensor], Tensor],
    bar: float,
) -> None:
    """One lane, 1,024 events, D = V = 64, chunk 64; the bare recurrence is reported beside it."""
    memory = build(name, key_dim=DIM, value_dim=DIM)

    def at_once() -> Tensor:
        return memory.write(memory.init_state(), *events)["fast_weights"]

    torch.testing.assert_close(at_once(), loop(*events), rtol=0, atol=1e-4)
    whole, single, bare = fastest(
        at_once, lambda: event_by_event(memory, *events), lambda: loop(*events)
    )
    benchmark.extra_info["speedup_over_single_writes"] = single / whole
    benchmark.extra_info["speedup_over_bare_recurrence"] = bare / whole
    benchmark(at_once)
    assert single / whole >= bar


REFERENCES: dict[str, tuple[dict[str, Any], Callable[[Any], Callable[..., Tensor]]]] = {
    "gated-delta": (
        {},
        lambda m: partial(gated_delta.recall, phi=feature_reference(m), decay=float(m.decay)),
    ),
    "ridge-assoc": (
        {},
        lambda m: partial(ridge_assoc.recall, phi=feature_reference(m), ridge=float(m.ridge)),
    ),
    "sdm": (
        {},
        lambda m: partial(
            sdm.recall, locations=m.locations, active=sdm.nearest(m.addresses, m.top_k)
        ),
    ),
    "hrr": (
        {},
        lambda m: partial(
            hrr.recall,
            frequencies=m.frequencies,
            spread=torch.complex(*m.spread.mT.chunk(2)),
            length_scale=float(m.length_scale),
        ),
    ),
    "hopfield": ({"steps": 2}, lambda m: partial(hopfield.recall, steps=m.steps)),
}
"""Memories whose speed is told against the loops that define them, written and read at once."""


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "bar"),
    [("gated-delta", 8), ("ridge-assoc", 8), ("sdm", 1.5), ("hrr", 5), ("hopfield", 8)],
)
def test_memories_beat_the_loops_that_define_them(
    benchmark: Any, events: tuple[Tensor, Tensor], name: str, bar: float
) -> None:
    """Writes of 1,024 events against single writes, and writes with 8 reads against the loop."""
    params, reference = REFERENCES[name]
    memory = build(name, key_dim=DIM, value_dim=DIM, **params)
    loop, (keys, values), queries = reference(memory), events, events[0][:8]

    def write() -> Any:
        return memory.write(memory.init_state(), keys, values)

    def single_writes() -> Any:
        state = memory.init_state()
        for k, v in zip(keys.split(1), values.split(1), strict=True):
            state = memory.write(state, k, v)
        return state

    at_once, one_by_one = write(), single_writes()
    for entry in at_once:
        torch.testing.assert_close(at_once[entry], one_by_one[entry], rtol=1e-4, atol=1e-4)
    whole, single = fastest(write, single_writes)
    recalled, looped = fastest(
        lambda: memory.read(write(), queries), lambda: loop(keys, values, queries)
    )
    benchmark.extra_info["speedup_over_single_writes"] = single / whole
    benchmark.extra_info["speedup_over_the_defining_loop"] = looped / recalled
    benchmark.extra_info["events_per_second"] = N / whole
    benchmark(write)
    assert single / whole >= bar
    assert looped / recalled >= bar


@torch.no_grad()
@pytest.mark.parametrize("name", REFERENCES)
def test_reading_many_queries_costs_less_than_reading_each(
    benchmark: Any, events: tuple[Tensor, Tensor], name: str
) -> None:
    memory = build(name, key_dim=DIM, value_dim=DIM, **REFERENCES[name][0])
    state, queries = memory.write(memory.init_state(), *events), events[0][:256]
    together, each = fastest(
        lambda: memory.read(state, queries),
        lambda: [memory.read(state, query) for query in queries.split(1)],
    )
    benchmark.extra_info["microseconds_per_query"] = 1e6 * together / 256
    benchmark.extra_info["speedup_over_single_reads"] = each / together
    benchmark(lambda: memory.read(state, queries))
    assert each / together >= 2


@torch.no_grad()
@pytest.mark.parametrize("name", ["delta", "gated-delta", "linear-assoc", "ring-attention"])
def test_a_scan_beats_writing_and_reading_in_turn(
    benchmark: Any, events: tuple[Tensor, Tensor], name: str
) -> None:
    sized = {"capacity": N} if name == "ring-attention" else {}
    memory = build(name, key_dim=DIM, value_dim=DIM, **sized)
    keys, values = events
    start = memory.init_state()

    def in_turn() -> Tensor:
        reads, _ = super(type(memory), memory).scan(start, keys, values, keys)
        return reads

    def scan() -> Tensor:
        return memory.scan(start, keys, values, keys)[0]

    torch.testing.assert_close(scan(), in_turn(), rtol=0, atol=1e-4)
    chunked, looped = fastest(scan, in_turn)
    benchmark.extra_info["speedup"] = looped / chunked
    benchmark(scan)
    assert looped / chunked >= 8


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("exact-knn", {"capacity": N}),
        ("exact-knn", {"capacity": N, "k": 5}),
        ("ring-attention", {"capacity": N}),
        ("ar-rag", {"capacity": N}),
    ],
)
@pytest.mark.parametrize("n_queries", [1, 256])
def test_reading_full_slots(
    benchmark: Any,
    events: tuple[Tensor, Tensor],
    name: str,
    params: dict[str, Any],
    n_queries: int,
) -> None:
    """Reads of a full store: many at once cost less than a stable sort of their scores alone."""
    memory = build(name, key_dim=DIM, value_dim=DIM, **params)
    state = memory.write(memory.init_state(), *events)
    queries = events[0][:n_queries]
    scores = torch.randn(n_queries, N, generator=torch.Generator().manual_seed(1))
    read, sort = fastest(
        lambda: memory.read(state, queries), lambda: scores.sort(descending=True, stable=True)
    )
    benchmark.extra_info["microseconds_per_query"] = 1e6 * read / n_queries
    benchmark.extra_info["ratio_to_a_stable_sort"] = read / sort
    benchmark(lambda: memory.read(state, queries))
    assert n_queries == 1 or read < sort
