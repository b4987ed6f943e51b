"""Everything that is printed of a comparison: overview, suite-wide ranks, leaderboards, footer."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.model import Comparison, Section
from bench.tables import published, suite_wide
from bench.tables.grid import Grid, Sheet, Spread, legend
from bench.tables.layout import transposed
from bench.tables.leaderboard import leaderboard, pair_table
from bench.tables.overview import overviews


def build(
    comparison: Comparison,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
) -> Sheet:
    """The comparison as text.

    Args:
        comparison: What `bench.compare.compare` returned.
        spread: What stands beside a mean: its 95% interval, the sample sd over seeds, the
            standard error, or nothing.
        digits: Decimal places; default as many as the spread over seeds supports.
        transpose: Whether an overview has a row per task and a column per memory.
    """
    glances = overviews(comparison, spread, digits)
    grids = [transposed(grid) for grid in glances] if transpose else list(glances)
    grids += suite_wide_tables(comparison, digits)
    for section in comparison.sections:
        grids += section_tables(comparison, section, spread, digits)
    return Sheet(
        tuple(grids), footer(comparison, grids, spread=spread, with_overview=bool(glances))
    )


def suite_wide_tables(comparison: Comparison, digits: int | None = None) -> list[Grid]:
    """Ranks and scores over tasks, one table per field of memories."""
    alpha = comparison.options.alpha
    return [suite_wide.table(overall, alpha, digits) for overall in comparison.overall]


def section_tables(
    comparison: Comparison, section: Section, spread: Spread = "ci", digits: int | None = None
) -> list[Grid]:
    """The tables of one task and metric: its leaderboard first, then pairs, published numbers."""
    grids = [leaderboard(comparison, section, spread, digits)]
    if comparison.options.mode == "all-pairs" and section.contrasts:
        grids.append(pair_table(comparison, section, digits))
    return [*grids, *published.tables(comparison, section, digits)]


def footer(
    comparison: Comparison, grids: Sequence[Grid], *, spread: Spread = "ci", with_overview: bool
) -> tuple[str, ...]:
    """The sentences below the tables: what stands beside a mean, the marks in use, the notes."""
    beside = _beside(comparison, spread, with_overview=with_overview)
    return (*beside, *legend(grids), *comparison.notes)


def _beside(comparison: Comparison, spread: Spread, *, with_overview: bool) -> list[str]:
    """What stands beside a mean and beside a difference."""
    method = {"t": "t", "bca": "BCa bootstrap", "percentile": "percentile bootstrap"}
    interval = f"95% {method[comparison.options.ci]} interval over seeds"
    if spread == "ci":
        half = " In the overview ± is the larger half of it." if with_overview else ""
        return [f"[..] is the {interval}.{half}"]
    beside = {
        "sd": "After ± stands the sample standard deviation over seeds. ",
        "sem": "After ± stands the standard error of the mean over seeds. ",
        "none": "",
    }[spread]
    return [f"{beside}[..] of a difference is its {interval}."]
