"""Each cell of a baseline with the trials of a run that answer it, or why there are none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bench.check.model import Cell, CellVerdict
from bench.check.run import Row, Run
from bench.errors import MembError, Problem
from bench.stats.arrays import FloatArray
from bench.stats.paired import LEAST_PAIRS
from bench.stats.pairing import differences

ROUNDING = 1e-12
"""Absolute difference that still counts as identical: values near 0 have no relative scale."""


@dataclass(frozen=True)
class Pair:
    """A cell with values on both sides.

    Attributes:
        cell: The cell of the baseline.
        seeds: Common seeds, ascending; empty for a cell without seeds.
        before: Values of the baseline [n].
        now: Values of the current run [n].
        lost: Seeds that only the baseline has.
        remarks: What else must be said of it.
        wall_s: Seconds the current trials took.
    """

    cell: Cell
    seeds: tuple[int, ...]
    before: FloatArray
    now: FloatArray
    lost: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    wall_s: float = 0.0

    @property
    def n(self) -> int:
        """Number of values on each side."""
        return int(self.before.size)

    @cached_property
    def g(self) -> FloatArray:
        """Oriented changes [n], positive where the current run is worse."""
        return differences(self.before, self.now, self.cell.direction)

    @property
    def identical(self) -> bool:
        """Whether every value is the same but for the order in which floats were added up."""
        scale = np.maximum(np.abs(self.before), np.abs(self.now))
        room = self.cell.exact_rtol * scale + ROUNDING
        return bool((np.abs(self.now - self.before) <= room).all())

    @property
    def direct(self) -> bool:
        """Whether it is compared without a test: a count, or nothing that depends on a seed."""
        seedless = self.cell.deterministic or None in self.cell.values
        return seedless or self.cell.kind == "static"


@dataclass
class Matched:
    """The cells of a baseline, sorted by what can be said of them.

    Attributes:
        settled: Cells whose verdict follows from failures and absences alone.
        pairs: Cells with values on both sides.
        costs: Timed cells, each with that of the current run if there is one.
        warnings: Sentences on seeds that are not common.
    """

    settled: list[CellVerdict] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    costs: list[tuple[Cell, Cell | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def match(cells: Sequence[Cell], current: Run) -> Matched:
    """Find the trials of a run for each of these cells of a baseline.

    Raises:
        MembError: If a task point of the same name was run under another protocol, or a metric
            means something else now, naming what differs; or if not one cell is in the run.
    """
    refuse_other_protocols(cells, current)
    refuse_other_metrics(cells, current)
    rows = current.rows
    if not any(cell.row_id in rows and not rows[cell.row_id].skipped for cell in cells):
        raise MembError(
            f"nothing to compare: none of the baseline's {_cells(len(cells))} is in "
            f"{current.source.path}",
            help="check the run that the baseline was written from, or write it anew",
        )
    found = Matched()
    unmatched: dict[str, int] = {}
    for cell in cells:
        row = rows.get(cell.row_id)
        if row is None or row.skipped:
            if cell.kind == "perf":
                found.costs.append((cell, None))
            else:
                found.settled.append(_missing(cell, _absence(cell, row, current)))
        elif cell.kind == "perf":
            metric = row.costs.get((cell.metric, cell.x))
            now = current.cell(row, (cell.metric, cell.x), metric) if metric else None
            found.costs.append((cell, now))
        else:
            outcome = _paired(cell, row, unmatched)
            if isinstance(outcome, Pair):
                found.pairs.append(outcome)
            else:
                found.settled.append(outcome)
    found.warnings += [f"{text}: {_cells(count)}." for text, count in unmatched.items()]
    return found


def refuse_other_protocols(cells: Iterable[Cell], current: Run) -> None:
    """Refuse to compare task points that ask something else under the same name.

    Raises:
        MembError: Naming the keys that differ, one problem per task point.
    """
    named: dict[str, Row] = {}
    for row in current.rows.values():
        named.setdefault(row.about["task_label"], row)
    protocols = {row.about["protocol_hash"] for row in current.rows.values()}
    problems = {}
    for cell in cells:
        if cell.task_label in named and cell.protocol_hash not in protocols:
            row = named[cell.task_label]
            changed = _changed(cell.task_params, row.about["task_params"])
            if cell.task != row.about["task"]:
                changed.insert(0, f"task: {cell.task} -> {row.about['task']}")
            what = ", ".join(changed) or "its data or the version of the task"
            problems[cell.task_label] = Problem(
                f"task '{cell.task_label}' is not the one of the baseline: {what}",
                help="check a run of the baseline's protocol, or write the baseline anew with "
                "--update-baseline",
            )
    if problems:
        raise MembError(list(problems.values()))


def refuse_other_metrics(cells: Iterable[Cell], current: Run) -> None:
    """Refuse to compare numbers that are measured otherwise under the same name.

    Raises:
        MembError: Naming what differs, one problem per metric.
    """
    problems = {}
    for cell in cells:
        row = current.rows.get(cell.row_id)
        measured = row.metric((cell.metric, cell.x)) if row else None
        facts = {name: getattr(cell, name) for name in ("direction", "kind", "unit")}
        if measured and (changed := _changed(facts, {name: measured[name] for name in facts})):
            problems[cell.metric] = Problem(
                f"metric '{cell.metric}' is not the one of the baseline: {', '.join(changed)}",
                help="write the baseline anew with --update-baseline",
            )
    if problems:
        raise MembError(list(problems.values()))


def _changed(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The keys that differ, each with both values."""
    missing = object()

    def text(value: object) -> str:
        return "nothing" if value is missing else json.dumps(value)

    pairs = [
        (key, before.get(key, missing), now.get(key, missing)) for key in sorted({*before, *now})
    ]
    return [f"{key}: {text(a)} -> {text(b)}" for key, a, b in pairs if a != b]


