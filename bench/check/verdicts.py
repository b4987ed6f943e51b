"""From pairs of values to verdicts: identity first, then comparison, then the tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from bench.check.matching import Pair
from bench.check.model import Cell, CellVerdict, Detail, Policy, Verdict
from bench.check.rule import exceeds, judge_family
from bench.errors import MembError, Problem
from bench.stats.arrays import FloatArray
from bench.stats.intervals import Interval, t_interval
from bench.stats.noninferiority import (
    MOST_SEEDS,
    OneSided,
    one_sided_tests,
    seeds_to_clear,
    seeds_to_confirm,
)
from bench.stats.paired import LEAST_PAIRS
from bench.stats.student import spread


def in_family(cell: Cell) -> bool:
    """Whether a cell's p-value belongs to the check's family, whatever became of its trials.

    Left out is what no data could have tested: counts, costs, what does not depend on a seed,
    and a baseline of fewer than 3 seeds.
    """
    seeds = [seed for seed in cell.values if seed is not None]
    return cell.kind == "quality" and not cell.deterministic and len(seeds) >= LEAST_PAIRS


def compare_exactly(pairs: Iterable[Pair]) -> list[CellVerdict]:
    """Verdicts where every seed must give the same value as before, to rounding."""
    found = []
    for pair in pairs:
        shown = _numbers(pair, None)
        if pair.lost:
            lost = ", ".join(map(str, pair.lost))
            text = f"exact mode needs every seed of the baseline; missing {lost}"
            found.append(replace(shown, verdict="regressed", detail="missing-seeds", message=text))
        elif pair.identical:
            found.append(shown)
        else:
            worse = pair.g.mean() > 0
            text = f"not identical: {_largest(pair)}"
            verdict: Verdict = "regressed" if worse else "ok"
            found.append(replace(shown, verdict=verdict, detail="changed", message=text))
    return found


def _largest(pair: Pair) -> str:
    at = int(np.argmax(np.abs(pair.now - pair.before)))
    where = f"seed {pair.seeds[at]}: " if pair.seeds else ""
    return f"{where}{pair.before[at]:.10g} -> {pair.now[at]:.10g}"


def judge(pairs: Sequence[Pair], policy: Policy, m: int) -> list[CellVerdict]:
    """Verdicts by the statistical rule.

    Args:
        pairs: Cells with values on both sides.
        policy: The rule.
        m: P-values of the family: those of `pairs` and those of cells that failed.

    Raises:
        MembError: If a cell has no margin: its baseline is 0 and its tolerance relative.
    """
    deltas = _margins(pairs, policy)
    found: dict[int, CellVerdict] = {}
    testable: dict[int, list[int]] = defaultdict(list)
    for index, (pair, delta) in enumerate(zip(pairs, deltas, strict=True)):
        if pair.identical:
            found[index] = _identical(pair, delta)
        elif pair.direct:
            found[index] = _direct(pair, delta)
        elif pair.n < LEAST_PAIRS:
            found[index] = _too_few(pair, delta)
        else:
            testable[pair.n].append(index)
    tested = [_tests(pairs, deltas, group, policy) for _, group in sorted(testable.items())]
    order = [index for _, group in sorted(testable.items()) for index in group]
    if not order:
        return [found[index] for index in range(len(pairs))]
    tests = _joined(tested)
    flat = np.flatnonzero(tests.undefined)
    for at in flat:
        found[order[at]] = _direct(pairs[order[at]], deltas[order[at]])
    defined = np.flatnonzero(~tests.undefined)
    chosen = [order[at] for at in defined]
    found |= _judged(pairs, deltas, chosen, _at(tests, defined), policy, m)
    return [found[index] for index in range(len(pairs))]


def _margins(pairs: Sequence[Pair], policy: Policy) -> list[float]:
    """The margin of each pair, in its metric's units."""
    margins, problems = [], []
    for pair in pairs:
        tolerance = policy.tolerances.get(pair.cell.metric, pair.cell.tolerance)
        base = float(pair.before.mean())
        if base == 0 and tolerance.rel and not tolerance.abs and not pair.identical:
            problems.append(
                Problem(
                    f"{pair.cell.name}: the baseline is 0, so a relative tolerance allows nothing",
                    help=f"give an absolute one: --tolerance {pair.cell.metric}=abs:VALUE",
                )
            )
        margins.append(tolerance.margin(base))
    if problems:
        raise MembError(problems)
    return margins


def _tests(
    pairs: Sequence[Pair], deltas: Sequence[float], group: Sequence[int], policy: Policy
) -> OneSided:
    """The tests of cells that have the same number of seeds."""
    return one_sided_tests(
        np.stack([pairs[index].g for index in group]),
        np.array([deltas[index] for index in group]),
        resolution=np.array([pairs[index].cell.resolution for index in group]),
        strict=policy.strict_margin,
    )


def _joined(parts: Sequence[OneSided]) -> OneSided:
    def all_of(name: str) -> FloatArray:
        return np.concatenate([getattr(part, name) for part in parts])

    return OneSided(*(all_of(name) for name in OneSided.__dataclass_fields__))


def _at(tests: OneSided, index: Any) -> OneSided:
    return OneSided(*(getattr(tests, name)[index] for name in OneSided.__dataclass_fields__))


