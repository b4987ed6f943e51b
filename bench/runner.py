"""Running a suite: what is missing is run, what is done is kept, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.errors import MembError
from bench.plan import Cell, Plan
from bench.provenance import now, provenance
from bench.running.block import Block, BlockResult, run_block, skipped
from bench.running.checkpoint import EVERY_S
from bench.running.executors import Executor, InProcess, Workers
from bench.running.progress import Progress, Quiet
from bench.store import Record, RunFolder, best_records

CachePolicy = Literal["only-missing", "never", "only-cache"]
FAILURES = ("error", "nonfinite", "timeout", "oom")
"""Statuses that make a run exit with 3."""


@dataclass(frozen=True)
class Options:
    """How to run, none of it part of a trial's key.

    Attributes:
        jobs: Worker processes.
        device: Torch device name.
        timeout_s: Seconds per block; None for no limit, which with one job runs in this process.
        cache: ``only-missing`` runs what has no ok record; ``never`` sets old records aside and
            runs everything; ``only-cache`` runs nothing.
        checkpoint_s: Seconds between check-points of a long block.
        plugins: Plug-ins that workers load too.
    """

    jobs: int = 1
    device: str = "cpu"
    timeout_s: float | None = 3600.0
    cache: CachePolicy = "only-missing"
    checkpoint_s: float = EVERY_S
    plugins: tuple[str, ...] = ()


@dataclass
class Summary:
    """What a call came to.

    Attributes:
        folder: Where the records are.
        n_trials: Trials of the plan.
        n_cached: Those that had an ok record before.
        statuses: Trials of the plan by final status; ``missing`` for those never run.
        failures: The failed records.
        wall_s: Seconds the call took.
    """

    folder: Path
    n_trials: int
    n_cached: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[Record] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """3 if a trial failed, else 0."""
        return 3 if any(self.statuses[status] for status in FAILURES) else 0


def run(plan: Plan, folder: Path, options: Options, progress: Progress | None = None) -> Summary:
    """Run what the plan lacks, into a folder that later calls continue.

    Args:
        plan: All cells of the suite.
        folder: The run's folder.
        options: How to run.
        progress: Shown while running; nothing if None.

    Raises:
        MembError: If the folder is held by another run or cannot be written.
        StorageError: If the disk refuses a record; everything before it is kept.
        KeyboardInterrupt: Passed on; everything finished is kept.
    """
    start = time.perf_counter()
    store = RunFolder(folder)
    call_id = f"{now().replace(':', '').replace('-', '')}-{secrets.token_hex(3)}"
    with store.lock():
        call = _call(plan, options, call_id)
        store.write_call(call)
        if options.cache == "never":
            store.set_aside(call_id)
        done = best_records(store.records())
        cached = sum(done.get(key, {}).get("status") == "ok" for key in plan.trials)
        try:
            if options.cache != "only-cache":
                _Call(plan, store, options, call_id, done).execute(progress or Quiet(), cached)
            call["ended"] = now()
        finally:
            call["stopped"] = now()
            store.write_call(call)
    summary = summarise(plan, store)
    summary.n_cached = cached
    summary.wall_s = time.perf_counter() - start
    return summary


def summarise(plan: Plan, store: RunFolder) -> Summary:
    """How the trials of a plan stand in a folder."""
    best = best_records(store.records())
    summary = Summary(store.path, len(plan.trials))
    for key in plan.trials:
        record = best.get(key)
        status = record["status"] if record else "missing"
        summary.statuses[status] += 1
        if record and status in FAILURES:
            summary.failures.append(record)
    return summary


def debug(plan: Plan, prefix: str, options: Options, folder: Path) -> list[Record]:
    """Run one trial alone in this process and return its records; nothing is stored.

    Args:
        plan: The plan that holds the trial.
        prefix: Beginning of its key, as the tables and error messages print it.
        options: How to run; no time limit and no check-points apply.
        folder: The run's folder, for its name only.

    Raises:
        MembError: If no trial or more than one has a key that begins so.
    """
    matches = [key for key in plan.trials if key.startswith(prefix)]
    if len(matches) != 1:
        found = "no trial" if not matches else f"{len(matches)} trials"
        raise MembError(
            f"{found} with a key that begins with '{prefix}'",
            help="'memb plan SUITE -v' lists the keys of all trials",
        )
    cell, seed = plan.trials[matches[0]]
    block = Block(
        cell, (seed,), "debug", folder / "debug", options.device, checkpoint_s=float("inf")
    )
    if cell.skipped:
        return skipped(block)
    return run_block(block).records


def _call(plan: Plan, options: Options, call_id: str) -> dict[str, object]:
    """The manifest's entry of this call."""
    return {
        "call_id": call_id,
        "started": now(),
        "ended": None,
        "stopped": None,
        "pid": os.getpid(),
        "jobs": options.jobs,
        "timeout_s": options.timeout_s,
        "suite": plan.suite.describe(),
        "plan": [cell.describe() for cell in plan.cells],
        "provenance": provenance(options.device),
    }