def _missing(cell: Cell, why: str) -> CellVerdict:
    return CellVerdict(cell, "regressed", "missing", why.removeprefix("missing: "))


def _absence(cell: Cell, row: Row | None, current: Run) -> str:
    """Why no trial of the current run answers a cell."""
    if row is not None:
        return next(iter(row.trials.values())).reason
    namesake = next(
        (
            other.about
            for other in current.rows.values()
            if (other.about["label"], other.about["task_label"]) == (cell.label, cell.task_label)
        ),
        None,
    )
    if namesake is None:
        return f"not in the plan of this run; {_MEANT}"
    changed = _changed(cell.memory_params, namesake["memory_params"])
    if cell.memory != namesake["memory"]:
        changed.insert(0, f"memory: {cell.memory} -> {namesake['memory']}")
    what = ", ".join(changed) or "how it is trained or tuned"
    return f"the memory of this name is another one now ({what}); {_MEANT}"


_MEANT = "if that is meant, write the baseline anew"


def _paired(cell: Cell, row: Row, unmatched: dict[str, int]) -> Pair | CellVerdict:
    """Values on both sides by common seed, or the verdict where there are too few."""
    values, reasons = row.values((cell.metric, cell.x))
    before, now = cell.found, {seed: v for seed, v in values.items() if v is not None}
    if (settled := _failed(cell, row, before, now, reasons)) is not None:
        return settled
    if not now:
        return _missing(cell, next(iter(reasons.values())))
    before, now = _broadcast(before, now), _broadcast(now, before)
    common = sorted(seed for seed in before.keys() & now.keys() if seed is not None)
    lost = sorted(seed for seed in before.keys() - now.keys() if seed is not None)
    if len(common) < min(LEAST_PAIRS, len(before)) and not (None in before and None in now):
        ran = f"only {len(common)}" if common else "none"
        text = f"{ran} of the baseline's {len(before)} seeds ran; missing {_all(lost)}"
        return CellVerdict(
            cell, "regressed", "missing-seeds", text, n=len(common), wall_s=row.wall_s
        )
    for text in _beside(cell, lost, now, reasons):
        unmatched[text] = unmatched.get(text, 0) + 1
    seeds = tuple(common)
    keys: Sequence[int | None] = seeds or (None,)
    return Pair(
        cell,
        seeds,
        np.array([before[seed] for seed in keys]),
        np.array([now[seed] for seed in keys]),
        lost=tuple(lost) if seeds else (),
        remarks=_repaired(cell, now),
        wall_s=row.wall_s,
    )


