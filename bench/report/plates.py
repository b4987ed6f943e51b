"""The figures of a run, ready for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bench.compare.model import Comparison
from bench.report.model import Fact, Plate

if TYPE_CHECKING:
    from bench.figures import Drawing


def plates(
    comparison: Comparison, frame: pd.DataFrame
) -> tuple[tuple[Plate, ...], tuple[Fact, ...]]:
    """The figures that a run gives reason to draw, and why other kinds are absent.

    Raises:
        MembError: If a stored series is damaged.
    """
    from bench.figures import Drawing, drawings

    drawn, absent = [], []
    names: dict[str, int] = {}
    for found in drawings(comparison, frame):
        if isinstance(found, Drawing):
            names[found.name] = names.get(found.name, 0) + 1
            drawn.append(_plate(found, names[found.name]))
        else:
            absent.append(Fact(found.kind.replace("-", " "), found.reason))
    return tuple(drawn), tuple(absent)


def _plate(drawing: Drawing, nth: int) -> Plate:
    """The drawing without its caption, which stands as text below it."""
    return Plate(
        kind=drawing.kind.replace("-", " "),
        name=drawing.name if nth == 1 else f"{drawing.name}-{nth}",
        title=drawing.title,
        caption=drawing.caption,
        alternative=f"{drawing.title}. The numbers are in the CSV file below it.",
        svg=drawing.svg(caption=False).encode(),
        data=drawing.csv().encode(),
    )
