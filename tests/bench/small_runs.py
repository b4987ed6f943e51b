"""Suites that run in a second, a memory that fails on demand, and what "same records" means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import plan, suite
from bench.plan import Plan
from bench.runner import Options
from bench.running.block import BlockResult
from bench.running.progress import Quiet

CAPACITY = "{name: capacity, params: {dim: 8, loads: [2, 4], pool: 16, episodes: 1}}"
DRIFT = (
    "{name: online-tsf, label: drift, params: {dataset: synth-drift, horizon: 4, lookback: 8, "
    "options: {rows: 300, channels: 2}}}"
)

TROUBLED = '''\
"""A memory that fails for one seed, in the way it is asked to."""

import os
import signal
import sys
import time
from typing import Literal

import torch

from bench import seeds
from bench.registry import memory
from memories.base import AssociativeMemory

FAILURES = {
    "raise": lambda values: 1 / 0,
    "sleep": lambda values: time.sleep(600),
    "exit": lambda values: os._exit(7),
    "kill": lambda values: os.kill(os.getpid(), signal.SIGKILL),
    "sys-exit": lambda values: sys.exit("enough"),
    "memory": lambda values: (_ for _ in ()).throw(MemoryError("no room")),
    "interrupt": lambda values: (_ for _ in ()).throw(KeyboardInterrupt),
}


@memory("troubled", family="test")
class Troubled(AssociativeMemory):
    """Fails for one seed.

    Args:
        how: What happens when it is written to or, for nan and shape, read.
        at: The seed it happens for; all if null.
    """

    vectorized = False

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        how: Literal[
            "none", "raise", "sleep", "exit", "kill", "sys-exit", "memory", "interrupt",
            "nan", "shape",
        ] = "none",
        at: int | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        mine = generator.initial_seed()
        hit = at is None or mine == seeds.torch_generator(at, seeds.INIT).initial_seed()
        self._how = how if hit else "none"

    def init_state(self):
        return {"sum": torch.zeros(self.value_dim)}

    def write(self, state, keys, values, times=None, contexts=None):
        if self._how in FAILURES:
            FAILURES[self._how](values)
        return {"sum": state["sum"] + values.sum(0)}

    def read(self, state, queries, times=None, contexts=None):
        out = state["sum"].expand(queries.shape[0], -1)
        if self._how == "nan":
            return out * torch.nan
        return out[:, 1:] if self._how == "shape" else out
'''


def suite_text(
    memories: str, tasks: str = CAPACITY, *, name: str = "small", seeds: str = "2", more: str = ""
) -> str:
    """A suite over flow-style entries, one per line: `memories` and `tasks` are such lines."""
    rows = ["name: " + name, "seeds: " + seeds, "memories:"]
    rows += [f"  - {line.strip()}" for line in memories.strip().splitlines()]
    rows += ["tasks:", *(f"  - {line.strip()}" for line in tasks.strip().splitlines()), more]
    return "\n".join(rows) + "\n"


def plan_of(folder: Path, text: str, **options: Any) -> Plan:
    """The plan of a suite's text, written to a file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "suite.yaml"
    file.write_text(text, encoding="utf-8")
    return plan.make(suite.load(file, **options))


def lines(folder: Path) -> list[dict[str, Any]]:
    """All records of a run's folder as they stand in the file."""
    text = (folder / "records.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def trials(folder: Path) -> dict[tuple[str, str, int | None], dict[str, Any]]:
    """The records of trials by label, task point and seed."""
    return {
        (r["label"], r["task_label"], r["seed"]): r for r in lines(folder) if r["kind"] == "trial"
    }


def comparable(folder: Path) -> list[str]:
    """What has to be equal in two runs of one suite: all but costs, times, calls and order."""
    kept = [
        {k: v for k, v in record.items() if k not in ("costs", "wall_s", "call_id", "left")}
        for record in lines(folder)
        if record["kind"] == "trial"
    ]
    return sorted(json.dumps(record, sort_keys=True) for record in kept)


HERE = Options(timeout_s=None)
"""In this process: workers take seconds to start and are tried once, together."""

SMALL = suite_text(
    "{name: linear-assoc, tasks: [capacity]}\n{name: persistence, tasks: [drift]}",
    f"{CAPACITY}\n{DRIFT}",
)


def statuses(folder: Path) -> dict[str, list[str]]:
    """Per label the statuses by seed."""
    found: dict[str, dict[int | None, str]] = {}
    for (label, _, seed), record in trials(folder).items():
        found.setdefault(label, {})[seed] = record["status"]
    return {label: [by_seed[seed] for seed in sorted(by_seed)] for label, by_seed in found.items()}


class Watcher(Quiet):
    """Counts the trials that really ran; may interrupt after some blocks."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.ran: list[tuple[str, int | None]] = []
        self.blocks = 0
        self.interrupt_after = interrupt_after

    def finished(self, result: BlockResult) -> None:
        self.ran += [(r["label"], r["seed"]) for r in result.records]
        self.blocks += 1
        if self.blocks == self.interrupt_after:
            raise KeyboardInterrupt