def _beside(
    cell: Cell,
    lost: Sequence[int],
    now: Mapping[int | None, float],
    reasons: Mapping[int | None, str],
) -> Iterator[str]:
    """Sentences on the seeds that only one side has."""
    if None in cell.values:
        return
    extra = sorted(s for s in now.keys() - cell.values.keys() if s is not None)
    failed = sorted(s for s in _broken(reasons).keys() - cell.values.keys() if s is not None)
    for seeds, where in (
        (lost, "of the baseline are not in this run"),
        (extra, "of this run are not in the baseline"),
        (failed, "of this run failed and are not in the baseline"),
    ):
        if seeds:
            yield f"Seeds {_all(seeds)} {where}, so they do not count"


def _broken(reasons: Mapping[int | None, str]) -> dict[int | None, str]:
    """The reasons that are failures: a trial that never ran has not failed."""
    return {seed: why for seed, why in reasons.items() if not why.startswith("missing")}


def _failed(
    cell: Cell,
    row: Row,
    before: Mapping[int | None, float],
    now: Mapping[int | None, float],
    reasons: Mapping[int | None, str],
) -> CellVerdict | None:
    """The verdict where trials failed, before or now; None where values decide."""
    fresh = {seed: why for seed, why in _broken(reasons).items() if _had(before, seed)}
    if fresh:
        return CellVerdict(cell, "regressed", "failed", _told(fresh), wall_s=row.wall_s)
    if before:
        return None
    # a cell without a metric stands for a row of which no trial had finished
    finished = not cell.metric and any(trial.status == "ok" for trial in row.trials.values())
    if now or finished:
        text = "failed in the baseline, has values now: write the baseline anew to hold them"
        return CellVerdict(cell, "ok", "fixed", text, wall_s=row.wall_s)
    return CellVerdict(cell, "ok", "known-failure", next(iter(reasons.values())), wall_s=row.wall_s)


def _told(reasons: Mapping[int | None, str]) -> str:
    """Each reason once, after the seeds that give it."""
    by_reason: dict[str, list[int]] = {}
    for seed, why in reasons.items():
        by_reason.setdefault(why, []).extend([] if seed is None else [seed])
    return "; ".join(f"{_who(seeds)}: {why}" for why, seeds in by_reason.items())


def _who(seeds: Sequence[int]) -> str:
    if not seeds:
        return "its one trial"
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {_all(seeds)}"


def _had(before: Mapping[int | None, float], seed: int | None) -> bool:
    """Whether a seed had a value; a cell without seeds had one for all."""
    return seed in before or (bool(before) and (seed is None or None in before))


def _broadcast(
    values: Mapping[int | None, float], other: Mapping[int | None, float]
) -> dict[int | None, float]:
    """A value without a seed stands for each seed of the other side."""
    if set(values) == {None} and None not in other:
        return dict.fromkeys(other, values[None])
    return dict(values)


def _repaired(cell: Cell, now: Mapping[int | None, float]) -> tuple[str, ...]:
    """A remark on seeds that failed in the baseline and have values now."""
    fixed = sorted(seed for seed in cell.failures if seed is not None and seed in now)
    return (f"seeds {_all(fixed)} failed in the baseline and pass now",) if fixed else ()


def _all(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
