from __future__ import annotations

import errno
import os
import random
from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

import bench
from bench import runner
from bench.errors import MembError, StorageError
from bench.plan import Plan
from bench.runner import Options
from bench.running.block import Block
from bench.store import RunFolder
from tests.bench.small_runs import (
    DRIFT,
    HERE,
    SMALL,
    Watcher,
    comparable,
    lines,
    plan_of,
    suite_text,
    trials,
)


def test_a_run_leaves_one_record_per_trial_and_one_of_costs_per_cell(
    finished: tuple[Plan, Path],
) -> None:
    made, folder = finished
    kept = lines(folder)
    assert Counter(r["kind"] for r in kept) == {"trial": 4, "costs": 2}
    assert {r["trial_key"] for r in kept if r["kind"] == "trial"} == set(made.trials)
    assert all(r["status"] == "ok" and r["metrics"] for r in kept)
    for record in (r for r in kept if r["kind"] == "costs"):
        assert record["seed"] is None
        assert {m["kind"] for m in record["metrics"]} == {"perf"}
    assert not (folder / "checkpoints").exists()


def test_the_manifest_holds_the_whole_plan_and_where_it_ran(finished: tuple[Plan, Path]) -> None:
    made, folder = finished
    (call,) = RunFolder(folder).manifest()["calls"]
    assert call["ended"]
    assert call["suite"]["name"] == "small"
    assert {key for cell in call["plan"] for _, key in cell["trials"]} == set(made.trials)
    assert call["provenance"]["torch"] == metadata.version("torch")
    assert call["provenance"]["device"] == "cpu"


def test_long_series_stand_beside_the_records(finished: tuple[Plan, Path]) -> None:
    _, folder = finished
    series = trials(folder)["persistence", "drift", 0]["series"]
    with np.load(folder / series["path"], allow_pickle=False) as stored:
        assert all(stored[name].dtype == np.float32 for name in stored)
        errors = stored[next(iter(stored))]
        assert np.isfinite(errors).all()


def test_a_finished_run_is_not_run_again(finished: tuple[Plan, Path]) -> None:
    made, folder = finished
    before = (folder / "records.jsonl").read_bytes()
    watcher = Watcher()
    summary = runner.run(made, folder, HERE, watcher)
    assert (summary.n_cached, summary.n_trials, watcher.ran) == (4, 4, [])
    assert (folder / "records.jsonl").read_bytes() == before


def test_the_same_suite_gives_the_same_records_elsewhere(
    finished: tuple[Plan, Path], tmp_path: Path
) -> None:
    made, folder = finished
    runner.run(made, tmp_path / "run", HERE)
    assert comparable(tmp_path / "run") == comparable(folder)


def test_an_interrupted_run_goes_on_where_it_stopped(
    finished: tuple[Plan, Path], tmp_path: Path
) -> None:
    made, undisturbed = finished
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        runner.run(made, folder, HERE, Watcher(interrupt_after=1))
    assert len(trials(folder)) == 2
    (call,) = RunFolder(folder).manifest()["calls"]
    assert call["ended"] is None
    assert call["stopped"]
    watcher = Watcher()
    runner.run(made, folder, HERE, watcher)
    assert watcher.ran == [("persistence", 0), ("persistence", 1)]
    assert comparable(folder) == comparable(undisturbed)
    assert Counter(r["kind"] for r in lines(folder)) == {"trial": 4, "costs": 2}


