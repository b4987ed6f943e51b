"""Milliseconds of one online step, where they go, and how far that is from the machine's floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.perf.online_step import Machine, Stepping
from tests.perf.throughput import fastest

pytestmark = pytest.mark.perf

CASES = [
    Stepping("ogd", "patchtst"),
    Stepping("proceed", "patchtst"),
    Stepping("hmem", "patchtst", params={"size": "full"}, steps=32),
    Stepping("hmem", "patchtst", params={"size": "small"}, steps=64),
    Stepping("ogd", "dlinear", lookback=96, steps=200),
    Stepping("proceed", "dlinear", lookback=96, steps=200),
    Stepping("hmem", "dlinear", lookback=96, params={"size": "full"}, steps=64),
    Stepping("hmem", "dlinear", lookback=96, params={"size": "small"}, steps=64),
]
LANES = 5
SIDE_BY_SIDE = [
    Stepping("ogd", "patchtst", steps=10),
    Stepping("ogd", "dlinear", lookback=96),
    Stepping("er", "dlinear", lookback=96),
    Stepping("hmem", "dlinear", lookback=96, params={"size": "full"}, steps=4),
    Stepping("hmem", "dlinear", lookback=96, params={"size": "small"}, steps=10),
]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_where_an_online_step_goes(benchmark: Any, case: Stepping, tmp_path: Path) -> None:
    """One lane through the task's own loop. The harness takes under 3 % of a step of milliseconds
    where nothing else runs; twice that is the bar, so that it notices work that came back, not a
    busy machine. Where a step takes a fraction of a millisecond its share is reported.
    """
    driven = case.lanes(1, tmp_path)
    work, machine = driven.work(), Machine.measured()
    parts = driven.parts()
    share = parts.harness / parts.whole
    milliseconds = {
        "step_ms": parts.whole,
        "forecast_ms": parts.forecast,
        "gradient_ms": parts.gradient,
        "optimiser_ms": parts.optimiser,
        "harness_ms": parts.harness,
        "floor_ms": machine.floor(work["observe"]) + machine.floor(work["predict"]),
        "calls_ms": machine.calls(work["observe"]) + machine.calls(work["predict"]),
    }
    benchmark.extra_info.update({name: 1e3 * value for name, value in milliseconds.items()})
    both = [work["observe"], work["predict"]]
    benchmark.extra_info["harness_percent"] = 100 * share
    benchmark.extra_info["operations"] = sum(part.operations for part in both)
    benchmark.extra_info["megaflops"] = sum(part.flops for part in both) / 1e6
    benchmark.extra_info["megabytes"] = sum(part.bytes for part in both) / 1e6
    benchmark.pedantic(driven.drive, rounds=3)
    assert share < 0.06 or parts.whole < 3e-3


@pytest.mark.parametrize("case", SIDE_BY_SIDE, ids=lambda case: case.id)
def test_five_lanes_in_one_call_against_one_after_another(
    benchmark: Any, case: Stepping, tmp_path: Path
) -> None:
    """Reported: above 1, seeds are better lanes than processes taking turns on one core."""
    together, alone = case.lanes(LANES, tmp_path), case.lanes(1, tmp_path)
    block, single = fastest(together.drive, alone.drive, rounds=7)
    benchmark.extra_info["speedup_of_lanes"] = LANES * single / block
    benchmark.extra_info["lane_ms"] = 1e3 * single / case.steps
    benchmark.extra_info["block_ms"] = 1e3 * block / case.steps
    benchmark.pedantic(together.drive, rounds=3)


def test_what_this_machine_reaches(benchmark: Any) -> None:
    """The figures that floors are made of."""
    machine = benchmark.pedantic(Machine.measured, rounds=1)
    benchmark.extra_info["gigaflops"] = machine.flops / 1e9
    benchmark.extra_info["gigabytes_per_second"] = machine.bandwidth / 1e9
    benchmark.extra_info["microseconds_per_call"] = 1e6 * machine.call
