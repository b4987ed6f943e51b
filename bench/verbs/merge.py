"""What `memb merge` does and prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import console
from bench.records.merge import Merged, merge


def merge_runs(runs: Sequence[Path], output: Path, *, slim: bool, json_: bool, quiet: bool) -> None:
    """Merge, and tell what was kept apart and why."""
    done = merge(runs, output, slim=slim)
    if json_:
        console.print_json(_described(done))
    if not quiet:
        _tell(done)


def _described(done: Merged) -> dict[str, object]:
    return {
        "schema": "memb-merge/1",
        "folder": str(done.folder),
        "runs": [str(run) for run in done.runs],
        "memories": list(done.memories),
        "tasks": list(done.tasks),
        "trials": done.n_trials,
        "records": done.n_records,
        "apart": [{"label": label, "task": task, "mark": mark} for label, task, mark in done.apart],
        "remarks": list(done.remarks),
    }


def _tell(done: Merged) -> None:
    runs = f"{len(done.runs)} run{'s' if len(done.runs) > 1 else ''}"
    console.note(
        f"{runs}: {len(done.memories)} memories, {len(done.tasks)} task points, {done.n_trials} "
        f"trials, {done.n_records} records -> {done.folder}"
    )
    by_mark: dict[tuple[str, str], list[str]] = {}
    for label, task, mark in done.apart:
        by_mark.setdefault((label, mark), []).append(task)
    for (label, mark), tasks in by_mark.items():
        console.note(f"kept apart: {label} on {', '.join(tasks)}: {mark}")
    for remark in done.remarks:
        console.note(f"warning: {remark}")
    console.note(f"next: memb compare {done.folder}")
