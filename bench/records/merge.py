"""One run folder from several: what `memb merge` writes.

The result is a run like any other. Its manifest holds one call that planned the cells of all runs,
with the provenance of every call behind the records; `bench.records.union` says which cells are
united.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import MembError, StorageError
from bench.records import union
from bench.records.union import Call, Union
from bench.store import MANIFEST_SCHEMA, Record, RunFolder


@dataclass(frozen=True)
class Merged:
    """What a merge came to.

    Attributes:
        folder: The new run folder.
        runs: The runs that went into it.
        memories: Labels of memories, in order.
        tasks: Labels of tasks, in order.
        n_trials: Trials of the plan.
        n_records: Records written, costs included.
        apart: Label, task and marks of each row that differs from another run's row of that name.
        remarks: What else there is to know.
    """

    folder: Path
    runs: tuple[Path, ...]
    memories: tuple[str, ...]
    tasks: tuple[str, ...]
    n_trials: int
    n_records: int
    apart: tuple[tuple[str, str, str], ...]
    remarks: tuple[str, ...]


def merge(runs: Sequence[Path], output: Path, *, slim: bool = False) -> Merged:
    """Write the runs as one; the sources are only read, nothing is overwritten.

    Args:
        runs: Run folders; each counts as its latest call planned it.
        output: The new folder; it must not exist, or be empty.
        slim: Keep what tables need: no curves, no series, the records packed, and of the
            provenance neither host nor the path of the command. Such a folder is small enough to
            be committed.

    Raises:
        MembError: If a run cannot be read, two runs contradict each other, a series is missing
            or damaged, or the output is not empty.
        StorageError: If the disk refuses; nothing is left behind.
    """
    _refuse_used(output)
    sources = [union.read(RunFolder(path)) for path in runs]
    together = union.unite(sources)
    call = _slim_call(together.whole.call) if slim else together.whole.call
    records = list(_in_order(call, together.whole.best))
    building = output.with_name(f".{output.name}.merging-{os.getpid()}")
    try:
        building.mkdir(parents=True)
        if slim:
            _write_packed(building, call, [_slim(record) for record in records])
        else:
            _copy_series(building, records, together)
            _write(building, call, records)
        if output.exists():
            output.rmdir()
        building.rename(output)
    except OSError as err:
        raise StorageError(
            f"cannot write {output}: {err.strerror or err}",
            help="the runs are untouched; free some space, or choose another folder",
        ) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _summary(output, runs, call, len(records))


def _refuse_used(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        found = "is not empty" if output.is_dir() else "is not a folder"
        raise MembError(
            f"{output} {found}", help="name a folder that does not exist yet with --output"
        )


def _in_order(call: Call, best: Mapping[str, Record]) -> Iterator[Record]:
    """The records of a plan in its order: a cell's trials by seed, then its costs."""
    costs: dict[str, list[Record]] = {}
    for record in best.values():
        if record["kind"] == "costs":
            costs.setdefault(record["cell_key"], []).append(record)
    written: set[str] = set()
    for cell in call["plan"]:
        trials = [best[key] for _, key in cell["trials"] if key in best]
        for record in [*trials, *costs.get(cell["cell_key"], ())]:
            if record["trial_key"] not in written:
                written.add(record["trial_key"])
                yield record


def _copy_series(target: Path, records: Sequence[Record], together: Union) -> None:
    for record in records:
        stored = record.get("series")
        if not stored:
            continue
        origin = together.origins[record["trial_key"]].folder.path / stored["path"]
        what = f"the series of {record['label']} on {record['task_label']}, seed {record['seed']}"
        remedy = "restore the file, or leave all series out with --slim"
        if not origin.is_file():
            raise MembError(f"{what} is missing", place=str(origin), help=remedy)
        content = origin.read_bytes()
        if hashlib.sha256(content).hexdigest() != stored["sha256"]:
            raise MembError(f"{what} is not what was recorded", place=str(origin), help=remedy)
        copy = target / stored["path"]
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(content)


def _write(target: Path, call: Call, records: Sequence[Record]) -> None:
    folder = RunFolder(target)
    folder.records_file.write_text(_lines(records), encoding="utf-8")
    folder.write_call(call)


def _write_packed(target: Path, call: Call, records: Sequence[Record]) -> None:
    folder = RunFolder(target)
    # no time and no name in the header: the same records are the same bytes
    folder.packed_file.write_bytes(gzip.compress(_lines(records).encode(), 9, mtime=0))
    manifest = {"schema": MANIFEST_SCHEMA, "calls": [call]}
    text = json.dumps(manifest, allow_nan=False, separators=(",", ":"))
    folder.manifest_file.write_text(text + "\n", encoding="utf-8")


def _lines(records: Sequence[Record]) -> str:
    return "".join(
        json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n" for record in records
    )


def _slim(record: Record) -> Record:
    """A record without curves and series; costs are kept whole."""
    if record["kind"] != "trial":
        return record
    metrics = [m for m in record["metrics"] if m["primary"] or m.get("x") is None]
    return {**record, "metrics": metrics, "series": None}


def _slim_call(call: Call) -> Call:
    """A call that says nothing of whose machine it was."""
    sources = [
        {**source, "calls": [_anonymous(call) for call in source["calls"]]}
        for source in call["sources"]
    ]
    return {**_anonymous(call), "slim": True, "sources": sources}


def _anonymous(call: Mapping[str, Any]) -> Call:
    provenance = {key: value for key, value in call["provenance"].items() if key != "host"}
    if command := provenance.get("command"):
        provenance["command"] = [Path(command[0]).name, *command[1:]]
    return {**call, "provenance": provenance}


def _summary(output: Path, runs: Sequence[Path], call: Call, n_records: int) -> Merged:
    cells = call["plan"]
    apart = [
        (cell["label"], cell["task_label"], mark)
        for cell in cells
        for mark in cell["standing"]["marks"]
        if mark.startswith("differs: ")
    ]
    return Merged(
        folder=output,
        runs=tuple(runs),
        memories=tuple(dict.fromkeys(cell["label"] for cell in cells)),
        tasks=tuple(dict.fromkeys(cell["task_label"] for cell in cells)),
        n_trials=sum(len(cell["trials"]) for cell in cells),
        n_records=n_records,
        apart=tuple(apart),
        remarks=tuple(call["remarks"]),
    )
