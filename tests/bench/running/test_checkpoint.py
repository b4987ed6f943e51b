from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import registry, runner
from bench.errors import StorageError
from bench.runner import Options
from bench.running import block, checkpoint
from bench.running.block import BlockResult
from bench.running.checkpoint import Checkpoint
from tests.bench.small_runs import (
    DRIFT,
    HERE,
    comparable,
    plan_of,
    statuses,
    suite_text,
)


@pytest.mark.parametrize("refuse", ["save_file", "mkdir"])
def test_a_check_point_without_room_stops_the_run_and_blames_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: str
) -> None:
    made = plan_of(tmp_path, suite_text("persistence", DRIFT))

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if refuse == "save_file":
        monkeypatch.setattr(checkpoint, "save_file", no_room)
    else:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "checkpoints").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write the check-point"):
        runner.run(made, tmp_path / "run", Options(timeout_s=None, checkpoint_s=0))
    assert not (tmp_path / "run" / "records.jsonl").exists()


@pytest.fixture
def dies_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Interrupts the process once the check-point at a position is on disk."""
    offer = Checkpoint.offer

    def plant(position: int) -> None:
        def offered(self: Checkpoint, at: int, tensors: Any) -> None:
            offer(self, at, tensors)
            if at == position:
                raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoint, "offer", offered)

    return plant


@pytest.mark.parametrize("where", ["validation", "last of validation", "test"])
def test_a_stream_goes_on_from_its_check_point_bit_for_bit(
    tmp_path: Path,
    dies_at: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    entries = "{name: ogd, tune: {learning_rate: [0.001, 0.01]}}"
    made = plan_of(tmp_path, suite_text(entries, DRIFT))
    runner.run(made, tmp_path / "whole", HERE)
    task = registry.get("task", "online-tsf").cls(**made.cells[0].task_params)
    updates = len(task.sample.split.update_origins())
    position = {"validation": 5, "last of validation": updates, "test": updates + 20}[where]
    often = Options(timeout_s=None, checkpoint_s=0)
    with monkeypatch.context():
        dies_at(position)
        with pytest.raises(KeyboardInterrupt):
            runner.run(made, tmp_path / "run", often)
    monkeypatch.undo()
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 1
    resumed: list[int] = []
    load = Checkpoint.load

    def loaded(self: Checkpoint) -> Any:
        kept = load(self)
        resumed.append(kept[1] if kept else 0)
        return kept

    monkeypatch.setattr(Checkpoint, "load", loaded)
    runner.run(made, tmp_path / "run", often)
    assert resumed == [position]
    assert comparable(tmp_path / "run") == comparable(tmp_path / "whole")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_lanes_run_alone_leave_no_check_point_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan_of(tmp_path, suite_text("persistence", DRIFT))
    attempt = block._attempt

    def fails_together(given: block.Block, report: block.Report | None) -> BlockResult:
        result = attempt(given, report)
        if len(given.seeds) > 1 or given.seeds == (1,):
            raise ZeroDivisionError
        return result

    monkeypatch.setattr(block, "_attempt", fails_together)
    runner.run(made, tmp_path / "run", Options(timeout_s=None, checkpoint_s=0))
    assert statuses(tmp_path / "run") == {"persistence": ["ok", "error"]}
    assert not (tmp_path / "run" / "checkpoints").exists()
