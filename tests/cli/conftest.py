"""The command line called as a user calls it, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

import cli
from tests.bench.conftest import clean_plugins  # noqa: F401 - a fixture for the tests here too
from tests.bench.small_runs import SMALL
from tests.conftest import ROOT

PATIENT = '''\
"""A memory that waits as long as there is a file `hold` in the current folder."""

import time
from pathlib import Path

import torch

from bench.registry import memory
from memories.base import AssociativeMemory


@memory("patient", family="test")
class Patient(AssociativeMemory):
    """Waits, then sums."""

    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.value_dim = value_dim

    def init_state(self):
        return {"sum": torch.zeros(self.value_dim)}

    def write(self, state, keys, values, times=None, contexts=None):
        while Path("hold").exists():
            time.sleep(0.02)
        return {"sum": state["sum"] + values.sum(0)}

    def read(self, state, queries, times=None, contexts=None):
        return state["sum"].expand(queries.shape[0], -1)
'''


@dataclass(frozen=True)
class Result:
    """What a call of `memb` came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


class Memb(Protocol):
    def __call__(self, *words: object) -> Result: ...


def call(*words: object) -> Result:
    """`memb WORDS` in this process, through its real entry point."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["memb", *map(str, words)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code or 0
    assert isinstance(code, int)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture
def memb(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean_plugins: None,  # noqa: F811
) -> Memb:
    """Calls `memb` in an empty folder; what it changes in the process is undone."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    # Typer reads FORCE_COLOR once, when it first prints
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", None, raising=False)
    monkeypatch.setenv("MEMB_DATA_DIR", "")  # so that what --data-dir sets is undone
    monkeypatch.delenv("MEMB_DATA_DIR")
    return call


def environment(**more: str) -> dict[str, str]:
    """What a process of its own needs to find memb and to stay on one thread."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


@dataclass
class Process:
    """A running `memb`, leader of its process group."""

    popen: subprocess.Popen[str]

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until something is true; the process must not have ended before."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert self.popen.poll() is None, self.popen.communicate()
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.005)

    def signal(self, number: int, *, group: bool = False) -> Result:
        """Send a signal, to its workers too if asked, and collect what is left."""
        if group:
            os.killpg(self.popen.pid, number)
        else:
            self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=60)
        return Result(self.popen.returncode, out, err)


class Start(Protocol):
    def __call__(self, *words: object, env: Mapping[str, str] = ...) -> Process: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `memb` in a process of its own; none is left after the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: object, env: Mapping[str, str] | None = None) -> Process:
        popen = subprocess.Popen(
            [sys.executable, "-m", "cli", *map(str, words)],
            cwd=tmp_path,
            env=environment(**(env or {})),
            # a shell starts what runs behind it with interrupts ignored, and that is inherited
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(popen)
        return Process(popen)

    yield begin
    for popen in running:
        popen.kill()
        popen.communicate(timeout=60)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of `SMALL`, made by `memb run`."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    done = call("run", folder / "small.yaml", "-o", folder / "run", "--timeout", "0", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    return folder / "run"
