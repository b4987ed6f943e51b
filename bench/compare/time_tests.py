"""Tests over time: do differences on a fixed series hold from origin to origin?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.compare.loss_series import LossSeries, averages_to, horizon_of
from bench.compare.lost import Lost, lost
from bench.compare.model import Contrast, Family, Options, Row, Section
from bench.compare.time_model import Gap, TimeTest
from bench.errors import MembError
from bench.stats.arrays import FloatArray
from bench.stats.corrections import adjust
from bench.stats.diebold_mariano import EqualWeightedCosines, ewc, hln
from bench.stats.pairing import differences
from bench.stats.student import critical_t

LOST: tuple[Gap, ...] = ("failed", "not stored", "not the metric")
"""Gaps of tests that were planned and have nothing to test."""


def timed(sections: Sequence[Section], series: LossSeries, options: Options) -> list[Section]:
    """The sections with a test over time on each contrast of a fixed series, not yet corrected.

    Both memories' losses are averaged over their common seeds at each origin (over all of each
    where seeds are unpaired); the one value of a deterministic memory stands for every seed.

    Raises:
        MembError: If a file of losses is missing or damaged, or two memories were scored at
            different origins.
    """
    return [
        replace(section, contrasts=tuple(_timed(section, series, options)))
        if section.losses and section.contrasts
        else section
        for section in sections
    ]


def corrected(
    sections: Sequence[Section], options: Options
) -> tuple[list[Section], tuple[Family, ...]]:
    """The sections with p over time adjusted, and the families behind them.

    A family is what it is for tests over seeds: all tests of a metric in the table.
    """
    per_task = options.family == "task" or options.mode == "vs-best"
    members: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for i, section in enumerate(sections):
        for j, contrast in enumerate(section.contrasts):
            if contrast.time is not None and contrast.time.in_family:
                members[section.metric, section.task_label if per_task else ""].append((i, j))
    gone = lost(sections, options)
    contrasts = [list(section.contrasts) for section in sections]
    method = "none" if options.family == "none" else options.correction
    families = []
    for (metric, task_label), places in members.items():
        tests = [_time(contrasts[i][j]) for i, j in places]
        others = 0 if task_label else gone.get(metric, Lost()).time
        raw = [1.0 if test.p_raw is None else test.p_raw for test in tests] + [1.0] * others
        for (i, j), test, p in zip(places, tests, adjust(raw, method)[: len(tests)], strict=True):
            known = None if test.p is None else float(p)
            contrasts[i][j] = replace(contrasts[i][j], time=replace(test, p_adjusted=known))
        failed = sum(test.gap in LOST for test in tests)
        families.append(Family(metric, task_label, len(places) + others, failed + others))
    done = [
        replace(section, contrasts=tuple(found))
        for section, found in zip(sections, contrasts, strict=True)
    ]
    return done, tuple(families)


def _time(contrast: Contrast) -> TimeTest:
    assert contrast.time is not None
    return contrast.time


@dataclass(frozen=True)
class _Losses:
    """The losses of one row: [n, T] for its n values, or why there are none."""

    gap: Gap
    values: FloatArray


def _timed(section: Section, series: LossSeries, options: Options) -> list[Contrast]:
    horizon = horizon_of(section)
    compared = {c.label for c in section.contrasts} | {c.against for c in section.contrasts}
    rows = {row.label: row for row in section.rows if row.label in compared}
    losses = {label: _losses(section, row, series) for label, row in rows.items()}
    found: list[TimeTest | None] = []
    paths: list[tuple[FloatArray, FloatArray]] = []
    for contrast in section.contrasts:
        a, b = losses[contrast.label], losses[contrast.against]
        gap = a.gap or b.gap
        if not gap and contrast.difference is None:
            gap = "failed"  # both have values, on no common seed
        found.append(TimeTest(gap, 0, horizon) if gap else None)
        if not gap:
            paths.append(
                (
                    _average(a.values, rows[contrast.label], contrast),
                    _average(b.values, rows[contrast.against], contrast),
                )
            )
    tests = iter(_tests(section, paths, horizon))
    return [
        replace(contrast, time=_with_margin(contrast, test or next(tests), options))
        for contrast, test in zip(section.contrasts, found, strict=True)
    ]


def _losses(section: Section, row: Row, series: LossSeries) -> _Losses:
    nothing = np.empty((0, 0))
    if not row.values:
        return _Losses("failed", nothing)
    stored = [losses for losses in series.losses(section, row) if losses is not None]
    if len(stored) < row.n:
        return _Losses("not stored", nothing)
    sizes = {losses.size for losses in stored}
    if len(sizes) > 1 or any(losses.ndim != 1 for losses in stored):
        raise _different_origins(section, sizes)
    values = np.stack(stored)
    if not np.isfinite(values).all() or not all(map(averages_to, values, row.values)):
        return _Losses("not the metric", nothing)
    return _Losses("", values)


def _average(losses: FloatArray, row: Row, contrast: Contrast) -> FloatArray:
    """The row's losses averaged over the seeds that are compared: [T]."""
    if row.seedless or contrast.unpaired is not None:
        return np.asarray(losses.mean(axis=0))
    common = np.isin(row.seeds, contrast.pairs.seeds)
    return np.asarray(losses[common].mean(axis=0))


def _tests(
    section: Section, paths: Sequence[tuple[FloatArray, FloatArray]], horizon: int
) -> list[TimeTest]:
    """The tests of pairs of paths, all at once."""
    if not paths:
        return []
    sizes = {path.size for pair in paths for path in pair}
    if len(sizes) > 1:
        raise _different_origins(section, sizes)
    a, b = (np.stack(side) for side in zip(*paths, strict=True))
    d = differences(a, b, section.direction)
    scale = np.maximum(np.abs(a), np.abs(b)).max(axis=1)
    size = d.shape[1]
    decisions = ewc(d, horizon, scale=scale)
    reported = hln(d, horizon, scale=scale) if horizon < size else [None] * len(decisions)
    return [
        TimeTest(_gap(decision), size, horizon, decision, known)
        for decision, known in zip(decisions, reported, strict=True)
    ]


def _gap(decision: EqualWeightedCosines) -> Gap:
    if not decision.testable:
        return "too short"
    return "undefined" if decision.p is None else ""


def _with_margin(contrast: Contrast, test: TimeTest, options: Options) -> TimeTest:
    """The test with the answer to whether the mean over time lies within the margin, if any."""
    margin, decision = contrast.margin, test.decision
    if margin is None or decision is None or decision.error is None:
        return test
    half = critical_t(1 - 2 * options.alpha, decision.df) * decision.error
    return replace(test, equivalent=abs(decision.mean) + half < margin)


def _different_origins(section: Section, sizes: set[int]) -> MembError:
    return MembError(
        f"the stored losses of {section.task_label} cover different origins: "
        + ", ".join(str(size) for size in sorted(sizes)),
        help="run the suite again with --fresh, or compare with --claim seed, which reads no "
        "series",
    )
