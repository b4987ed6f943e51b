"""Speed of networks, dictionaries and retrieval against the loops that define them.

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

from tests.memories.case import Case, build, unit_rows
from tests.memories.cases.networks import CASES as NETWORKS
from tests.memories.cases.slots import CASES as SLOTS

pytestmark = pytest.mark.perf

N, QUERIES, DIM, ROUNDS = 256, 256, 64, 3
STORED = 1000


def fastest(*sides: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Seconds of each side's fastest round, the sides taking turns."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def case(cases: list[Case], name: str, params: dict[str, Any]) -> Case:
    """A case of these parameters with the loop that others of its name have."""
    reference = next(known.reference for known in cases if known.name == name)
    return Case(name, params, reference)


@pytest.mark.parametrize(
    ("chosen", "bar"),
    [
        (case(NETWORKS, "titans", {}), 3),
        (case(NETWORKS, "titans", {"chunk": 16}), 12),
        (case(NETWORKS, "ttt-linear", {}), 20),
        (case(NETWORKS, "lstm-writer", {}), 2),
        (case(NETWORKS, "gru-writer", {}), 2),
        (case(SLOTS, "dnd", {"capacity": 128}), 15),
    ],
    ids=lambda given: given.id if isinstance(given, Case) else "",
)
def test_writing_and_reading_beat_the_loop_over_events(
    benchmark: Any, chosen: Case, bar: float
) -> None:
    """256 events and 256 queries, D = V = 64, one lane, against autograd or a list of slots."""
    memory = build(chosen.name, key_dim=DIM, value_dim=DIM, **chosen.params)
    keys, values = unit_rows(1, N, DIM), unit_rows(2, N, DIM)
    loop = chosen.reference(memory)

    @torch.no_grad()
    def write() -> Any:
        return memory.write(memory.init_state(), keys, values)

    state = write()

    @torch.no_grad()
    def both() -> Tensor:
        return memory.read(write(), keys)

    torch.testing.assert_close(both(), loop(keys, values, keys).detach(), rtol=0, atol=1e-4)
    whole, written, looped = fastest(both, write, lambda: loop(keys, values, keys))
    with torch.no_grad():
        (read,) = fastest(lambda: memory.read(state, keys))
    benchmark.extra_info["speedup"] = looped / whole
    benchmark.extra_info["microseconds_per_event"] = 1e6 * written / N
    benchmark.extra_info["microseconds_per_query"] = 1e6 * read / QUERIES
    benchmark(both)
    assert looped / whole >= bar


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
    assert looped / sweep >= 10


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