def _judged(
    pairs: Sequence[Pair],
    deltas: Sequence[float],
    chosen: Sequence[int],
    tests: OneSided,
    policy: Policy,
    m: int,
) -> dict[int, CellVerdict]:
    """Verdicts of the tested pairs, by their index."""
    margins = np.array([deltas[index] for index in chosen])
    judged = judge_family(tests, margins, level=policy.level, others=m - len(chosen))
    found = {}
    for at, index in enumerate(chosen):
        shown = replace(
            _numbers(pairs[index], deltas[index]),
            verdict=cast(Verdict, str(judged.verdict[at])),
            detail=cast(Detail, str(judged.detail[at])),
            sd=float(tests.sd[at]),
            p_worse=float(tests.p_worse[at]),
            p_worse_holm=float(judged.p_worse_holm[at]),
            p_ni=float(tests.p_ni[at]),
            p_improved=float(tests.p_improved[at]),
            p_improved_holm=float(judged.p_improved_holm[at]),
        )
        found[index] = _advised(shown, policy, m) if shown.verdict == "inconclusive" else shown
    return found


def _advised(shown: CellVerdict, policy: Policy, m: int) -> CellVerdict:
    """An open verdict with the number of seeds that would settle it, either way."""
    assert shown.delta is not None and shown.sd is not None and shown.worsening is not None
    excess = shown.worsening - (shown.delta if policy.strict_margin else 0.0)
    clear = seeds_to_clear(shown.delta, shown.sd, alpha=policy.level)
    confirm = seeds_to_confirm(excess, shown.sd, alpha=policy.level, m=m)
    parts = [_clearing(clear, shown.n)]
    if excess > 0:
        many = f"about {confirm}" if confirm else f"more than {MOST_SEEDS}"
        parts.append(f"{many} would confirm the loss if it is real")
    return replace(
        shown,
        seeds_to_clear=clear,
        seeds_to_confirm=confirm,
        open_advice=True,
        message="; ".join([*parts, *filter(None, [shown.message])]),
    )


def _clearing(seeds: int | None, n: int) -> str:
    """What it would take to clear a cell of `n` seeds if nothing changed."""
    if seeds is None:
        return f"more than {MOST_SEEDS} seeds would be needed to clear it: widen the tolerance"
    if seeds <= n:
        return f"{seeds} seeds mostly clear it if nothing changed, and these {n} did not"
    return f"about {seeds} seeds would clear it if nothing changed"


def _identical(pair: Pair, delta: float) -> CellVerdict:
    shown = _numbers(pair, delta)
    if not in_family(pair.cell):
        return shown
    return replace(shown, p_worse=1.0, p_worse_holm=1.0, p_improved=1.0, p_improved_holm=1.0)


def _direct(pair: Pair, delta: float) -> CellVerdict:
    """A verdict without a test: a count, or a change without spread.

    Of a count every seed must keep to the tolerance; of anything else the mean must.
    """
    shown = _numbers(pair, delta)
    count = pair.cell.kind == "static"
    worst = float(pair.g.max() if count else pair.g.mean())
    if exceeds(worst, delta):
        return replace(shown, verdict="regressed", detail="beyond-tolerance" if count else "det")
    if not count:
        return replace(shown, detail="det")
    return replace(shown, detail="improved" if pair.g.mean() < 0 else "within-tolerance")


def _too_few(pair: Pair, delta: float) -> CellVerdict:
    held = len(pair.cell.found)
    seeds = "1 seed, which says" if held == 1 else f"{held} seeds, which say"
    why = f"the baseline has {seeds} nothing of chance: write one with at least {LEAST_PAIRS}"
    text = "; ".join([why, *pair.remarks])
    shown = _numbers(pair, delta)
    return replace(shown, verdict="inconclusive", detail="n<3", message=text)


def _numbers(pair: Pair, delta: float | None) -> CellVerdict:
    """A pair's means and changes, as a verdict of ``identical`` to be replaced."""
    base = float(pair.before.mean())
    sign = 1.0 if pair.cell.direction == "lower" else -1.0
    raw = sign * pair.g
    resolution = pair.cell.resolution
    interval: Interval | None = None
    sd = None
    if pair.n > 1:
        sd = 0.0 if not np.ptp(pair.g) and not resolution else float(spread(pair.g, resolution)[0])
        if base:
            interval = t_interval(raw, resolution=resolution).scaled(1 / abs(base))
    return CellVerdict(
        cell=pair.cell,
        verdict="ok",
        detail="identical",
        message="; ".join(pair.remarks),
        n=pair.n,
        seeds=pair.seeds,
        baseline_mean=base,
        current_mean=float(pair.now.mean()),
        sd=sd,
        worsening=float(pair.g.mean()),
        delta=delta,
        change=float(raw.mean()) / abs(base) if base else None,
        change_interval=interval,
        wall_s=pair.wall_s,
    )


def order(found: CellVerdict) -> tuple[int, bool]:
    """Sorting key: what needs attention first, what gates before what does not."""
    groups: Mapping[str, int] = {
        "missing": 1, "missing-seeds": 1, "failed": 1, "changed": 3, "improved": 4,
        "slightly-better": 4, "fixed": 4, "new": 5, "known-failure": 5,
    }  # fmt: skip
    first = {"regressed": 0, "inconclusive": 2, "ok": 6}[found.verdict]
    if found.verdict == "inconclusive":
        return 2, not found.gates
    if found.verdict == "regressed" and found.detail == "changed":
        return 0, not found.gates
    return groups.get(found.detail, first), not found.gates
