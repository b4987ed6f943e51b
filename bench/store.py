"""A run is a folder with a log that can always be continued.

    manifest.json     one entry per call: suite as resolved, whole plan, provenance
    records.jsonl     one line per trial, appended by one writer
    records.jsonl.gz  records that come before those, packed: what a slim merge leaves
    series/           long per-step series, named by trial key
    checkpoints/      where unfinished long blocks go on

A record is on disk before the next block starts. What a kill in the middle of a write leaves, a
torn last line or a part of a block, is cut off by the next writer; readers ignore a torn line.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench.errors import MembError, StorageError

RECORD_SCHEMA = "memb-record/1"
MANIFEST_SCHEMA = "memb-manifest/1"

LEFT = "left"
"""Key of a record: how many records of its block were still to follow in the same append."""

Record = dict[str, Any]


class RunFolder:
    """One run on disk.

    Args:
        path: The folder; created by the first `lock`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records_file = path / "records.jsonl"
        self.packed_file = path / "records.jsonl.gz"
        self.manifest_file = path / "manifest.json"

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded here."""
        return self.manifest_file.exists()

    def series_file(self, trial_key: str) -> Path:
        """Where the long series of a trial stand."""
        return self.path / "series" / f"{trial_key}.npz"

    def checkpoint_file(self, block_key: str) -> Path:
        """Where an unfinished block keeps its state."""
        return self.path / "checkpoints" / f"{block_key}.safetensors"

    def drop_checkpoints(self, block_keys: Iterable[str]) -> None:
        """Forget where these blocks were, finished or not; the folder goes with the last one."""
        for key in block_keys:
            file = self.checkpoint_file(key)
            # a training leaves one of its own beside it, and a kill half of one
            for left in (*file.parent.glob(f"{key}.*"), *file.parent.glob(f".{key}.*")):
                left.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not there, or others are in it
            (self.path / "checkpoints").rmdir()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder as its only writer.

        Raises:
            MembError: If another process holds it (named by pid and host), or it cannot be written.
        """
        from filelock import FileLock, Timeout

        owner = self.path / ".owner.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise MembError(
                f"another run is writing to {self.path}: {_owner(owner)}",
                help="wait for it, or give this run a folder of its own with --output",
            ) from None
        except OSError as err:
            raise MembError(
                f"cannot write to {self.path}: {err.strerror or err}",
                help="make the folder writable, or choose another with --output",
            ) from err
        try:
            holder = {"pid": os.getpid(), "host": socket.gethostname()}
            self._guarded(lambda: owner.write_text(json.dumps(holder), encoding="utf-8"))
            self._guarded(self._cut_torn_block)
            self._guarded(self._drop_half_written)
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()

    def _guarded(self, write: Callable[[], object]) -> None:
        """Do a write; a full or read-only disk stops the run with its records intact."""
        try:
            write()
        except OSError as err:
            raise StorageError(
                f"cannot write to {self.path}: {err.strerror or err}",
                help="records written so far are intact; free some space and run the same command",
            ) from err

    def _drop_half_written(self) -> None:
        """Remove what safetensors was writing when a kill came; it goes by a name of its own."""
        for left in (self.path / "checkpoints").glob(".tmp*"):
            left.unlink(missing_ok=True)

    def _cut_torn_block(self) -> None:
        """Cut off what a kill left of one append: a torn line, and lines whose block has no end.

        A block's seeds are lanes of one call: run again without some of them, they might differ
        in their last bits.
        """
        if not self.records_file.exists():
            return
        content = self.records_file.read_bytes()
        end = content.rfind(b"\n") + 1
        while end and _left(content, end):
            end = content.rfind(b"\n", 0, end - 1) + 1
        if end < len(content):
            os.truncate(self.records_file, end)

    def append(self, records: list[Record]) -> None:
        """Put the records of one block on disk: one write, flushed and synced.

        Raises:
            StorageError: If the disk refuses; what a partial write left is cut off again.
        """
        last = len(records) - 1
        text = "".join(
            json.dumps(record | {LEFT: last - k}, allow_nan=False, separators=(",", ":")) + "\n"
            for k, record in enumerate(records)
        )
        before = self.records_file.stat().st_size if self.records_file.exists() else 0

        def write() -> None:
            with self.records_file.open("ab", buffering=0) as file:
                data = memoryview(text.encode())
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())

        try:
            self._guarded(write)
        except StorageError:
            with contextlib.suppress(OSError):
                os.truncate(self.records_file, before)
            raise

    def records(self) -> Iterator[Record]:
        """All complete records, in the order they were written.

        Raises:
            MembError: If a line before the last is not a record of a known schema, or the packed
                records are damaged.
        """
        if self.packed_file.exists():
            yield from _unpacked(self.packed_file)
        if not self.records_file.exists():
            return
        with self.records_file.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                yield _record(line, self.records_file, number)

    def set_aside(self, call_id: str) -> None:
        """Rename the records so that every trial runs again from its beginning; none is deleted."""
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        for file in (self.packed_file, self.records_file):
            if file.exists():
                aside = self.path / file.name.replace("records.", f"records.before-{call_id}.", 1)
                self._guarded(functools.partial(file.rename, aside))

    def write_series(self, trial_key: str, series: Mapping[str, Any]) -> dict[str, str]:
        """Store float32 series as an npz; its relative path and checksum, for the record."""
        content = _npz(series)
        file = self.series_file(trial_key)
        self._guarded(lambda: _replace(file, content))
        digest = hashlib.sha256(content).hexdigest()
        return {"path": file.relative_to(self.path).as_posix(), "sha256": digest}

    def manifest(self) -> dict[str, Any]:
        """The manifest, empty if there is none yet.

        Raises:
            MembError: If the file cannot be read as one.
        """
        if not self.manifest_file.exists():
            return {"schema": MANIFEST_SCHEMA, "calls": []}
        try:
            manifest: dict[str, Any] = orjson.loads(self.manifest_file.read_bytes())
        except ValueError as err:
            raise MembError(f"not a manifest: {err}", place=str(self.manifest_file)) from err
        _expect_schema(manifest, MANIFEST_SCHEMA, str(self.manifest_file))
        return manifest

    def write_call(self, call: Mapping[str, Any]) -> None:
        """Add or update the entry of one call, by its `call_id`."""
        manifest = self.manifest()
        calls = [c for c in manifest["calls"] if c["call_id"] != call["call_id"]]
        manifest["calls"] = [*calls, dict(call)]
        text = json.dumps(manifest, allow_nan=False, indent=1)
        self._guarded(lambda: _replace(self.manifest_file, text.encode()))