@dataclass
class _Call:
    """The work of one call.

    Attributes:
        plan: All cells of the suite.
        store: The run's folder, locked.
        options: How to run.
        call_id: Name of the call.
        done: The best record of every key, kept up to date.
    """

    plan: Plan
    store: RunFolder
    options: Options
    call_id: str
    done: dict[str, Record]

    def execute(self, progress: Progress, cached: int) -> None:
        """Run what is missing: all trials first, then the costs of the cells that have a score."""
        skipped_cells = self._blocks(skipped=True)
        for block in skipped_cells:
            self.store.append(skipped(block))
        blocks = self._blocks(skipped=False)
        settled = cached + sum(len(block.seeds) for block in skipped_cells)
        with (
            contextlib.closing(self._executor()) as executor,
            progress.running(len(self.plan.trials), settled, blocks),
        ):
            for result in executor.run(blocks, progress.report):
                self._keep(result)
                progress.finished(result)
            for result in executor.run(self._cost_blocks(), progress.report):
                self._keep(result)
        self._clean_up(blocks)

    def _clean_up(self, blocks: Sequence[Block]) -> None:
        """Drop all check-points but those from which the next call goes on."""
        awaited = {block.key for block in self._blocks(skipped=False) if self._late(block)}
        # lanes that were tried again alone have left the check-point of the block they came from
        for block in blocks:
            self.store.drop_checkpoints(block.keys - awaited)
        if self.store.checkpoint_file("any").parent.exists():
            # an earlier call was killed after a block's records and before its check-point went
            for cell in self.plan.cells:
                whole = self._block(cell, tuple(cell.trials))
                self.store.drop_checkpoints(whole.keys - awaited)

    def _late(self, block: Block) -> bool:
        """Whether time ran out on all trials of a block; the next call then goes on with it."""
        keys = [block.cell.trials[seed] for seed in block.seeds]
        return bool(keys) and all(self.done.get(k, {}).get("status") == "timeout" for k in keys)

    def _executor(self) -> Executor:
        if self.options.timeout_s is None and self.options.jobs == 1:
            return InProcess()
        return Workers(min(self.options.jobs, len(self.plan.cells)))

    def _blocks(self, *, skipped: bool) -> list[Block]:
        """Per cell the seeds that have no final record, as one block of lanes."""
        blocks = []
        for cell in self.plan.cells:
            todo = tuple(
                seed
                for seed, key in cell.trials.items()
                if self.done.get(key, {}).get("status") not in ("ok", "skipped")
            )
            if todo and bool(cell.skipped) is skipped:
                blocks.append(self._block(cell, todo))
        return blocks

    def _cost_blocks(self) -> list[Block]:
        """Cells that have a score and were never measured."""
        return [
            self._block(cell, ())
            for cell in self.plan.cells
            if cell.cost_key(self.options.device) not in self.done
            and any(self.done.get(k, {}).get("status") == "ok" for k in cell.trials.values())
        ]

    def _block(self, cell: Cell, seeds: tuple[int | None, ...]) -> Block:
        options = self.options
        return Block(
            cell,
            seeds,
            self.call_id,
            self.store.path,
            options.device,
            options.timeout_s,
            options.checkpoint_s,
            options.plugins,
        )

    def _keep(self, result: BlockResult) -> None:
        """Put a block's series and records on disk, then drop its check-points if it is done."""
        for record in result.records:
            series = result.series.get(record["trial_key"])
            if series:
                record["series"] = self.store.write_series(record["trial_key"], series)
        self.store.append(result.records)
        self.done.update((record["trial_key"], record) for record in result.records)
        if not self._late(result.block):
            self.store.drop_checkpoints(result.block.keys)
