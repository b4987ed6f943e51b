"""What `memb compare --figures` writes and says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench import console

if TYPE_CHECKING:
    import pandas as pd

    from bench.compare.model import Comparison


def write_figures(comparison: Comparison, frame: pd.DataFrame, directory: Path) -> None:
    """Write every figure that the run gives reason to draw; say which, and which are absent."""
    from bench import figures

    count = 0
    absent = []
    for item in figures.write(figures.drawings(comparison, frame), directory):
        if isinstance(item, figures.Absent):
            absent.append(item)
        else:
            count += 1
            console.note(f"{item.svg} (.png, .csv): {item.title}")
    for item in absent:
        console.note(f"no {item.kind}: {item.reason}")
    console.note(f"{count} figure{'s' * (count != 1)} in {directory}/")
