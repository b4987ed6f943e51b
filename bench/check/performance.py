"""The rule for timed costs: slower on this machine, by how much, and again when measured again.

Repeats inside one process share its state, so that any two runs of the same code differ
"significantly"; a tolerance and a second measurement keep that from failing a check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bench.check.model import Cell, CellVerdict, Policy, Repeats
from bench.stats.arrays import FloatArray
from bench.tolerances import Tolerance

LEAST_REPEATS = 10
"""Fewer on either side and a cost is not compared."""
ALPHA = 0.002
"""Level of the rank test."""
SMALLEST_P = 1e-4
"""A smaller p is told as such, never as 0."""

Remeasure = Callable[[Cell], Repeats | None]
"""Times one cost again, on this machine; None where it cannot."""


@dataclass(frozen=True)
class Timings:
    """Repeats of costs, one row per cost.

    Attributes:
        raw: In the metric's unit [..., repeats].
        calibrated: Over the time of the calibration workload in the same round [..., repeats].
    """

    raw: FloatArray
    calibrated: FloatArray


@dataclass(frozen=True)
class Slowdown:
    """How much slower one set of timings is than another, one entry per cost.

    Attributes:
        ratio: Median of the calibrated repeats over that of the baseline.
        excess: Difference of the raw medians, in the metric's unit.
        p: One-sided p of the rank test on calibrated repeats.
        grown: Whether the medians have grown beyond the tolerance: the first two conditions.
        slower: Whether all three conditions hold.
    """

    ratio: FloatArray
    excess: FloatArray
    p: FloatArray
    grown: NDArray[np.bool_]
    slower: NDArray[np.bool_]


def slowdown(before: Timings, now: Timings, tolerance: Tolerance) -> Slowdown:
    """Whether costs have grown: in proportion, in absolute terms, and beyond their scatter.

    Three conditions together: median(now) / median(before) > 1 + rel for the calibrated repeats;
    median(now) - median(before) > abs for the raw ones; and the calibrated repeats rank higher,
    p < 0.002 (Mann & Whitney 1947).

    Args:
        before: Timings of the baseline.
        now: Timings to judge.
        tolerance: Largest growth that does not matter; either part alone excuses.
    """
    ratio = np.median(now.calibrated, axis=-1) / np.median(before.calibrated, axis=-1)
    excess = np.median(now.raw, axis=-1) - np.median(before.raw, axis=-1)
    test = stats.mannwhitneyu(now.calibrated, before.calibrated, alternative="greater", axis=-1)
    p = np.asarray(test.pvalue)
    grown = np.asarray((ratio > 1 + tolerance.rel) & (excess > tolerance.abs))
    return Slowdown(np.asarray(ratio), np.asarray(excess), p, grown, grown & (p < ALPHA))


def judged(
    costs: Sequence[tuple[Cell, Cell | None]],
    policy: Policy,
    *,
    comparable: bool,
    remeasure: Remeasure | None = None,
) -> list[CellVerdict]:
    """Verdicts on timed costs.

    Regressed is slower (see `slowdown`) twice: in the run, and in a second measurement of that
    cost alone, which only a check that gates on costs makes. Slower once, or by no more than the
    repeats scatter, is ``noisy-perf``; not measured again is ``suspect``. Costs of another machine,
    and slow ones with fewer than 10 repeats, are ``not-comparable``.

    Args:
        costs: Cells of the baseline, each with that of the run if it has one.
        policy: The rule; `Policy.perf` says whether a verdict counts for the exit code.
        comparable: Whether both sides ran on the same machine.
        remeasure: Times a cost again.
    """
    return [_judged(cell, now, policy, comparable, remeasure) for cell, now in costs]


def _judged(
    cell: Cell, now: Cell | None, policy: Policy, comparable: bool, remeasure: Remeasure | None
) -> CellVerdict:
    incomparable = _incomparable(cell, now, comparable)
    if incomparable or now is None or cell.repeats is None or now.repeats is None:
        return CellVerdict(
            cell, "inconclusive", "not-comparable", incomparable, gates=False,
            baseline_mean=cell.mean, current_mean=now.mean if now else None,
            wall_s=now.wall_s if now else 0.0,
        )  # fmt: skip
    tolerance = policy.tolerances.get(cell.metric, cell.tolerance)
    before, after = _timings(cell.repeats), _timings(now.repeats)
    found = slowdown(before, after, tolerance)
    shown = replace(_numbers(cell, now, found, tolerance), gates=policy.perf == "gate")
    if not found.grown:
        return shown
    if not found.slower:
        text = f"slower: {_share(found)}, which the scatter of the repeats explains"
        return replace(shown, detail="noisy-perf", message=text)
    if policy.perf != "gate":
        return _suspect(shown, found, "--perf gate would measure it again")
    again = remeasure(now) if remeasure else None
    if again is None or len(again.raw) < LEAST_REPEATS:
        return _suspect(shown, found, "it could not be measured again here")
    return _second(shown, found, slowdown(before, _timings(again), tolerance))


def _incomparable(cell: Cell, now: Cell | None, comparable: bool) -> str:
    """Why a cost cannot be compared; empty if it can."""
    if not comparable:
        return "another machine than the baseline's"
    if cell.repeats is None:
        return "a count without repeats"
    if now is None or now.repeats is None:
        return "this run did not time it"
    sides = {"the baseline": cell.repeats, "this run": now.repeats}
    few = [name for name, repeats in sides.items() if len(repeats.raw) < LEAST_REPEATS]
    if few:
        return f"a slow call: fewer than {LEAST_REPEATS} repeats in {' and '.join(few)}"
    return ""


def _timings(repeats: Repeats) -> Timings:
    return Timings(_array(repeats.raw), _array(repeats.calibrated))


def _array(values: ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _numbers(cell: Cell, now: Cell, found: Slowdown, tolerance: Tolerance) -> CellVerdict:
    """A cost's medians and changes, as a verdict to be replaced."""
    assert cell.repeats is not None and now.repeats is not None
    before, after = cell.mean, now.mean
    assert before is not None and after is not None
    return CellVerdict(
        cell,
        "ok",
        "within-tolerance",
        n=min(len(cell.repeats.raw), len(now.repeats.raw)),
        baseline_mean=before,
        current_mean=after,
        worsening=float(found.excess),
        delta=tolerance.margin(before),
        change=after / before - 1 if before else None,
        p_worse=float(found.p),
        wall_s=now.wall_s,
    )


def _suspect(shown: CellVerdict, found: Slowdown, why: str) -> CellVerdict:
    text = f"slower: {_share(found)}; {why}"
    return replace(shown, verdict="inconclusive", detail="suspect", message=text, gates=False)


def _second(shown: CellVerdict, first: Slowdown, second: Slowdown) -> CellVerdict:
    """The verdict after a cost was measured a second time."""
    text = f"{_share(first)}, measured again {_share(second)}"
    if not second.slower:
        return replace(shown, detail="noisy-perf", message=f"slower only once: {text}")
    return replace(
        shown, verdict="regressed", detail="beyond-tolerance", message=f"slower twice: {text}"
    )


def _share(found: Slowdown) -> str:
    return f"{100 * (float(found.ratio) - 1):+.0f}% calibrated (p {_p(found)})"


def _p(found: Slowdown) -> str:
    p = float(found.p)
    return "below 1e-4" if p < SMALLEST_P else f"= {p:.2g}"
