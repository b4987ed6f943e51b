"""What stacking seeds as lanes saves: in one memory, and in a whole cell of a task."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from tests.memories.case import build, unit_rows
from tests.perf.cases import CASES
from tests.perf.throughput import DIM, Throughput, fastest
from tests.tasks.cells import cell, run

pytestmark = pytest.mark.perf

LANES, EVENTS = 20, 64
SEQUENTIAL = ("ar-meta", "ar-graph", "ar-gated", "ar-context-drift", "xf-episodic", "xf-multiscale")
"""Memories that write event by event, or with a step of a network an event."""


@torch.no_grad()
def test_twenty_lanes_of_per_event_delta_against_twenty_runs(benchmark: Any) -> None:
    """At least 5 times faster than one lane after another. Reported: the ratios to 20 memories
    called directly, without lanes, and to 20 bare recurrences, which pay for nothing at all.
    """
    memories = [build("delta", seed, key_dim=DIM, value_dim=DIM) for seed in range(LANES)]
    keys, values = unit_rows(3, LANES, EVENTS, DIM), unit_rows(4, LANES, EVENTS, DIM)

    def event_by_event(lanes: Lanes, keys: Tensor, values: Tensor) -> Tensor:
        state = lanes.init_state()
        for t in range(EVENTS):
            state = lanes.write(state, keys[:, t : t + 1], values[:, t : t + 1])
        return state["fast_weights"]

    def plain(keys: Tensor, values: Tensor) -> Tensor:
        weights = torch.zeros(DIM, DIM)
        for k, v in zip(keys, values, strict=True):
            weights = weights + torch.outer(k, v - k @ weights)
        return weights

    stacked, singles = Lanes(memories), [Lanes([memory]) for memory in memories]

    def together() -> Tensor:
        return event_by_event(stacked, keys, values)

    def one_by_one() -> Tensor:
        runs = [
            event_by_event(s, keys[i : i + 1], values[i : i + 1]) for i, s in enumerate(singles)
        ]
        return torch.cat(runs)

    def directly() -> Tensor:
        weights = []
        for memory, own_keys, own_values in zip(memories, keys, values, strict=True):
            state = memory.init_state()
            for t in range(EVENTS):
                state = memory.write(state, own_keys[t : t + 1], own_values[t : t + 1])
            weights.append(state["fast_weights"])
        return torch.stack(weights)

    def bare_recurrences() -> Tensor:
        return torch.stack([plain(k, v) for k, v in zip(keys, values, strict=True)])

    torch.testing.assert_close(together(), one_by_one(), rtol=0, atol=1e-4)
    torch.testing.assert_close(together(), bare_recurrences(), rtol=0, atol=1e-4)
    lanes, separate, direct, bare = fastest(
        together, one_by_one, directly, bare_recurrences, rounds=7
    )
    benchmark.extra_info["speedup_over_single_lanes"] = separate / lanes
    benchmark.extra_info["speedup_over_direct_calls"] = direct / lanes
    benchmark.extra_info["speedup_over_bare_recurrences"] = bare / lanes
    benchmark(together)
    assert separate / lanes >= 5


@pytest.mark.parametrize("memory", ["delta", "linear-assoc", "ring-attention"])
def test_a_capacity_cell_of_twenty_seeds_against_twenty_cells(benchmark: Any, memory: str) -> None:
    """Reported; the block must at least not be slower than its seeds one after another."""
    made = cell(memory, "capacity", {"dim": 32, "loads": [8, 16, 32, 64], "episodes": 1})
    block, alone = fastest(
        lambda: run(made, range(LANES)), lambda: [run(made, [seed]) for seed in range(LANES)]
    )
    benchmark.extra_info["speedup"] = alone / block
    benchmark(lambda: run(made, range(LANES)))
    assert alone > block


@torch.no_grad()
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in SEQUENTIAL], ids=lambda case: case.id
)
def test_writing_sequential_memories_in_lanes(benchmark: Any, case: Throughput) -> None:
    """20 seeds as lanes against one after another; reported with the time per event."""
    memories = [case.build(seed) for seed in range(LANES)]
    keys, values = unit_rows(3, LANES, EVENTS, DIM), unit_rows(4, LANES, EVENTS, DIM)
    stacked, alone = Lanes(memories), [Lanes([memory]) for memory in memories]

    def together() -> None:
        stacked.write(stacked.init_state(), keys, values)

    def one_by_one() -> None:
        for i, lanes in enumerate(alone):
            lanes.write(lanes.init_state(), keys[i : i + 1], values[i : i + 1])

    block, single = fastest(together, one_by_one, rounds=3)
    benchmark.extra_info["speedup"] = single / block
    benchmark.extra_info["microseconds_per_event_and_lane"] = 1e6 * block / (EVENTS * LANES)
    benchmark.pedantic(together, rounds=3)
    assert single > block
