"""How long a cell may take, from its first moments: for a plan that has no earlier run to go by."""

from __future__ import annotations

import time

from bench.plan import Cell
from bench.running import construct
from bench.running.workbench import Workbench

PROBE_S = 1.0
"""Seconds of progress that an estimate is taken from."""


class _Enough(BaseException):
    """Ends a probe; no memory or task may catch it."""


class _Clock:
    """Times the progress a task reports, and stops it when that is enough to go by.

    A total that changes begins another part of the work, at another pace.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first: tuple[float, int] | None = None
        self.total = 0
        self.estimate: float | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if self.first is None or total != self.total:
            self.first, self.total = (now, done), total
            return
        since, before = self.first
        if now - since >= PROBE_S and done > before:
            per_step = (now - since) / (done - before)
            self.estimate = since - self.started + per_step * (total - before)
            raise _Enough


def probe(cell: Cell, device: str) -> float | None:
    """Seconds that the cell with all its seeds may take; None if it fails.

    What it prepares on the way (pre-trained backbones) is kept in the shared cache for the run; a
    pre-training that takes long enough to report progress is all that is timed.
    """
    task = construct.build_task(cell.task, cell.task_params)
    seeds = [0 if seed is None else seed for seed in cell.trials]
    clock = _Clock()
    try:
        task.run(Workbench(cell, seeds, device=device, progress=clock))
    except _Enough:
        return clock.estimate
    except Exception:  # noqa: BLE001 - the run will record why; here it only means "unknown"
        return None
    return time.perf_counter() - clock.started
