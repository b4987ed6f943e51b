"""What the harness itself costs: everything around a task that does next to nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge

from bench import plan, registry, runner, suite
from bench.running import costs
from tasks.base import Metric, Outcome, Task, Workbench

pytestmark = pytest.mark.perf

CELLS, SEEDS = 50, 10
SUITE = f"""
name: overhead
seeds: {SEEDS}
memories: [zero]
tasks:
  - {{name: nothing-much, params: {{point: {list(range(CELLS))}}}}}
"""


class NothingMuch(Task):
    """Draws one number per seed and reports it.

    Args:
        point: Which of many alike.
    """

    spent: float = 0.0

    def __init__(self, *, point: Annotated[int, Ge(0)] = 0) -> None:
        self.point = point

    def dictates(self) -> dict[str, int]:
        return {"key_dim": 4, "value_dim": 4}

    def run(self, bench: Workbench) -> list[Outcome]:
        start = time.perf_counter()
        bench.lanes([self.dictates()] * len(bench.seeds))
        outcomes = [
            Outcome(
                metrics=[Metric("drawn", bench.rng(s, "test").random(), "higher", primary=True)]
            )
            for s in bench.seeds
        ]
        NothingMuch.spent += time.perf_counter() - start
        return outcomes


@pytest.fixture
def nothing_much() -> Iterator[None]:
    registry.task("nothing-much", family="fake")(NothingMuch)
    yield
    del registry._entries["task", "nothing-much"]


def test_the_harness_takes_less_than_two_milliseconds_a_trial(
    benchmark: Any, nothing_much: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 trials in process, from the plan to records on disk; what the task spends and the
    measuring of costs, one micro-benchmark a cell, are no overhead and left out.
    """
    monkeypatch.setattr(costs, "measure", lambda cell, device: [])
    file = tmp_path / "overhead.yaml"
    file.write_text(SUITE)
    planned = plan.make(suite.load(file))
    assert len(planned.trials) == CELLS * SEEDS
    overheads: list[float] = []

    def whole_run() -> None:
        NothingMuch.spent = 0.0
        start = time.perf_counter()
        summary = runner.run(
            planned, tmp_path / f"run-{len(overheads)}", runner.Options(timeout_s=None)
        )
        overheads.append(time.perf_counter() - start - NothingMuch.spent)
        assert summary.statuses == {"ok": CELLS * SEEDS}

    benchmark.pedantic(whole_run, rounds=3, warmup_rounds=1)
    per_trial = min(overheads) / (CELLS * SEEDS)
    benchmark.extra_info["overhead_us_per_trial"] = 1e6 * per_trial
    assert per_trial < 2e-3
