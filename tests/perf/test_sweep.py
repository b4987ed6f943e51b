"""The whole capacity sweep, as a user would run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bench

pytestmark = pytest.mark.perf

LOADS = "[8,16,32,64,128,256,512,1024,2048,4096]"


def test_the_sweep_to_4096_items_in_all_memories(benchmark: Any, tmp_path: Path) -> None:
    """Ten seeds, one episode each, two workers; four minutes are the bar on two cores."""

    def sweep() -> Any:
        return bench.run(
            "capacity",
            output=tmp_path / "sweep",
            only=["*:iid"],
            overrides=[f"tasks.iid.loads={LOADS}", "tasks.iid.episodes=1"],
            jobs=2,
        )

    summary = benchmark.pedantic(sweep, rounds=1, iterations=1)
    benchmark.extra_info["trials"] = summary.n_trials
    assert summary.statuses == {"ok": summary.n_trials}
