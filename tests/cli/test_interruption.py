"""Killed or interrupted at any moment, started again, a run ends with the same records."""

from __future__ import annotations

import shlex
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from bench.running.checkpoint import Checkpoint
from tests.bench.small_runs import DRIFT, SMALL, comparable, suite_text, trials
from tests.cli.conftest import PATIENT, Memb, Start, call

STREAM = DRIFT.replace("rows: 300", "rows: 600")
"""Twice as long as elsewhere, so that a kill in its middle does not come too late."""
LONGER = SMALL.replace(DRIFT, STREAM)
HERE = ("--timeout", "0", "--checkpoint-every", "0")
WORKERS = ("--jobs", "2", "--checkpoint-every", "0")


def records(folder: Path) -> int:
    """Lines of a run's records so far."""
    file = folder / "records.jsonl"
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def pretraining(cache: Path) -> bool:
    """Whether a backbone is being trained: its entry is locked and holds nothing yet."""
    folders = list((cache / "memb" / "shared").glob("*"))
    return bool(folders) and not any(list(folder.glob("*.safetensors")) for folder in folders)


MOMENTS: dict[str, Callable[[Path, Path], object]] = {
    "at once": lambda run, cache: True,
    "when the folder is there": lambda run, cache: run.exists(),
    "after the first record": lambda run, cache: records(run),
    "while pre-training": lambda run, cache: pretraining(cache),
    "in the middle of a stream": lambda run, cache: list(run.glob("checkpoints/*.safetensors")),
}
SPARED = ("when the folder is there", "after the first record")
"""Moments between others that are tried by default; in the middle of the stream, too, records of
the task before it are there."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of `LONGER` that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.yaml").write_text(LONGER, encoding="utf-8")
    assert call("run", folder / "small.yaml", "-o", folder / "run", *HERE, "-q").code == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        *(
            pytest.param(moment, HERE, marks=[pytest.mark.slow] if moment in SPARED else [])
            for moment in MOMENTS
        ),
        pytest.param("in the middle of a stream", WORKERS, marks=pytest.mark.slow),
    ],
    ids=[*MOMENTS, "in the middle of a stream, in a worker"],
)
def test_a_run_that_was_killed_ends_with_the_same_records(
    memb: Memb,
    start: Start,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    how: tuple[str, ...],
) -> None:
    Path("small.yaml").write_text(LONGER, encoding="utf-8")
    run, cache = tmp_path / "run", tmp_path / "cache"
    if moment == "while pre-training":  # elsewhere the session's backbone is taken
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    process = start("run", "small.yaml", "-o", "run", *how)
    process.wait_for(lambda: MOMENTS[moment](run, cache))
    # a worker left alone would go on for a moment, and might save once more after the second run
    assert process.signal(signal.SIGKILL, group=how is WORKERS).code == -signal.SIGKILL
    before = records(run)
    assert before < 6, "the kill came too late to tell anything"
    done = memb("run", "small.yaml", "-o", "run", *HERE)
    assert done.code == 0, done.err
    assert comparable(run) == comparable(undisturbed)
    assert not (run / "checkpoints").exists()


HMEM = suite_text(
    "{name: hmem, params: {size: small, warmup_steps: 10, online_lr: 0.01, capacity: 32}}", STREAM
)
LEARNED = 60
"""A position past the validation rows and the warm-up: bank, weights and moments have moved."""


def kept_at(run: Path) -> int:
    """The position of a run's check-point; 0 where there is none."""
    for file in run.glob("checkpoints/*.safetensors"):
        with safe_open(file, framework="pt") as kept:
            return int(kept.get_tensor("position"))
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [HERE, WORKERS], ids=["in process", "in a worker"])
def test_a_stream_of_hmem_goes_on_from_its_last_save_with_the_same_records(
    memb: Memb, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    """All that learns is in the check-point, and calls recorded anew give the same bits. Of the
    losses at every origin, too, none differs.
    """
    Path("hmem.yaml").write_text(HMEM, encoding="utf-8")
    whole, run = tmp_path / "whole", tmp_path / "run"
    done = memb("run", "hmem.yaml", "-o", "whole", "--timeout", "0", "-q")
    assert done.code == 0, done.err
    process = start("run", "hmem.yaml", "-o", "run", *how)
    process.wait_for(lambda: kept_at(run) >= LEARNED)
    assert process.signal(signal.SIGKILL, group=True).code == -signal.SIGKILL
    saved = kept_at(run)
    assert (records(run), saved >= LEARNED) == (0, True), "the kill came too late to tell anything"
    resumed: list[int] = []
    load = Checkpoint.load

    def loaded(self: Checkpoint) -> Any:
        kept = load(self)
        resumed.extend([kept[1]] if kept else [])
        return kept

    monkeypatch.setattr(Checkpoint, "load", loaded)
    assert memb("run", "hmem.yaml", "-o", "run", *HERE).code == 0
    assert resumed == [saved]
    assert comparable(run) == comparable(whole)
    series = sorted(file.relative_to(whole) for file in whole.glob("series/**/*.npz"))
    assert len(series) == 2
    for file in series:
        with np.load(whole / file) as expected, np.load(run / file) as seen:
            assert seen.files == expected.files
            assert all(np.array_equal(seen[name], expected[name]) for name in expected.files)


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A suite whose second memory waits while there is a file `hold`."""
    (tmp_path / "patient.py").write_text(PATIENT, encoding="utf-8")
    (tmp_path / "hold").touch()
    suite = tmp_path / "suite.yaml"
    suite.write_text(suite_text("linear-assoc\npatient\ndelta"), encoding="utf-8")
    return suite


@pytest.mark.parametrize(
    ("how", "group"),
    [(HERE, False), pytest.param(("--jobs", "1"), True, marks=pytest.mark.slow)],
    ids=["in process", "in a worker"],
)
def test_an_interrupted_run_says_what_is_kept_and_how_to_go_on(
    memb: Memb, start: Start, patient: Path, tmp_path: Path, how: tuple[str, ...], group: bool
) -> None:
    words = ["run", "suite.yaml", "--plugin", "patient.py", "-o", "run", *how, "--fresh"]
    process = start(*words)
    process.wait_for(lambda: records(tmp_path / "run") >= 2)
    second = memb("run", "suite.yaml", "--plugin", "patient.py", "-o", "run", "--timeout", "0")
    assert (second.code, second.out) == (2, "")
    host = socket.gethostname()
    assert f"another run is writing to run: pid {process.popen.pid} on {host}" in second.err

    stopped = process.signal(signal.SIGINT, group=group)
    assert (stopped.code, stopped.out) == (130, "")
    assert "Traceback" not in stopped.err
    *_, kept, command = stopped.err.splitlines()
    assert kept == "interrupted: 2 of 6 trials kept in run"
    assert command == f"  go on with: {shlex.join(['memb', *words[:-1]])}", "without --fresh"

    (tmp_path / "hold").unlink()
    resumed = memb(*shlex.split(command.partition("memb ")[2]), "--json")
    assert (resumed.code, resumed.json["cached"], resumed.json["statuses"]) == (0, 2, {"ok": 6})
    assert len(trials(tmp_path / "run")) == 6


def test_an_interrupt_before_anything_runs_is_130_too(start: Start, tmp_path: Path) -> None:
    slow = "import time\nfrom pathlib import Path\nPath('loading').touch()\ntime.sleep(600)\n"
    (tmp_path / "slow.py").write_text(slow, encoding="utf-8")
    process = start("run", "quickstart", "--plugin", "slow.py")
    process.wait_for((tmp_path / "loading").exists)
    stopped = process.signal(signal.SIGINT)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert not (tmp_path / "results").exists()