def test_more_seeds_run_only_what_is_missing(finished: tuple[Plan, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runner.run(plan_of(tmp_path, SMALL, seeds="1"), folder, HERE)
    watcher = Watcher()
    runner.run(plan_of(tmp_path, SMALL), folder, HERE, watcher)
    assert watcher.ran == [("linear-assoc", 1), ("persistence", 1)]
    assert Counter(r["kind"] for r in lines(folder)) == {"trial": 4, "costs": 2}
    assert comparable(folder) == comparable(finished[1])


def test_an_edited_suite_runs_only_what_changed(
    finished: tuple[Plan, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    runner.run(plan_of(tmp_path, suite_text("linear-assoc", name="first")), folder, HERE)
    watcher = Watcher()
    edited = suite_text("{name: linear-assoc, label: old}\ndelta", name="second")
    summary = runner.run(plan_of(tmp_path, edited), folder, HERE, watcher)
    assert watcher.ran == [("delta", 0), ("delta", 1)]
    assert summary.n_cached == 2


def test_fresh_runs_all_again_and_keeps_the_old_records_aside(
    finished: tuple[Plan, Path], tmp_path: Path
) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc"))
    folder = tmp_path / "run"
    runner.run(made, folder, HERE)
    before = comparable(folder)
    watcher = Watcher()
    summary = runner.run(made, folder, Options(timeout_s=None, cache="never"), watcher)
    assert (summary.n_cached, len(watcher.ran)) == (0, 2)
    assert comparable(folder) == before
    (aside,) = folder.glob("records.before-*.jsonl")
    assert len(aside.read_text(encoding="utf-8").splitlines()) == 3


def test_only_cache_runs_nothing(finished: tuple[Plan, Path], tmp_path: Path) -> None:
    made, _ = finished
    watcher = Watcher()
    options = Options(timeout_s=None, cache="only-cache")
    summary = runner.run(made, tmp_path / "run", options, watcher)
    assert (dict(summary.statuses), summary.exit_code, watcher.ran) == ({"missing": 4}, 0, [])
    assert not (tmp_path / "run" / "records.jsonl").exists()


def test_global_generators_and_threads_are_left_as_they_were(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("ar-fast-weights\nlinear-assoc"))
    threads = torch.get_num_threads()
    legacy = np.random.get_state()[1]
    before = (torch.get_rng_state(), legacy.copy(), random.getstate())
    torch.set_num_threads(2)
    try:
        runner.run(made, tmp_path / "run", HERE)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_a_tuned_memory_says_what_was_chosen_and_from_what(tmp_path: Path) -> None:
    grid = "{name: ogd, tune: {learning_rate: [0.0001, 0.01, 0.001]}}"
    runner.run(plan_of(tmp_path, suite_text(grid, DRIFT)), tmp_path / "run", HERE)
    for record in trials(tmp_path / "run").values():
        tuned = record["notes"]["tuned"]
        assert [c["learning_rate"] for c in tuned["candidates"]] == [0.0001, 0.001, 0.01]
        best = int(np.argmin(tuned["validation_mse"]))
        assert tuned["choice"] == tuned["candidates"][best]


def test_one_trial_alone_gives_its_record_and_stores_nothing(
    finished: tuple[Plan, Path], tmp_path: Path
) -> None:
    made, folder = finished
    kept = trials(folder)["linear-assoc", "capacity", 1]
    (alone,) = runner.debug(made, kept["trial_key"][:8], HERE, tmp_path / "run")
    assert (alone["trial_key"], alone["metrics"]) == (kept["trial_key"], kept["metrics"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("prefix", "count"), [("zz", "no trial"), ("", "4 trials")])
def test_an_unknown_or_ambiguous_key_is_refused(
    finished: tuple[Plan, Path], tmp_path: Path, prefix: str, count: str
) -> None:
    with pytest.raises(MembError, match=f"{count} with a key that begins with '{prefix}'"):
        runner.debug(finished[0], prefix, HERE, tmp_path)


def test_a_disk_that_fills_up_stops_the_run_with_its_records_intact(
    finished: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, undisturbed = finished
    folder = tmp_path / "run"
    fsync, calls = os.fsync, []

    def full_later(file: int) -> None:
        calls.append(file)
        if len(calls) > 2:  # the manifest and the first block find room
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_later)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            runner.run(made, folder, HERE)
    assert caught.value.exit_code == 3
    assert [r["status"] for r in lines(folder)] == ["ok", "ok"]
    assert runner.run(made, folder, HERE).exit_code == 0
    assert comparable(folder) == comparable(undisturbed)


def test_the_python_interface_does_what_the_verbs_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suite.yaml").write_text(suite_text("linear-assoc\ndelta"), encoding="utf-8")
    summary = bench.run("suite.yaml", seeds="1", only=["delta"])
    assert (summary.folder, dict(summary.statuses)) == (Path("results/small"), {"ok": 1})
    frame = bench.load("results/small")
    assert set(frame["label"]) == {"delta"}
    assert bench.load().equals(frame)


def test_a_broken_plugin_of_the_python_interface_is_refused(
    tmp_path: Path, clean_plugins: None
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def (", encoding="utf-8")
    with pytest.raises(MembError, match="does not parse"):
        bench.run("quickstart", plugins=[broken])


def test_a_check_point_that_a_kill_left_behind_its_records_goes_with_the_next_call(
    tmp_path: Path,
) -> None:
    """Killed after the records of a block were written, before its check-point was dropped."""
    made = plan_of(tmp_path, suite_text("linear-assoc"))
    folder = tmp_path / "run"
    runner.run(made, folder, HERE)
    (cell,) = made.cells
    key = Block(cell, tuple(cell.trials), "call", folder).key
    left = folder / "checkpoints" / f"{key}.safetensors"
    left.parent.mkdir()
    left.write_bytes(b"")
    runner.run(made, folder, HERE)
    assert not left.parent.exists()
