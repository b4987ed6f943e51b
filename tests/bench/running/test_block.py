from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import registry, runner
from bench.runner import Options
from tests.bench.small_runs import (
    HERE,
    Watcher,
    lines,
    plan_of,
    statuses,
    suite_text,
    trials,
)


def run_troubled(folder: Path, entry: str, **options: Any) -> runner.Summary:
    made = plan_of(folder, suite_text(f"{entry}\nlinear-assoc", seeds="3"))
    return runner.run(made, folder / "run", Options(timeout_s=None, **options))


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("raise", "error", "ZeroDivisionError: division by zero"),
        ("sys-exit", "error", "SystemExit: enough"),
        ("memory", "oom", "MemoryError: no room"),
        ("nan", "nonfinite", "first non-finite read"),
        ("shape", "error", "read returned shape [2, 7], expected [2, 8]"),
    ],
)
def test_a_failure_lands_on_its_seed_and_the_others_are_scored(
    tmp_path: Path, troubled: Path, how: str, status: str, message: str
) -> None:
    entry = f"{{name: troubled, label: bad, params: {{how: {how}, at: 1}}}}"
    summary = run_troubled(tmp_path, entry)
    folder = tmp_path / "run"
    assert statuses(folder) == {"bad": ["ok", status, "ok"], "linear-assoc": ["ok"] * 3}
    assert summary.exit_code == 3
    assert dict(summary.statuses) == {"ok": 5, status: 1}
    failed = trials(folder)["bad", "capacity", 1]
    assert message in failed["message"]
    assert failed["metrics"] == []
    if status != "nonfinite":
        assert "Traceback" in failed["traceback"]
        assert "trouble.py" in failed["traceback"] or how == "shape"
    assert [f["trial_key"] for f in summary.failures] == [failed["trial_key"]]


def test_lanes_run_again_alone_score_as_they_would_have(tmp_path: Path, troubled: Path) -> None:
    """A seed beside one that fails has the record it has where none fails, but for parameters."""
    run_troubled(tmp_path / "a", "{name: troubled, label: bad, params: {how: raise, at: 1}}")
    run_troubled(tmp_path / "b", "{name: troubled, label: bad, params: {how: none, at: 1}}")
    beside, alone = trials(tmp_path / "a" / "run"), trials(tmp_path / "b" / "run")
    for seed in (0, 2):
        key = ("bad", "capacity", seed)
        assert beside[key]["metrics"] == alone[key]["metrics"]


def test_a_memory_that_always_fails_has_no_costs(tmp_path: Path, troubled: Path) -> None:
    run_troubled(tmp_path, "{name: troubled, params: {how: raise}}")
    assert [r["label"] for r in lines(tmp_path / "run") if r["kind"] == "costs"] == ["linear-assoc"]


def test_failures_are_tried_again_and_their_success_counts(tmp_path: Path, troubled: Path) -> None:
    folder = tmp_path / "run"
    made = plan_of(tmp_path, suite_text("linear-assoc", seeds="3"))
    capacity = registry.get("task", "capacity").cls
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "run", lambda self, bench: 1 / 0)
        assert runner.run(made, folder, HERE).exit_code == 3
    watcher = Watcher()
    summary = runner.run(made, folder, HERE, watcher)
    assert (len(watcher.ran), summary.n_cached, summary.exit_code) == (3, 0, 0)
    assert [r["status"] for r in lines(folder) if r["kind"] == "trial"] == ["error"] * 3 + [
        "ok"
    ] * 3


def test_an_interrupt_inside_a_trial_is_no_failure(tmp_path: Path, troubled: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_troubled(tmp_path, "{name: troubled, params: {how: interrupt, at: 1}}")
    assert not (tmp_path / "run" / "records.jsonl").exists()


def test_costs_that_cannot_be_measured_fail_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.running import costs

    monkeypatch.setattr(costs, "measure", lambda cell, device: 1 / 0)
    made = plan_of(tmp_path, suite_text("linear-assoc"))
    assert runner.run(made, tmp_path / "run", HERE).exit_code == 0
    (record,) = [r for r in lines(tmp_path / "run") if r["kind"] == "costs"]
    assert (record["status"], record["message"]) == ("error", "ZeroDivisionError: division by zero")
    runner.run(made, tmp_path / "run", HERE)
    assert sum(r["kind"] == "costs" for r in lines(tmp_path / "run")) == 1
