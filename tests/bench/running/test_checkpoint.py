from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import registry, runner
from bench.errors import StorageError
from bench.runner import Options
from bench.running import block, checkpoint
from bench.running.block import Block, BlockResult, Report, failed, run_block
from bench.running.checkpoint import Checkpoint
from bench.running.executors import InProcess
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


def positions_resumed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled from now on with where blocks go on; 0 is the beginning."""
    resumed: list[int] = []
    load = Checkpoint.load

    def loaded(self: Checkpoint) -> Any:
        kept = load(self)
        resumed.append(kept[1] if kept else 0)
        return kept

    monkeypatch.setattr(Checkpoint, "load", loaded)
    return resumed


@pytest.mark.parametrize(
    "where",
    [
        "validation",
        pytest.param("last of validation", marks=pytest.mark.slow),
        pytest.param("test", marks=pytest.mark.slow),
    ],
)
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
    resumed = positions_resumed(monkeypatch)
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


def test_tensors_of_a_check_point_are_aligned_like_those_that_were_saved(tmp_path: Path) -> None:
    """In the file a tensor starts where the one before it ended, here after 3 and 20 bytes.

    Kernels choose their order of summation by alignment: a stream that went on from tensors of
    the file itself would differ from one that was never killed, in the last bits of a forecast.
    """
    file = tmp_path / "kept.safetensors"
    saved = {
        "flags": torch.tensor([True, False, True]),
        "five": torch.arange(5.0),
        "matrix": torch.arange(35.0).reshape(5, 7),
    }
    Checkpoint(file, every_s=0).offer(4, lambda: saved)
    kept = Checkpoint(file).load()
    assert kept is not None
    assert kept[1] == 4
    assert all(torch.equal(kept[0][name], tensor) for name, tensor in saved.items())
    assert {name: tensor.data_ptr() % 64 for name, tensor in kept[0].items()} == dict.fromkeys(
        saved, 0
    )


class OutOfTime(InProcess):
    """Stops a block where its check-points are made to, and then every lane of it alone."""

    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        for whole in blocks:
            for stopped in (whole, *whole.alone()):
                with pytest.raises(KeyboardInterrupt):
                    run_block(stopped, report)
                if stopped is not whole:
                    yield BlockResult(stopped, [failed(stopped, "timeout", "not done after 1 s")])


def test_a_block_that_ran_out_of_time_goes_on_in_the_next_call(
    tmp_path: Path, dies_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lanes' own check-points go: the next call runs all of them together again."""
    made = plan_of(tmp_path, suite_text("persistence", DRIFT))
    runner.run(made, tmp_path / "whole", HERE)
    often = Options(timeout_s=None, checkpoint_s=0)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "InProcess", OutOfTime)
        dies_at(30)
        runner.run(made, tmp_path / "run", often)
    monkeypatch.undo()
    assert statuses(tmp_path / "run") == {"persistence": ["timeout", "timeout"]}
    (left,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert Checkpoint(left).load()[1] == 30
    resumed = positions_resumed(monkeypatch)
    runner.run(made, tmp_path / "run", often)
    assert resumed == [30]
    assert set(comparable(tmp_path / "whole")) < set(comparable(tmp_path / "run"))
    assert not (tmp_path / "run" / "checkpoints").exists()
