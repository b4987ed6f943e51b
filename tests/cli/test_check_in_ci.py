"""`memb check` where a job calls it: pipes that close, disks that fill up, commands it hands on."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import StorageError
from bench.store import RunFolder
from tests.bench.check.runs import FIVE, RunBuilder
from tests.bench.small_runs import TROUBLED, suite_text
from tests.cli.conftest import Memb, environment

MANY = 300
"""Cells whose report is larger than what a pipe holds."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline of many cells, a run that keeps them and one that does not."""
    folder = tmp_path_factory.mktemp("many")
    kept, lost = RunBuilder(), RunBuilder()
    for index in range(MANY):
        kept.row(f"m{index}", FIVE)
        lost.row(f"m{index}", [value * 1.2 for value in FIVE])
    kept.baseline(folder)
    lost.write(folder / "lost")
    return folder


@pytest.mark.parametrize(
    ("run", "code", "format_"),
    [
        ("lost", 1, "rich"),
        ("first", 0, "json"),
        pytest.param("first", 0, "rich", marks=pytest.mark.slow),
        pytest.param("lost", 1, "json", marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_goes_away_changes_no_verdict(
    run: str, code: int, format_: str, many: Path
) -> None:
    """``memb check ... | head -1`` under pipefail."""
    words = f"check {many / run} -b {many / 'baseline.json'} -v --format {format_}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m cli {words} | head -c 1"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_disk_that_fills_up_leaves_nothing_to_check(
    memb: Memb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an error: 3, which `memb run` exits with, would mean open cells here."""
    (tmp_path / "gate.yaml").write_text(suite_text("linear-assoc"), encoding="utf-8")
    RunBuilder().row("m", FIVE).baseline(tmp_path)

    def full(*_: object) -> None:
        raise StorageError("cannot write to results: No space left on device", help="free some")

    monkeypatch.setattr(RunFolder, "append", full)
    done = memb("check", "gate.yaml", "-b", "baseline.json", "--timeout", "0", "-q")
    assert (done.code, done.out) == (2, "")
    assert "No space left on device" in done.err
    assert "help: free some" in done.err


def test_the_command_that_a_failed_trial_is_run_again_by_works(memb: Memb, tmp_path: Path) -> None:
    memories = "linear-assoc\n{name: troubled, params: {how: raise, at: 1}}"
    (tmp_path / "gate.yaml").write_text(suite_text(memories), encoding="utf-8")
    (tmp_path / "troubled.py").write_text(TROUBLED, encoding="utf-8")
    words = ("--plugin", "troubled.py", "--seeds", "2", "--timeout", "0", "-q")
    assert memb("run", "gate.yaml", *words, "-o", "first").code == 3
    held = ("-b", "base.json", "--update-baseline", "--allow-failures")
    assert memb("check", "first", *held).code == 0
    done = memb("check", "gate.yaml", "-b", "base.json", *words, "-o", "now", "--fresh")
    assert done.code == 0  # known failures
    (line,) = [line for line in done.err.splitlines() if "rerun that trial alone" in line]
    command = shlex.split(line.partition(" with ")[2])
    assert command[:3] == ["memb", "run", "gate.yaml"]
    again = memb(*command[1:])
    assert again.code == 3
    assert "ZeroDivisionError" in again.err
    assert [record["seed"] for record in again.json["records"]] == [1]


def test_a_run_that_a_merge_packed_is_checked_by_folder_or_file(
    memb: Memb, tmp_path: Path, many: Path
) -> None:
    (tmp_path / "gate.yaml").write_text(suite_text("linear-assoc"), encoding="utf-8")
    assert memb("run", "gate.yaml", "-o", "run", "--timeout", "0", "-q").code == 0
    assert memb("merge", "run", "--slim", "-o", "slim").code == 0
    assert memb("check", "run", "-b", "base.json", "--update-baseline").code == 0
    packed = Path("slim") / "records.jsonl.gz"
    assert packed.exists()
    for named in ("slim", packed):
        done = memb("check", named, "-b", "base.json", "--json")
        assert done.code == 0
        tested = {cell["detail"] for cell in done.json["cells"] if cell["kind"] != "perf"}
        assert tested == {"identical"}
