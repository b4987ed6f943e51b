"""The whole capacity sweep, as a user would run it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

import bench
from bench import registry
from bench.reading import params
from memories.base import protocol_of

pytestmark = pytest.mark.perf

LOADS = [2**n for n in range(3, 13)]
SEEDS, WORKERS = 10, 2
BAR_S = 240.0

OWN_SIZE = ("dnd", "ar-graph", "ar-graph-src", "ar-gated-src", "ar-rag-src", "xf-multiscale")
"""Memories of slots that keep their default size: 1,024 slots in `dnd`, which looks for the nearest
of them event by event; edges between any two nodes; sizes that were published; slots per scale.
"""


def swept() -> list[dict[str, Any]]:
    """The memories: with room for all items where slots are all they cost."""
    listed: list[dict[str, Any]] = []
    for entry in registry.entries("memory"):
        if entry.plugin or protocol_of(entry.cls) != "associative":
            continue
        # the table is no competitor; without `hetero` a task of pairs cannot be asked
        if entry.cls.slow or entry.name == "oracle-table" or not entry.cls.hetero:
            continue
        own = {parameter.name for parameter in params.of(entry)}
        sized = "capacity" in own and entry.name not in OWN_SIZE
        listed.append({"name": entry.name, "params": {"capacity": LOADS[-1]} if sized else {}})
    return listed


@pytest.mark.timeout(1200)  # beyond the bar, so that a machine too slow is told how slow
def test_the_sweep_to_4096_items_in_all_memories(benchmark: Any, tmp_path: Path) -> None:
    """Independent keys, ten seeds, one episode each: less than four minutes with two workers."""
    suite = {
        "name": "sweep",
        "seeds": SEEDS,
        "memories": swept(),
        "tasks": [{"name": "capacity", "label": "iid", "params": {"loads": LOADS, "episodes": 1}}],
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(suite), encoding="utf-8")
    summary = benchmark.pedantic(
        lambda: bench.run(tmp_path / "sweep.yaml", output=tmp_path / "sweep", jobs=WORKERS),
        rounds=1,
        iterations=1,
    )
    taken = benchmark.stats.stats.max
    benchmark.extra_info["trials"] = summary.n_trials
    benchmark.extra_info["seconds"] = taken
    assert summary.statuses == {"ok": SEEDS * len(suite["memories"])}
    # on one core the two workers take turns
    assert (os.cpu_count() or 1) < WORKERS or taken < BAR_S