def _left(content: bytes, end: int) -> int:
    """Records that had to follow the line ending there, in the same append."""
    start = content.rfind(b"\n", 0, end - 1) + 1
    try:
        return int(json.loads(content[start:end]).get(LEFT, 0))
    except (ValueError, AttributeError):
        return 0  # a damaged line is not a torn one: reading it says what is wrong


def _unpacked(file: Path) -> Iterator[Record]:
    try:
        lines = gzip.decompress(file.read_bytes()).splitlines()
    except (OSError, EOFError, zlib.error) as err:
        raise MembError(
            f"damaged: {err}", place=str(file), help="restore the file, or merge the runs again"
        ) from err
    for number, line in enumerate(lines, start=1):
        yield _record(line, file, number)


def _record(line: bytes, file: Path, number: int) -> Record:
    try:
        record: Record = orjson.loads(line)
    except ValueError as err:
        raise MembError(
            f"not a record: {err}",
            place=f"{file}:{number}",
            help="restore the file, or delete that line: its trial will run again",
        ) from err
    if not isinstance(record, dict) or record.get("schema") != RECORD_SCHEMA:
        _expect_schema(record, RECORD_SCHEMA, f"{file}:{number}")
    record.pop(LEFT, None)
    return record


def _expect_schema(read: Any, expected: str, place: str) -> None:
    found = read.get("schema") if isinstance(read, dict) else None
    if found != expected:
        raise MembError(
            f"schema {found!r}, this memb reads {expected!r}",
            place=place,
            help="use the version of memb that wrote it, or name another folder with --output",
        )


def best_records(records: Iterator[Record]) -> dict[str, Record]:
    """One record per trial key: a later ok supersedes a failure, a later failure an earlier one.

    Raises:
        MembError: If a key has two ok records with different quality values.
    """
    best: dict[str, Record] = {}
    for record in records:
        key = record["trial_key"]
        known = best.get(key)
        if known is None or known["status"] != "ok":
            best[key] = record
        elif record["kind"] == "trial" and record["status"] == "ok":
            _refuse_contradiction(known, record)
    return best


def _refuse_contradiction(known: Record, record: Record) -> None:
    if record["metrics"] != known["metrics"]:
        raise MembError(
            f"trial {record['trial_key']} ({record['label']} on {record['task_label']}, seed "
            f"{record['seed']}) has two records with different values",
            help="the trial is not reproducible, or the file was edited: see 'memb run --fresh'",
        )


def _npz(series: Mapping[str, Any]) -> bytes:
    """An npz of float32 arrays; the same arrays give the same bytes, as `numpy.savez` does not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in series.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, whatever the time
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as file:
                array = np.ascontiguousarray(values, np.float32)
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def _replace(file: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: readers never see half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _owner(file: Path) -> str:
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError):
        return "a process that has not said which"
