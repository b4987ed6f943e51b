from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench import plugins, runner
from bench.plan import Plan
from bench.runner import Options
from bench.running import block, executors
from tests.bench.small_runs import (
    CAPACITY,
    DRIFT,
    comparable,
    lines,
    plan_of,
    statuses,
    suite_text,
    trials,
)

STATUSES = {
    "sleep": ["ok", "timeout"],
    "exit": ["ok", "error"],
    "kill": ["ok", "oom"],
    "raise": ["ok", "error"],
    "linear-assoc": ["ok", "ok"],
    "persistence": ["ok", "ok"],
}
MESSAGES = {
    "sleep": "not done after 4 s",  # its share of the block's 8 s
    "exit": "the worker died with exit code 7",
    "kill": "the worker was killed (SIGKILL), most often for want of memory",
    "raise": "ZeroDivisionError: division by zero",
}


def run_in_workers(folder: Path, trouble: Path) -> runner.Summary:
    """Two workers, memories that hang, die and are killed for one seed of two, and two sound."""
    entries = [
        f"{{name: troubled, label: {how}, tasks: [capacity], params: {{how: {how}, at: 1}}}}"
        for how in MESSAGES
    ]
    entries += ["{name: linear-assoc, tasks: [capacity]}", "{name: persistence, tasks: [drift]}"]
    made = plan_of(folder, suite_text("\n".join(entries), f"{CAPACITY}\n{DRIFT}"))
    options = Options(jobs=2, timeout_s=8.0, plugins=(str(trouble),), checkpoint_s=0)
    return runner.run(made, folder / "run", options)


def alike(folder: Path) -> list[str]:
    """Comparable records of the two sound memories."""
    kept = [json.loads(line) for line in comparable(folder)]
    sound = [r for r in kept if r["label"] in ("linear-assoc", "persistence")]
    return [json.dumps(r, sort_keys=True) for r in sound]


@pytest.mark.slow
def test_what_happens_to_a_worker_costs_one_seed_and_nothing_else(
    tmp_path: Path, troubled: Path, finished: tuple[Plan, Path]
) -> None:
    """One run, because workers take seconds to start: what it leaves is looked at from all sides.

    Each seed lands where it belongs; the record says what happened, with the traceback from the
    worker if there was one; records equal those of a run in one process; every cell that has a
    score is measured once; no check-point of a killed block stays.
    """
    summary = run_in_workers(tmp_path, troubled)
    folder = tmp_path / "run"
    assert statuses(folder) == STATUSES
    assert summary.exit_code == 3
    failed = {how: trials(folder)[how, "capacity", 1] for how in MESSAGES}
    assert {how: record["message"] for how, record in failed.items()} == MESSAGES
    assert {how for how in failed if "trouble.py" in failed[how]["traceback"]} == {"raise"}
    assert alike(folder) == alike(finished[1])
    measured = Counter(r["label"] for r in lines(folder) if r["kind"] == "costs")
    assert measured == dict.fromkeys(STATUSES, 1)
    assert not (folder / "checkpoints").exists()


def test_a_worker_reports_every_hundredth_step_and_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Channel:
        def __init__(self) -> None:
            self.sent: list[tuple[str, int, int]] = []

        def put(self, item: tuple[str, int, int]) -> None:
            self.sent.append(item)

    channel = Channel()

    def steps(given: object, report: block.Report) -> str:
        for done in range(1, 251):
            report("b", done, 250)
        return "done"

    monkeypatch.setattr(executors, "_progress", channel)
    monkeypatch.setattr(executors, "run_block", steps)
    stub: Any = type("Stub", (), {"plugins": ()})()
    monkeypatch.setattr(plugins, "load", lambda specs, entry_points: [])
    assert executors._work(stub) == "done"
    assert channel.sent == [("b", 100, 250), ("b", 200, 250), ("b", 250, 250)]
