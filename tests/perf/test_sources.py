"""Speed of the published sources against the loops over events that define them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.memories.case import Case, events
from tests.memories.cases.sources import CASES

pytestmark = pytest.mark.perf

DIM, ROUNDS = 64, 3
LOADS = {"episodic-linear-src": 24, "episodic-matrix-src": 24, "ar-graph-src": 24}
"""Events of the memories that are sequential; the others take 256."""


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
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_writing_and_reading_against_the_loop(benchmark: Any, case: Case) -> None:
    """D = V = 64; the sequential ones must at least not be slower than autograd and lists.

    Both sides write all events and read every key once.
    """
    n = LOADS.get(case.name, 256)
    memory = Case(case.name, {**case.params, "key_dim": DIM, "value_dim": DIM}).build()
    keys, values = events(1, n, key_dim=DIM, value_dim=DIM)
    loop = case.reference(memory)
    start = memory.init_state()
    state = memory.write(start, keys, values)
    ours, writing, reading, theirs = fastest(
        lambda: memory.read(memory.write(start, keys, values), keys),
        lambda: memory.write(start, keys, values),
        lambda: memory.read(state, keys),
        lambda: loop(keys, values, keys),
    )
    benchmark.extra_info["speedup"] = theirs / ours
    benchmark.extra_info["microseconds_per_write"] = 1e6 * writing / n
    benchmark.extra_info["microseconds_per_read"] = 1e6 * reading / n
    benchmark.pedantic(lambda: memory.write(start, keys, values), rounds=1)
    assert theirs > ours
