"""What `memb compare --pareto` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.verbs.printing import Printing, deliver, print_sheet

if TYPE_CHECKING:
    import pandas as pd


def show_fronts(frame: pd.DataFrame, metrics: Sequence[str] | None, asked: Printing) -> None:
    """Print the trade-offs of a run in one of the formats of a leaderboard."""
    from bench.compare.pareto import fronts
    from bench.tables import pareto

    found = fronts(frame, metrics=metrics)
    if asked.format == "rich":
        print_sheet(pareto.sheet(found), asked.output)
    else:
        deliver(pareto.render(found, asked.format), asked.output)
