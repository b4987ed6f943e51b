"""Verdicts as a table of text cells, which the console and the summary draw."""

from __future__ import annotations

from collections.abc import Sequence

from bench.check.model import CellVerdict, Policy
from bench.check.render.groups import SYMBOLS, group
from bench.tables import digits as write
from bench.tables.grid import ARROWS, Cell, Column, Grid, grid_of

LONGEST = 300
"""Characters of a message that a table shows; the JSON has all of it."""


def table(title: str, cells: Sequence[CellVerdict], policy: Policy) -> Grid:
    """One row per cell, what matters most first."""
    return grid_of(
        title,
        [
            _words("verdict", [_verdict(one) for one in cells]),
            _words("memory", [one.cell.label for one in cells]),
            _words("task", [one.cell.task_label for one in cells]),
            _words("metric", [_metric(one) for one in cells]),
            _numbers("change [95% CI]", [_change(one) for one in cells]),
            _numbers("baseline", [_mean(one, one.baseline_mean) for one in cells]),
            _numbers("current", [_mean(one, one.current_mean) for one in cells]),
            _words("tolerance", [_tolerance(one, policy) for one in cells]),
            _numbers("p worse (Holm)", [_p(one) for one in cells]),
            _words("why", [_why(one) for one in cells]),
        ],
    )


def _words(name: str, texts: Sequence[str]) -> Column:
    return Column(name, tuple(Cell(text) for text in texts), numeric=False)


def _numbers(name: str, texts: Sequence[str]) -> Column:
    return Column(name, tuple(Cell(text) for text in texts))


def _verdict(found: CellVerdict) -> str:
    name = group(found)
    word = found.verdict if name == "missing or failed" else name
    return f"{SYMBOLS[name]} {word}"


def _metric(found: CellVerdict) -> str:
    cell = found.cell
    if not cell.metric:
        return "all trials"
    at = "" if cell.x is None else f" at {cell.x:g}"
    unit = f" ({cell.unit})" if cell.unit else ""
    return f"{cell.metric} {ARROWS[cell.direction]}{at}{unit}"


def _mean(found: CellVerdict, value: float | None) -> str:
    """A mean with as many digits as let the change be seen."""
    if value is None:
        return "-"
    if found.cell.kind == "static":
        return write.count(value)
    scale = abs(found.worsening) if found.worsening else found.sd
    decimals = write.decimals_of(None, value)
    if scale:
        decimals = max(decimals, write.decimals_of(scale, value))
    return write.number(value, decimals)


def _change(found: CellVerdict) -> str:
    """The relative change in per cent with its interval; the plain one at a baseline of 0."""
    if found.change is None:
        if found.baseline_mean is None or found.current_mean is None:
            return "-"
        moved = found.current_mean - found.baseline_mean
        return write.signed(moved, write.decimals_of(None, moved))
    text = _percent(found.change)
    ends = found.change_interval
    if ends is None or ends.lo == ends.hi:
        return text
    return f"{text} [{_percent(ends.lo)}, {_percent(ends.hi)}]"


def _percent(share: float) -> str:
    decimals = 1 if abs(share) >= 0.01 else 2
    return f"{write.signed(100 * share, decimals)}%"


def _tolerance(found: CellVerdict, policy: Policy) -> str:
    if policy.mode == "exact" and found.cell.kind != "perf":
        return "exact"
    return str(policy.tolerances.get(found.cell.metric, found.cell.tolerance))


def _p(found: CellVerdict) -> str:
    return "-" if found.p_worse_holm is None else write.p_value(found.p_worse_holm)


def _why(found: CellVerdict) -> str:
    message = found.message
    if len(message) > LONGEST:
        message = f"{message[: LONGEST - 1]}…"
    told = [found.detail, message]
    if found.verdict != "ok" and not found.gates:
        told.append("does not count")
    return "; ".join(filter(None, told))
