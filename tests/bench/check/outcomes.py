"""Reports of checks made by hand, one cell per kind of verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.check.model import (
    Cell,
    CellVerdict,
    CheckReport,
    EnvironmentDifference,
    Policy,
    Repeats,
    Source,
)
from bench.stats.intervals import Interval
from bench.tolerances import LOSS, Tolerance

MACHINE = "ab" * 32


def cell(label: str, metric: str = "mse", task: str = "drift", **more: Any) -> Cell:
    """A loss of five seeds, or what `more` makes of it."""
    made = Cell(
        cell_id=f"{task}-{label}-{metric}-{more.get('x')}",
        row_id=f"{task}-{label}",
        label=label,
        memory=label,
        memory_params={"decay": 0.5},
        task="online-tsf",
        task_label=task,
        task_params={"horizon": 8},
        protocol_hash="p1",
        metric=metric,
        x=None,
        unit="",
        direction="lower",
        kind="quality",
        bounds=(0.0, None),
        resolution=0.0,
        primary=True,
        deterministic=False,
        tolerance=LOSS,
        exact_rtol=1e-5,
        values=dict.fromkeys(range(5), 0.4),
    )
    return replace(made, **more)


def cost(label: str, **more: Any) -> Cell:
    """A timed cost of ten repeats."""
    timed = Repeats((100.0,) * 10, (2.0,) * 10)
    return cell(
        label, "read_us", unit="us/query", kind="perf", primary=False, x=256.0, values={},
        tolerance=Tolerance(rel=0.25, abs=20.0), repeats=timed, exact_rtol=0.0, **more,
    )  # fmt: skip


def judged(label: str, verdict: Any, detail: Any, **more: Any) -> CellVerdict:
    """A verdict with every number that a test leaves."""
    found = CellVerdict(
        cell(label), verdict, detail, n=5, seeds=(0, 1, 2, 3, 4), baseline_mean=0.4,
        current_mean=0.43, sd=0.01, worsening=0.03, delta=0.008, change=0.075,
        change_interval=Interval(0.045, 0.105, 0.95, "t"), p_worse=0.0011, p_worse_holm=0.0077,
        p_ni=0.99, p_improved=0.9989, p_improved_holm=1.0, wall_s=1.5,
    )  # fmt: skip
    return replace(found, **more)


REGRESSED = judged("worse", "regressed", "beyond-tolerance")
MISSING = CellVerdict(cell("gone"), "regressed", "missing", "not in the plan of this run")
FAILED = CellVerdict(
    cell("broken"), "regressed", "failed", "seed 2: nonfinite: loss is NaN", wall_s=0.25
)
OPEN = judged(
    "open", "inconclusive", "suspect", message="about 15 seeds would clear it", seeds_to_clear=15,
    seeds_to_confirm=47, open_advice=True, p_worse_holm=0.533,
)  # fmt: skip
IMPROVED = judged(
    "better", "ok", "improved", current_mean=0.36, worsening=-0.04, change=-0.1,
    change_interval=Interval(-0.12, -0.08, 0.95, "t"), p_worse_holm=1.0,
)  # fmt: skip
IDENTICAL = judged(
    "same", "ok", "identical", current_mean=0.4, worsening=0.0, sd=0.0, change=0.0,
    change_interval=None, p_worse=1.0, p_worse_holm=1.0,
)  # fmt: skip
ELSEWHERE = CellVerdict(
    cost("same"), "inconclusive", "not-comparable", "another machine than the baseline's",
    gates=False, baseline_mean=100.0, current_mean=90.0,
)  # fmt: skip
ALL = (REGRESSED, MISSING, FAILED, OPEN, IMPROVED, IDENTICAL, ELSEWHERE)
PASSING = (OPEN, IMPROVED, IDENTICAL, ELSEWHERE)


def source(path: str) -> Source:
    environment = {"python": "3.11.7", "cpu": "Abacus 1", "machine_id": MACHINE}
    return Source(path, "gate", "2026-01-01T00:00:00+00:00", "0.1.0", "c0ffee" * 6, environment)


def report(
    cells: Sequence[CellVerdict] = ALL, *, code: int | None = None, **more: Any
) -> CheckReport:
    """A check of these cells; by default it fails where one of them regressed."""
    found = 1 if any(one.verdict == "regressed" and one.gates for one in cells) else 0
    made = CheckReport(
        exit_code=found if code is None else code,
        suite="gate",
        policy=Policy(),
        m=6,
        cells=tuple(cells),
        environment=(EnvironmentDifference("machine_id", MACHINE, "cd" * 32),),
        warnings=("Seeds 7 of this run are not in the baseline, so they do not count: 1 cell.",),
        baseline=source("baseline.json"),
        current=source("results/gate"),
    )
    return replace(made, **more)
