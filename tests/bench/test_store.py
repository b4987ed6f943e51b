from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import MembError, StorageError
from bench.store import RECORD_SCHEMA, RunFolder, best_records

HOLDER = """
import sys, time
from pathlib import Path
from bench.store import RunFolder

with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def record(key: str, status: str = "ok", value: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "schema": RECORD_SCHEMA,
        "kind": "trial",
        "trial_key": key,
        "label": "a",
        "task_label": "t",
        "seed": 0,
        "status": status,
        "metrics": [{"name": "m", "value": value}] if status == "ok" else [],
    } | more


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    return folder


def keys(run: RunFolder) -> list[str]:
    return [found["trial_key"] for found in run.records()]


def test_records_come_back_as_they_were_appended(run: RunFolder) -> None:
    first, second = record("k1", value=0.1 + 0.2), record("k2", message="größer\n\u2028")
    run.append([first, second])
    run.append([record("k3")])
    assert list(run.records()) == [first, second, record("k3")]


def test_a_folder_without_records_has_none(run: RunFolder) -> None:
    assert list(run.records()) == []
    assert run.manifest()["calls"] == []
    assert not run.exists


@pytest.mark.parametrize("kept", [1, 10, -1], ids=["one byte", "ten bytes", "all but the end"])
def test_a_torn_last_line_is_ignored_by_readers_and_cut_by_the_next_writer(
    run: RunFolder, kept: int
) -> None:
    run.append([record("k1")])
    whole = run.records_file.read_bytes()
    torn = json.dumps(record("k2")).encode()
    run.records_file.write_bytes(whole + torn[:kept])
    assert keys(run) == ["k1"]
    assert run.records_file.read_bytes() != whole, "reading must not change the file"
    with run.lock():
        assert run.records_file.read_bytes() == whole
        run.append([record("k3")])
    assert keys(run) == ["k1", "k3"]


@pytest.mark.parametrize("kept", [1, 2, 2.5])
def test_a_block_that_was_half_written_is_cut_off_whole(run: RunFolder, kept: float) -> None:
    """Of a block of three lines a kill leaves one, two, or two and a half."""
    run.append([record("k1"), record("k2")])
    whole = run.records_file.read_bytes()
    run.append([record("k3"), record("k4"), record("k5")])
    lines = run.records_file.read_bytes()[len(whole) :].splitlines(keepends=True)
    torn = b"".join(lines[: int(kept)]) + (lines[2][:30] if kept % 1 else b"")
    run.records_file.write_bytes(whole + torn)
    with run.lock():
        assert run.records_file.read_bytes() == whole
    assert keys(run) == ["k1", "k2"]


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        (b'{"schema": "memb-rec', "not a record"),
        (b"\xff\xfe", "not a record"),
        (b"3", "schema None, this memb reads 'memb-record/1'"),
        (b'{"schema": "memb-record/9"}', "schema 'memb-record/9', this memb reads 'memb-record/1'"),
    ],
)
def test_a_damaged_line_is_named_by_file_and_line(
    run: RunFolder, line: bytes, finding: str
) -> None:
    run.append([record("k1")])
    whole = run.records_file.read_bytes()
    run.records_file.write_bytes(whole + line + b"\n" + whole)
    with pytest.raises(MembError) as caught:
        list(run.records())
    (problem,) = caught.value.problems
    assert finding in problem.message
    assert problem.place == f"{run.records_file}:2"
    assert problem.help


@pytest.mark.parametrize("text", ['{"schema"', "[]", '{"schema": "memb-manifest/0", "calls": []}'])
def test_a_damaged_manifest_is_named(run: RunFolder, text: str) -> None:
    run.manifest_file.write_text(text, encoding="utf-8")
    with pytest.raises(MembError, match="manifest") as caught:
        run.manifest()
    assert caught.value.problems[0].place == str(run.manifest_file)


def best(*found: dict[str, Any]) -> dict[str, str]:
    return {key: r["status"] for key, r in best_records(iter(found)).items()}


def test_a_later_ok_supersedes_a_failure_and_is_never_superseded() -> None:
    assert best(record("k", "error"), record("k")) == {"k": "ok"}
    assert best(record("k"), record("k", "timeout")) == {"k": "ok"}
    assert best(record("k", "error"), record("k", "timeout")) == {"k": "timeout"}


def test_the_same_values_twice_are_no_contradiction() -> None:
    assert best(record("k"), record("k")) == {"k": "ok"}


def test_two_values_of_one_trial_are_refused() -> None:
    with pytest.raises(MembError, match=r"trial k \(a on t, seed 0\) has two records") as caught:
        best(record("k", value=1.0), record("k", value=1.0 + 1e-12))
    assert caught.value.exit_code == 2


def test_two_measurements_of_costs_are_no_contradiction() -> None:
    first, second = (record("k", value=v, kind="costs") for v in (1.0, 2.0))
    assert best(first, second) == {"k": "ok"}


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[RunFolder, subprocess.Popen[str]]]:
    """A folder that another process is writing to."""
    folder = RunFolder(tmp_path / "held")
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield folder, process
        process.kill()


def test_a_second_writer_is_told_who_is_first(
    held: tuple[RunFolder, subprocess.Popen[str]],
) -> None:
    folder, process = held
    with pytest.raises(MembError) as caught, folder.lock():
        pytest.fail("both write")
    assert caught.value.exit_code == 2
    said = caught.value.render()
    assert (
        f"another run is writing to {folder.path}: pid {process.pid} on {os.uname().nodename}"
        in said
    )
    assert "--output" in said


def test_a_killed_writer_holds_nothing(held: tuple[RunFolder, subprocess.Popen[str]]) -> None:
    folder, process = held
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    with folder.lock():
        folder.append([record("k")])
    assert keys(folder) == ["k"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    run = RunFolder(in_the_way / "run")
    with pytest.raises(MembError, match=r"cannot write to .*file") as caught, run.lock():
        pytest.fail("there is no such folder")
    assert caught.value.exit_code == 2
    assert "--output" in caught.value.render()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system nobody can write")
def test_a_folder_that_is_read_only_is_refused_before_anything_runs() -> None:
    run = RunFolder(Path("/proc/self/run"))
    with pytest.raises(MembError, match="cannot write to /proc/self/run") as caught, run.lock():
        pytest.fail("even root cannot write here")
    assert caught.value.exit_code == 2


@pytest.fixture
def full_disk(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the records grow by so many bytes; then the disk is full, as the kernel reports it."""
    plain_open = Path.open

    def fill(room: int) -> None:
        class Full:
            def __init__(self, file: Any) -> None:
                self.file, self.left = file, room

            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                self.file.close()

            def fileno(self) -> int:
                return int(self.file.fileno())

            def write(self, data: Any) -> int:
                if not self.left:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written = int(self.file.write(bytes(data)[: self.left]))
                self.left -= written
                return written

        def limited(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            file = plain_open(path, mode, *args, **options)
            return Full(file) if path == run.records_file and "a" in mode else file

        monkeypatch.setattr(Path, "open", limited)

    return fill


@pytest.mark.parametrize("room", [0, 1, 200], ids=["no room", "one byte", "one record"])
def test_a_full_disk_leaves_the_records_as_they_were(
    run: RunFolder, full_disk: Callable[[int], None], room: int
) -> None:
    run.append([record("k1")])
    whole = run.records_file.read_bytes()
    full_disk(room)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        run.append([record("k2"), record("k3")])
    assert caught.value.exit_code == 3
    assert run.records_file.read_bytes() == whole


def test_a_write_in_several_pieces_arrives_whole(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, full_disk: Callable[[int], None]
) -> None:
    full_disk(10**6)
    limited = Path.open

    def slow(path: Path, *args: Any, **options: Any) -> Any:
        file = limited(path, *args, **options)
        if path == run.records_file and args[:1] == ("ab",):
            write = file.write
            file.write = lambda data: write(data[:7])
        return file

    monkeypatch.setattr(Path, "open", slow)
    run.append([record("k1"), record("k2")])
    assert keys(run) == ["k1", "k2"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_without_room_is_a_storage_error(run: RunFolder) -> None:
    run.records_file.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device"):
        run.append([record("k")])


def test_a_manifest_that_cannot_be_written_leaves_the_old_one_and_no_rest(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_call({"call_id": "c1"})

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError):
        run.write_call({"call_id": "c2"})
    assert [call["call_id"] for call in run.manifest()["calls"]] == ["c1"]
    assert [file.name for file in run.path.iterdir()] == ["manifest.json"]


def test_a_call_is_updated_in_place(run: RunFolder) -> None:
    run.write_call({"call_id": "c1", "ended": None})
    run.write_call({"call_id": "c2", "ended": None})
    run.write_call({"call_id": "c2", "ended": "now"})
    assert [(c["call_id"], c["ended"]) for c in run.manifest()["calls"]] == [
        ("c1", None),
        ("c2", "now"),
    ]
    assert run.exists


def test_records_set_aside_are_kept(run: RunFolder) -> None:
    run.append([record("k1")])
    content = run.records_file.read_bytes()
    run.checkpoint_file("b").parent.mkdir()
    run.checkpoint_file("b").write_bytes(b"half")
    run.set_aside("c2")
    assert list(run.records()) == []
    assert (run.path / "records.before-c2.jsonl").read_bytes() == content
    assert not run.checkpoint_file("b").exists(), "starting afresh goes on from nowhere"


def test_check_points_are_dropped_by_name(run: RunFolder) -> None:
    run.checkpoint_file("a").parent.mkdir()
    for key in ("a", "b"):
        run.checkpoint_file(key).write_bytes(b"half")
    run.drop_checkpoints(["a", "never written"])
    assert [file.name for file in run.checkpoint_file("b").parent.iterdir()] == ["b.safetensors"]
    run.drop_checkpoints(["b"])
    assert not run.checkpoint_file("b").parent.exists()
    run.drop_checkpoints(["b"])


def test_what_a_kill_left_of_a_check_point_being_written_does_not_keep_the_folder(tmp_path):
    """safetensors writes to a name of its own beside the file and renames it."""
    run = RunFolder(tmp_path)
    folder = run.checkpoint_file("a").parent
    folder.mkdir()
    (folder / ".tmpQVdmNB").write_bytes(b"half")
    run.checkpoint_file("a").write_bytes(b"whole")
    with run.lock():
        assert run.checkpoint_file("a").exists()
        run.drop_checkpoints(["a"])
    assert not folder.exists()


def test_series_are_float32_readable_without_pickle_and_checksummed(run: RunFolder) -> None:
    about = run.write_series("k1", {"squared_error": np.array([0.1, 2.0]), "lead": [1, 2, 3]})
    assert about["path"] == "series/k1.npz"
    stored = (run.path / about["path"]).read_bytes()
    assert about["sha256"] == hashlib.sha256(stored).hexdigest()
    with np.load(run.path / about["path"], allow_pickle=False) as series:
        assert {name: series[name].dtype.str for name in series} == {
            "squared_error": "<f4",
            "lead": "<f4",
        }
        np.testing.assert_array_equal(series["squared_error"], np.float32([0.1, 2.0]))


def test_records_never_hold_what_json_cannot(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.append([record("k", value=float("nan"))])
    assert not run.records_file.exists()


def test_the_same_series_have_the_same_checksum_at_any_time(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip archive dates its members: records of two equal runs would differ by it."""
    series = {"a": np.arange(5.0), "b": np.ones((2, 2))}
    first = run.write_series("k", series)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(4e9))
    assert run.write_series("k", series) == first


def test_half_a_check_point_that_a_kill_left_goes_with_its_block(run: RunFolder) -> None:
    file = run.checkpoint_file("a")
    file.parent.mkdir()
    file.with_name(f".{file.name}.4711").write_bytes(b"half")
    run.drop_checkpoints(["a"])
    assert not file.parent.exists()
