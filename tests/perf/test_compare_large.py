"""Comparing a hundred thousand records: time on one core, and the most memory it takes.

The limits are 5 seconds and 1 GiB for 100,000 numbers, and 1 GiB whatever the shape of a run. Of
100,000 trials with three metrics each, half a million numbers, the time is reported alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment
from tests.perf.large_runs import Size, write_run

pytestmark = pytest.mark.perf

SIZES = {
    "20,000 trials of 5 metrics": Size(memories=40, tasks=50, seeds=10, metrics=5),
    "100,000 trials of 3 metrics": Size(memories=40, tasks=50, seeds=50, metrics=3),
    "200 trials with curves of 498 points": Size(10, 1, 20, metrics=2, points=498),
}
MOST_SECONDS = {"20,000 trials of 5 metrics": 5.0, "200 trials with curves of 498 points": 5.0}
MOST_MEMORY_MIB = 1024


def used(*words: object) -> tuple[float, float]:
    """Seconds on a core and MiB at most that a `memb` of its own takes."""
    started = subprocess.Popen(
        [sys.executable, "-m", "cli", *map(str, words)],
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format", ["rich", "json"])
def test_comparing_a_large_run(benchmark: Any, tmp_path: Path, size: str, format: str) -> None:
    run = write_run(tmp_path / "run", SIZES[size])
    seen: list[tuple[float, float]] = []

    def compare() -> None:
        seen.append(used("compare", run, "--format", format))

    benchmark.pedantic(compare, rounds=3)
    seconds, memory = min(s for s, _ in seen), max(m for _, m in seen)
    benchmark.extra_info["cpu_s"] = seconds
    benchmark.extra_info["peak_MiB"] = memory
    benchmark.extra_info["trials"] = SIZES[size].trials
    assert memory < MOST_MEMORY_MIB
    if format == "rich":
        assert seconds < MOST_SECONDS.get(size, float("inf"))
