"""Figures on disk: SVG, PNG and the numbers behind them, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import documents
from bench.figures.drawing import Absent, Drawing


@dataclass(frozen=True)
class Written:
    """A figure that was written.

    Attributes:
        kind: What it is, e.g. ``capacity-curve``.
        title: A line for headings.
        caption: What is drawn.
        svg: The vector file.
        png: The picture, 200 dots per inch.
        csv: The numbers drawn.
    """

    kind: str
    title: str
    caption: str
    svg: Path
    png: Path
    csv: Path


def write(found: Iterable[Drawing | Absent], directory: Path) -> Iterator[Written | Absent]:
    """Write figures into a folder, which is made, one by one; equal data give equal bytes.

    Args:
        found: Figures, and kinds for which there is none.
        directory: Where.

    Raises:
        MembError: If the folder cannot be written to.
    """
    names: set[str] = set()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for drawing in found:
            if isinstance(drawing, Absent):
                yield drawing
            else:
                yield _write(drawing, directory / _unused(drawing.name, names))
    except OSError as err:
        help = "name another folder, which can be written to"
        raise documents.refusal(err, f"figures to {directory}", help=help) from err


def _unused(name: str, names: set[str]) -> str:
    """The name, numbered if labels that differ in signs alone have taken it already."""
    chosen, number = name, 1
    while chosen in names:
        number += 1
        chosen = f"{name}-{number}"
    names.add(chosen)
    return chosen


def _write(drawing: Drawing, stem: Path) -> Written:
    files = {ending: stem.with_name(f"{stem.name}.{ending}") for ending in ("svg", "png", "csv")}
    documents.save(files["svg"], drawing.svg().encode())
    documents.save(files["png"], drawing.png())
    documents.save(files["csv"], drawing.csv().encode())
    return Written(drawing.kind, drawing.title, drawing.caption, **files)
