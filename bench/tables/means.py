"""How one memory's result is written: its mean, what stands beside it, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.model import Contrast, Row, Section
from bench.stats.intervals import Interval
from bench.tables import digits as write
from bench.tables.grid import ARROWS, Cell, Spread
from bench.tables.symbols import UNICODE, Sign


def metric_name(section: Section, spread: Spread) -> str:
    """The header of a column of means: metric, direction, and what stands beside a mean."""
    if not section.metric:
        return "result"
    beside = {"ci": " [95% CI]", "sd": " ± sd", "sem": " ± sem", "none": ""}[spread]
    return f"{section.metric} {ARROWS[section.direction]}{beside}"


def compact_name(section: Section) -> str:
    """The header of a column of compact means: metric, direction and unit."""
    if not section.metric:
        return "result"
    unit = f" ({section.unit})" if section.unit else ""
    return f"{section.metric} {ARROWS[section.direction]}{unit}"


def mean_cell(row: Row, section: Section, spread: Spread, digits: int | None) -> Cell:
    """The mean with its spread, as many digits as the spread supports."""
    if row.mean is None:
        return Cell(absence(row))
    return Cell(
        _mean_text(row, section, spread, digits),
        bold=row.standing == "best",
        underline=row.standing == "second",
        marks=_own_marks(row),
        value=_sorted_by(row),
    )


def compact_cell(
    row: Row, section: Section, contrast: Contrast | None, spread: Spread, digits: int | None
) -> Cell:
    """The mean as ``0.704 ±0.014``, with the marks of its comparison.

    A 95% interval is written as the larger of its two halves.
    """
    if row.mean is None:
        return Cell(absence(row))
    error = _half(row, spread)
    text, decimals = _plain_mean(row, section, error or row.sd, digits)
    if error:
        text += f" ±{write.number(error, decimals)}"
    marks = list(_own_marks(row))
    if row.state == "partial":
        text += f" ({row.n}/{row.n_planned})"
    elif row.all_equal and section.kind != "static":
        marks.append("all-equal")
    marks += contrast.marks if contrast is not None else ()
    return Cell(
        text,
        bold=row.standing == "best",
        underline=row.standing == "second",
        marks=in_order(marks),
        value=_sorted_by(row),
    )


def absence(row: Row) -> str:
    """Why a row has no mean."""
    if row.state == "skipped":
        return "n/a"
    if row.state == "missing":
        return "-- missing"
    return "fail:" + ",".join(sorted({failure.status for failure in row.failures}))


def brackets(interval: Interval, decimals: int) -> str:
    """An interval as ``[lo, hi]``."""
    ends = (write.number(end, decimals) for end in (interval.lo, interval.hi))
    return f"[{', '.join(ends)}]"


def in_order(marks: Sequence[Sign]) -> tuple[Sign, ...]:
    """Each mark once, in the order of the legend."""
    return tuple(mark for mark in UNICODE if mark in marks)


def _own_marks(row: Row) -> tuple[Sign, ...]:
    if row.deterministic:
        return ("det",)
    return ("partial",) if row.state == "partial" else ()


def _sorted_by(row: Row) -> float | None:
    """The mean of a complete cell; the seeds that a partial one has left are a biased sample."""
    return None if row.state == "partial" else row.mean


def _plain_mean(
    row: Row, section: Section, error: float | None, digits: int | None
) -> tuple[str, int]:
    """The mean alone, and its decimal places: those of the spread beside it."""
    assert row.mean is not None
    decimals = write.decimals_of(error, row.mean, digits)
    if section.kind == "static" and not row.sd and digits is None:
        return write.count(row.mean), decimals
    return write.number(row.mean, decimals), decimals


def _mean_text(row: Row, section: Section, spread: Spread, digits: int | None) -> str:
    text, decimals = _plain_mean(row, section, row.sd, digits)
    if row.sd and spread == "ci" and row.interval is not None:
        text += " " + brackets(row.interval, decimals)
    elif row.sd and spread in ("sd", "sem"):
        error = row.sd if spread == "sd" else row.sd / row.n**0.5
        text += f" ± {write.number(error, decimals)}"
    if row.state == "partial":
        return f"{text} ({row.n}/{row.n_planned})"
    if row.all_equal and section.kind != "static":
        return f"{text} (n={row.n}, all equal)"
    return text


def _half(row: Row, spread: Spread) -> float | None:
    """What stands after ± in a compact cell; None where there is no spread."""
    if not row.sd or row.mean is None or spread == "none":
        return None
    if spread == "ci":
        found = row.interval
        return None if found is None else max(found.hi - row.mean, row.mean - found.lo)
    return row.sd if spread == "sd" else row.sd / row.n**0.5
