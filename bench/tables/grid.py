"""The table as text cells, built once; each format only decides how to draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bench.compare.model import Comparison, Contrast, Mark, Row, Section
from bench.stats.intervals import Interval
from bench.tables import digits as write
from bench.tables.symbols import MEANINGS, UNICODE

Spread = Literal["ci", "sd", "sem", "none"]
SPREADS: tuple[Spread, ...] = get_args(Spread)
ARROWS = {"lower": "↓", "higher": "↑"}
CORRECTION_NAMES = {"holm": "Holm", "bh": "BH", "hommel": "Hommel", "bonferroni": "Bonferroni"}


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        bold: Whether it is the best of its column.
        underline: Whether it is the second best.
        marks: Signs after the text.
    """

    text: str
    bold: bool = False
    underline: bool = False
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Grid:
    """One leaderboard.

    Attributes:
        title: Task point, metric and unit.
        header: Column names.
        rows: Cells, one tuple per row.
        numeric: Which columns hold numbers, whose decimal points line up.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]


@dataclass(frozen=True)
class Sheet:
    """All leaderboards of a comparison, and the sentences below them."""

    grids: tuple[Grid, ...]
    footer: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    name: str
    cells: tuple[Cell, ...]
    numeric: bool = True


def build(comparison: Comparison, *, spread: Spread = "ci", digits: int | None = None) -> Sheet:
    """The comparison as text.

    Args:
        comparison: What `bench.compare.compare` returned.
        spread: What stands beside a mean: its 95% interval, the sample sd over seeds, the
            standard error, or nothing.
        digits: Decimal places; default as many as the spread over seeds supports.
    """
    grids = []
    for section in comparison.sections:
        grids.append(_leaderboard(comparison, section, spread, digits))
        if comparison.options.mode == "all-pairs" and section.contrasts:
            grids.append(_pair_table(comparison, section, digits))
    return Sheet(
        tuple(grids), (_spread_note(comparison, spread), *_legend(grids), *comparison.notes)
    )


def _leaderboard(
    comparison: Comparison, section: Section, spread: Spread, digits: int | None
) -> Grid:
    options = comparison.options
    against: dict[str, Contrast] = {}
    if options.mode != "all-pairs":
        against = {contrast.label: contrast for contrast in section.contrasts}
    columns = [
        _Column("memory", tuple(Cell(row.label) for row in section.rows), numeric=False),
        _Column(
            _metric_name(section, spread),
            tuple(_mean(row, section, spread, digits) for row in section.rows),
        ),
    ]
    if against:
        other = section.contrasts[0].against
        found = [against.get(row.label) for row in section.rows]
        columns += _contrast_columns(f"vs {other}", found, comparison, digits)
    if any(row.fill is not None for row in section.rows):
        columns.append(_Column("budget used", tuple(_fill(row) for row in section.rows)))
    columns.append(_Column("n", tuple(Cell(str(row.n)) for row in section.rows)))
    notes = tuple(Cell(_row_note(row, against.get(row.label), digits)) for row in section.rows)
    columns.append(_Column("note", notes, numeric=False))
    return _grid(_title(section), columns)


def _pair_table(comparison: Comparison, section: Section, digits: int | None) -> Grid:
    pairs = section.contrasts
    names = tuple(Cell(f"{pair.label} - {pair.against}") for pair in pairs)
    columns = [_Column("pair", names, numeric=False)]
    columns += _contrast_columns("difference", list(pairs), comparison, digits)
    columns.append(_Column("n", tuple(Cell(str(pair.n)) for pair in pairs)))
    notes = tuple(Cell(_open_question(pair, digits)) for pair in pairs)
    columns.append(_Column("note", notes, numeric=False))
    return _grid(f"{_title(section)}, pairs", columns)


def _grid(title: str, columns: Sequence[_Column]) -> Grid:
    used = [c for c in columns if c.name != "note" or any(cell.text for cell in c.cells)]
    return Grid(
        title=title,
        header=tuple(column.name for column in used),
        rows=tuple(zip(*(column.cells for column in used), strict=True)),
        numeric=tuple(column.numeric for column in used),
    )


def _title(section: Section) -> str:
    metric = section.metric or "failed before any metric was known"
    at = f" at {section.x:g}" if section.x is not None else ""
    unit = f" ({section.unit})" if section.unit else ""
    better = f", {section.direction} is better" if section.metric else ""
    return f"{section.task_label}: {metric}{at}{unit}{better}"


def _metric_name(section: Section, spread: Spread) -> str:
    beside = {"ci": " [95% CI]", "sd": " ± sd", "sem": " ± sem", "none": ""}[spread]
    if not section.metric:
        return "result"
    return f"{section.metric} {ARROWS[section.direction]}{beside}"


def _mean(row: Row, section: Section, spread: Spread, digits: int | None) -> Cell:
    if row.mean is None:
        return Cell(_absence(row))
    marks: tuple[Mark, ...] = ()
    if row.deterministic:
        marks = ("det",)
    elif row.state == "partial":
        marks = ("partial",)
    return Cell(
        _mean_text(row, section, spread, digits),
        bold=row.standing == "best",
        underline=row.standing == "second",
        marks=marks,
    )


def _mean_text(row: Row, section: Section, spread: Spread, digits: int | None) -> str:
    assert row.mean is not None
    if section.kind == "static" and not row.sd and digits is None:
        text = write.count(row.mean)
    else:
        decimals = write.decimals_of(row.sd, row.mean, digits)
        text = write.number(row.mean, decimals)
        if row.sd and spread == "ci" and row.interval is not None:
            text += " " + _brackets(row.interval, decimals)
        elif row.sd and spread in ("sd", "sem"):
            error = row.sd if spread == "sd" else row.sd / row.n**0.5
            text += f" ± {write.number(error, decimals)}"
    if row.state == "partial":
        return f"{text} ({row.n}/{row.n_planned})"
    if row.all_equal and section.kind != "static":
        return f"{text} (n={row.n}, all equal)"
    return text


def _fill(row: Row) -> Cell:
    return Cell("-" if row.fill is None else f"{row.fill:.1%}")


def _absence(row: Row) -> str:
    if row.state == "skipped":
        return "n/a"
    if row.state == "missing":
        return "-- missing"
    return "fail:" + ",".join(sorted({failure.status for failure in row.failures}))


def _brackets(interval: Interval, decimals: int) -> str:
    ends = (write.number(end, decimals) for end in (interval.lo, interval.hi))
    return f"[{', '.join(ends)}]"


def _contrast_columns(
    name: str, contrasts: Sequence[Contrast | None], comparison: Comparison, digits: int | None
) -> list[_Column]:
    """Difference, adjusted p and sign-flip p; the p columns only where something was tested."""
    columns = [_Column(f"{name} [95% CI]", tuple(_difference(c, digits) for c in contrasts))]
    if any(c is not None and c.p_adjusted is not None for c in contrasts):
        options = comparison.options
        adjusted = options.correction != "none" and options.family != "none"
        correction = CORRECTION_NAMES[options.correction] if adjusted else "raw"
        columns.append(_Column(f"p ({correction})", tuple(_p(c) for c in contrasts)))
    tests = [c.significance for c in contrasts if c is not None and c.significance is not None]
    if any(test.test == "t" for test in tests):
        columns.append(_Column("sign-flip p", tuple(_flip(c) for c in contrasts)))
    return columns


def _difference(contrast: Contrast | None, digits: int | None) -> Cell:
    if contrast is None or contrast.difference is None:
        return Cell("-")
    decimals = write.decimals_of(contrast.sd, contrast.difference, digits)
    text = write.signed(contrast.difference, decimals)
    interval = contrast.interval
    if interval is not None and interval.lo < interval.hi:
        ends = (write.signed(end, decimals) for end in (interval.lo, interval.hi))
        text += f" [{', '.join(ends)}]"
    return Cell(text)


def _p(contrast: Contrast | None) -> Cell:
    if contrast is None or contrast.p_adjusted is None:
        return Cell("-")
    if contrast.significance is None:
        return Cell("-")
    return Cell(write.p_value(contrast.p_adjusted), marks=contrast.marks)


def _flip(contrast: Contrast | None) -> Cell:
    test = None if contrast is None else contrast.significance
    return Cell("-" if test is None or test.p_flip is None else write.p_value(test.p_flip))


def _row_note(row: Row, contrast: Contrast | None, digits: int | None) -> str:
    parts: list[str] = [] if row.state == "complete" else [row.state]
    parts += [*row.marks, *(["at chance"] if row.at_chance else [])]
    if contrast is not None and contrast.verdict != "fail":
        parts.append(_open_question(contrast, digits))
        if contrast.unpaired is None and row.seeds and contrast.n != row.n:
            parts.append(f"{contrast.n} pairs")
    return "; ".join(part for part in parts if part)


def _open_question(contrast: Contrast, digits: int | None) -> str:
    """The verdict, and where it is open, what would settle it."""
    verdict = contrast.verdict
    if verdict == "untested":
        return ""
    if verdict == "n.s." and contrast.significance is not None and contrast.significance.tie:
        return "tie"
    if verdict == "n.s." and contrast.unresolvable:
        return f"n.s.: unresolvable at n={contrast.n}"
    if verdict != "n.s." or contrast.detectable is None:
        return verdict
    decimals = write.decimals_of(contrast.sd, contrast.detectable, digits)
    seeds = "> 200" if contrast.seeds_needed is None else f"about {contrast.seeds_needed}"
    return f"n.s.: detects {write.number(contrast.detectable, decimals)}; needs {seeds} seeds"


def _spread_note(comparison: Comparison, spread: Spread) -> str:
    method = {"t": "t", "bca": "BCa bootstrap", "percentile": "percentile bootstrap"}
    interval = f"95% {method[comparison.options.ci]} interval over seeds"
    if spread == "ci":
        return f"[..] is the {interval}."
    beside = {
        "sd": "After ± stands the sample standard deviation over seeds. ",
        "sem": "After ± stands the standard error of the mean over seeds. ",
        "none": "",
    }[spread]
    return f"{beside}[..] of a difference is its {interval}."


def _legend(grids: Sequence[Grid]) -> list[str]:
    cells = [cell for grid in grids for row in grid.rows for cell in row]
    used = {mark for cell in cells for mark in cell.marks}
    parts = [f"{UNICODE[mark]} {MEANINGS[mark]}" for mark in UNICODE if mark in used]
    return [f"Marks: {'; '.join(parts)}."] if parts else []
