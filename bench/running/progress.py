"""What a run shows while it runs: a bar on a terminal, one plain line per cell elsewhere.

Everything goes to stderr; stdout is for data.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

    from bench.running.block import Block, BlockResult
    from bench.store import Record

KEY_DIGITS = 6
"""Digits of a trial's key that tell trials of a suite apart well enough to be printed."""


class Progress(Protocol):
    """Receives what happens during a run."""

    def running(
        self, n_trials: int, n_cached: int, blocks: Sequence[Block]
    ) -> contextlib.AbstractContextManager[None]:
        """Around the whole run."""

    def report(self, block_key: str, done: int, total: int) -> None:
        """How far an unfinished block is."""

    def finished(self, result: BlockResult) -> None:
        """A block's records are on disk."""


class Quiet:
    """Shows nothing."""

    @contextlib.contextmanager
    def running(self, n_trials: int, n_cached: int, blocks: Sequence[Block]) -> Iterator[None]:  # noqa: ARG002
        """Around the whole run."""
        yield

    def report(self, block_key: str, done: int, total: int) -> None:
        """Nothing."""

    def finished(self, result: BlockResult) -> None:
        """Nothing."""


class Lines(Quiet):
    """One plain line per finished block.

    Args:
        console: Where to write, stderr.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def finished(self, result: BlockResult) -> None:
        """Print the block's line."""
        self.console.print(line(result), highlight=False, markup=False, soft_wrap=True)


class Bar(Lines):
    """A bar over all trials with time left, above it the line of each finished block."""

    @contextlib.contextmanager
    def running(self, n_trials: int, n_cached: int, blocks: Sequence[Block]) -> Iterator[None]:
        """Show the bar while the run lasts."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._share = {block.key: len(block.seeds) for block in blocks}
        self._cell = {block.key: block.cell.cell_key for block in blocks}
        self._partial: dict[str, float] = {}
        self._done, self._failed, self._cached = float(n_cached), 0, n_cached
        self._started = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self.console, transient=True) as bar:
            self._bar = bar
            self._task = bar.add_task(self._words(), total=n_trials, completed=n_cached)
            yield

    def report(self, block_key: str, done: int, total: int) -> None:
        """Count the finished share of a running block."""
        if block_key in self._share and total:
            self._partial[block_key] = self._share[block_key] * done / total
            self._update()

    def finished(self, result: BlockResult) -> None:
        """Print the block's line and move the bar."""
        super().finished(result)
        trials = [record for record in result.records if record["kind"] == "trial"]
        cell = result.block.cell.cell_key  # lanes tried again alone end their block's share too
        self._partial = {k: share for k, share in self._partial.items() if self._cell[k] != cell}
        self._done += len(trials)
        self._failed += sum(record["status"] != "ok" for record in trials)
        self._update()

    def _update(self) -> None:
        completed = int(self._done + sum(self._partial.values()))
        self._bar.update(self._task, completed=completed, description=self._words())

    def _words(self) -> str:
        words = [f"{self._failed} FAILED"] if self._failed else []
        words += [f"{self._cached} cached"] if self._cached else []
        return " ".join(["running", *(f"({word})" for word in words)])


def line(result: BlockResult) -> str:
    """One line about a finished block: cell, trials by status, time, state size."""
    cell = result.block.cell
    trials = [record for record in result.records if record["kind"] == "trial"]
    counts = Counter(record["status"] for record in trials)
    ok = f"{counts['ok']}/{len(trials)} ok"
    words = [f"{cell.label:<18}", f"{cell.task_label:<40}", f"{ok:>9}", f"{result.wall_s:8.1f} s"]
    state = next((r["costs"]["state_floats"] for r in trials if r["costs"]), None)
    if state is not None:
        words.append(f"{state:>10,.0f} floats")
    failed = [record for record in trials if record["status"] != "ok"]
    words += [f"FAILED {alike.where}: {alike.what}" for alike in failures(failed)]
    return "  ".join(words)


@dataclass(frozen=True)
class Failure:
    """Trials of one cell that failed for the same reason.

    Attributes:
        cell: Memory and task in words.
        seeds: Which seeds, in words.
        what: Status and reason.
        trial_key: The first trial's key.
    """

    cell: str
    seeds: str
    what: str
    trial_key: str

    @property
    def where(self) -> str:
        """Seeds and the beginning of a key that `memb run --trial` takes."""
        return f"{self.seeds} (trial {self.trial_key[:KEY_DIGITS]})"


def failures(records: Sequence[Record]) -> list[Failure]:
    """Failed records, those of one cell and one reason together."""
    together: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cell = f"{record['label']} on {record['task_label']}"
        what = f"{record['status']}: {record['message']}"
        together.setdefault((cell, what), []).append(record)
    return [
        Failure(cell, _seeds(alike), what, alike[0]["trial_key"])
        for (cell, what), alike in together.items()
    ]


def _seeds(records: Sequence[Record]) -> str:
    seeds = [str(record["seed"]) for record in records if record["seed"] is not None]
    if not seeds:
        return "all seeds"
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
