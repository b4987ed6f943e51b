"""One task and metric: every memory with its mean, its difference to the others, and the tests."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.model import Comparison, Contrast, Row, Section
from bench.tables import digits as write
from bench.tables.grid import Cell, Column, Grid, Spread, grid_of
from bench.tables.means import mean_cell, metric_name

CORRECTION_NAMES = {"holm": "Holm", "bh": "BH", "hommel": "Hommel", "bonferroni": "Bonferroni"}


def leaderboard(
    comparison: Comparison, section: Section, spread: Spread, digits: int | None
) -> Grid:
    """The memories of a section, in the suite's order."""
    options = comparison.options
    against: dict[str, Contrast] = {}
    if options.mode != "all-pairs":
        against = {contrast.label: contrast for contrast in section.contrasts}
    columns = [
        Column("memory", tuple(Cell(row.label) for row in section.rows), numeric=False),
        Column(
            metric_name(section, spread),
            tuple(mean_cell(row, section, spread, digits) for row in section.rows),
        ),
    ]
    if against:
        other = section.contrasts[0].against
        found = [against.get(row.label) for row in section.rows]
        columns += _contrast_columns(f"vs {other}", found, comparison, digits)
    if any(row.fill is not None for row in section.rows):
        columns.append(Column("budget used", tuple(_fill(row) for row in section.rows)))
    columns.append(Column("n", tuple(_count(row.n) for row in section.rows)))
    notes = tuple(Cell(_row_note(row, against.get(row.label), digits)) for row in section.rows)
    columns.append(Column("note", notes, numeric=False))
    return grid_of(_title(section), columns)


def pair_table(comparison: Comparison, section: Section, digits: int | None) -> Grid:
    """The pairs of a section, in the suite's order."""
    pairs = section.contrasts
    names = tuple(Cell(f"{pair.label} - {pair.against}") for pair in pairs)
    columns = [Column("pair", names, numeric=False)]
    columns += _contrast_columns("difference", list(pairs), comparison, digits)
    columns.append(Column("n", tuple(_count(pair.n) for pair in pairs)))
    notes = tuple(Cell(_open_question(pair, digits)) for pair in pairs)
    columns.append(Column("note", notes, numeric=False))
    return grid_of(f"{_title(section)}, pairs", columns)


def _title(section: Section) -> str:
    metric = section.metric or _why_unknown(section)
    at = f" at {section.x:g}" if section.x is not None else ""
    unit = f" ({section.unit})" if section.unit else ""
    better = f", {section.direction} is better" if section.metric else ""
    return f"{section.task_label}: {metric}{at}{unit}{better}"


def _why_unknown(section: Section) -> str:
    """Why a task point has no metric."""
    states = {row.state for row in section.rows}
    if states == {"skipped"}:
        return "applies to no memory"
    if states <= {"skipped", "missing"}:
        return "has not run yet"
    return "failed before any metric was known"


def _count(n: int) -> Cell:
    return Cell(str(n), value=n)


def _fill(row: Row) -> Cell:
    return Cell("-" if row.fill is None else f"{row.fill:.1%}", value=row.fill)


def _contrast_columns(
    name: str, contrasts: Sequence[Contrast | None], comparison: Comparison, digits: int | None
) -> list[Column]:
    """Difference, p over seeds and time, P(A>B); each p only where something was tested."""
    columns = [Column(f"{name} [95% CI]", tuple(_difference(c, digits) for c in contrasts))]
    options = comparison.options
    adjusted = options.correction != "none" and options.family != "none"
    correction = CORRECTION_NAMES[options.correction] if adjusted else "raw"
    if any(c is not None and c.p_adjusted is not None for c in contrasts):
        columns.append(Column(f"p ({correction})", tuple(_p(c) for c in contrasts)))
    if any(c is not None and c.time is not None and c.time.in_family for c in contrasts):
        columns.append(Column(f"time p ({correction})", tuple(_time_p(c) for c in contrasts)))
    tests = [c.significance for c in contrasts if c is not None and c.significance is not None]
    if any(test.test == "t" for test in tests):
        columns.append(Column("sign-flip p", tuple(_flip(c) for c in contrasts)))
    if any(c is not None and c.outperformance is not None for c in contrasts):
        columns.append(Column("P(A>B) [95% CI]", tuple(_outperformance(c) for c in contrasts)))
    return columns


def _difference(contrast: Contrast | None, digits: int | None) -> Cell:
    if contrast is None or contrast.difference is None:
        return Cell("-")
    decimals = write.decimals_of(contrast.sd, contrast.difference, digits)
    known = contrast.interval
    ends = (known.lo, known.hi) if known is not None and known.lo < known.hi else None
    text = write.difference(contrast.difference, ends, decimals)
    return Cell(text, value=contrast.difference)


def _p(contrast: Contrast | None) -> Cell:
    if contrast is None or contrast.p_adjusted is None:
        return Cell("-")
    if contrast.significance is None:
        return Cell("-")
    p = contrast.p_adjusted
    later = contrast.time is not None and contrast.time.p_adjusted is not None
    return Cell(write.p_value(p), marks=() if later else contrast.marks, value=p)


def _time_p(contrast: Contrast | None) -> Cell:
    """Time p with the marks of the claim, which rests on it."""
    p = contrast.time.p_adjusted if contrast is not None and contrast.time is not None else None
    if contrast is None or p is None:
        return Cell("-")
    return Cell(write.p_value(p), marks=contrast.marks, value=p)


def _outperformance(contrast: Contrast | None) -> Cell:
    found = None if contrast is None else contrast.outperformance
    if found is None:
        return Cell("-")
    ends = f"[{found.interval.lo:.2f}, {found.interval.hi:.2f}]"
    return Cell(f"{found.value:.2f} {ends} {found.meaning}", value=found.value)


def _flip(contrast: Contrast | None) -> Cell:
    test = None if contrast is None else contrast.significance
    if test is None or test.p_flip is None:
        return Cell("-")
    return Cell(write.p_value(test.p_flip), value=test.p_flip)


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
    if contrast.verdict == "untested":
        return ""
    if contrast.verdict != "n.s.":
        return contrast.verdict
    if _tied(contrast):
        return "tie"
    word = "n.s." if contrast.time is None else f"n.s. over {contrast.time.unsettled}"
    if contrast.time is not None and contrast.time.unsettled != "seeds":
        return word  # more seeds would not settle it
    if contrast.unresolvable:
        return f"{word}: unresolvable at n={contrast.n}"
    if contrast.detectable is None:
        return word
    decimals = write.decimals_of(contrast.sd, contrast.detectable, digits)
    seeds = "> 200" if contrast.seeds_needed is None else f"about {contrast.seeds_needed}"
    found = write.number(contrast.detectable, decimals)
    return f"{word}: detects {found}; needs {seeds} seeds"


def _tied(contrast: Contrast) -> bool:
    """Whether the two are equal on every seed, or at every origin."""
    test = contrast.time.decision if contrast.time is not None else None
    over_seeds = contrast.significance is not None and contrast.significance.tie
    return over_seeds or (test is not None and test.tie)
