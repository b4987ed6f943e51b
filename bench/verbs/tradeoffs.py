"""What `memb compare --pareto` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench import console

if TYPE_CHECKING:
    import pandas as pd


def show_fronts(frame: pd.DataFrame, metrics: Sequence[str] | None, format: str) -> None:
    """Print the trade-offs of a run in one of the formats of a leaderboard."""
    from bench.compare.pareto import fronts
    from bench.tables import pareto, rich_table

    found = fronts(frame, metrics=metrics)
    if format == "rich":
        rich_table.show_sheet(pareto.sheet(found), console.stdout())
    else:
        sys.stdout.write(pareto.render(found, format))
