"""Means, spreads and intervals of each row, and which rows stand out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bench.compare.model import Options, Row, Section, Standing
from bench.stats.intervals import Interval, TooFewForBootstrap, mean_interval

TIE = 1e-12
"""Relative difference below which two means are the same."""
CHANCE_ROUNDING = 1e-6
"""Relative difference from the value of guessing that is none."""
LEVEL = 0.95


def summarise(section: Section, options: Options) -> Section:
    """The section with the statistics of its rows filled in.

    Only complete cells of tested metrics stand out: the survivors of a partial cell are a biased
    sample, and where the reference has no result nothing is judged.
    """
    rows = tuple(_summary(row, section, options) for row in section.rows)
    section = replace(section, rows=rows)
    if not section.tested or _lost_reference(section, options):
        return section
    return _stand_out(section)


def _lost_reference(section: Section, options: Options) -> bool:
    reference = section.row(options.reference_on([row.label for row in section.rows]))
    return options.mode == "vs-reference" and reference is not None and reference.mean is None


def _summary(row: Row, section: Section, options: Options) -> Row:
    if not row.values:
        return row
    values = np.asarray(row.values, dtype=np.float64)
    if row.n == 1:
        mean = float(values[0])
        return replace(row, mean=mean, at_chance=_at_chance(section, mean))
    all_equal = bool(np.ptp(values) == 0)
    mean = float(values[0]) if all_equal else float(values.mean())
    interval = _interval(values, section, options)
    return replace(
        row,
        mean=mean,
        sd=float(values.std(ddof=1)) if not all_equal else 0.0,
        interval=interval,
        all_equal=all_equal,
        at_chance=_at_chance(section, mean, interval),
    )


def _at_chance(section: Section, mean: float, interval: Interval | None = None) -> bool:
    """Whether the data do not tell a result from guessing: its interval reaches that far."""
    if section.chance is None or section.direction != "higher" or section.kind != "quality":
        return False
    reached = mean if interval is None else interval.lo
    # a share of float32 answers lies a rounding beside the fraction that chance is
    return reached <= section.chance * (1 + CHANCE_ROUNDING)


def _interval(values: np.ndarray, section: Section, options: Options) -> Interval | None:
    try:
        found = mean_interval(values, rng=options.rng(), method=options.ci, level=LEVEL)
    except TooFewForBootstrap:
        return None
    return found.clip(*section.bounds)


def _stand_out(section: Section) -> Section:
    """The section with its best and second best complete cells named."""
    costs = _costs(section, ranked_only=True)
    if not costs:  # nobody stands out, but there may still be a best to compare with
        costs = _costs(section, ranked_only=False)
        return replace(section, best=min(costs, key=lambda label: costs[label], default=None))
    if len(costs) < 2:
        return replace(section, best=next(iter(costs), None))
    least = min(costs.values())
    standing: dict[str, Standing] = {
        label: "best" for label, cost in costs.items() if _same(cost, least)
    }
    if len(standing) == 1:
        second = min(cost for label, cost in costs.items() if label not in standing)
        standing |= {
            label: "second"
            for label, cost in costs.items()
            if label not in standing and _same(cost, second)
        }
    rows = tuple(replace(row, standing=standing.get(row.label, "")) for row in section.rows)
    return replace(section, rows=rows, best=next(iter(standing)))


def _costs(section: Section, *, ranked_only: bool) -> dict[str, float]:
    """Means of complete rows by label, turned so that less is better."""
    sign = 1 if section.direction == "lower" else -1
    return {
        row.label: sign * row.mean
        for row in section.rows
        if row.state == "complete" and row.mean is not None and (row.ranked or not ranked_only)
    }


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=TIE, abs_tol=0.0)
