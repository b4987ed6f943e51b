"""How long a user waits for an answer. Reported, never asserted: times are those of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment

pytestmark = pytest.mark.perf


def memb(*words: object, cwd: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "cli", *map(str, words)],
        cwd=cwd,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "suites"]], ids=" ".join)
def test_time_to_answer(benchmark: Any, tmp_path: Path, words: list[str]) -> None:
    benchmark.pedantic(memb, words, {"cwd": tmp_path}, rounds=5, warmup_rounds=1)
