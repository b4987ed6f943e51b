"""Legends beside a figure, in the order in which a reader meets the lines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.figures.lines import Chosen, Strand
from bench.figures.style import FAINT, Style

MOST_NAMES = 8
WIDTH = 38


def outside(
    axes: Axes,
    picked: Chosen,
    styles: Mapping[str, Style],
    *,
    title: str = "",
    after: Mapping[str, str] | None = None,
    references: Sequence[str] = (),
) -> None:
    """Put a legend to the right of the axes, best line first.

    Args:
        axes: Those beside which it stands.
        picked: The lines that are drawn.
        styles: By label.
        title: Above it.
        after: By label of a line, what is said behind its name.
        references: Labels that are named as such.
    """
    said = after or {}
    handles = [Line2D([], [], **styles[strand.labels[0]].line) for strand in picked.strands]
    names = [_name(strand, said, references) for strand in picked.strands]
    if picked.faint:
        handles.append(Line2D([], [], color=FAINT, linewidth=0.9))
        names.append(f"{len(picked.faint)} other" + "s" * (len(picked.faint) > 1))
    axes.legend(
        handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0.0,
        title=title or None, alignment="left", handlelength=3.2, labelspacing=0.55,
        title_fontsize=8,
    )  # fmt: skip


def _name(strand: Strand, after: Mapping[str, str], references: Sequence[str]) -> str:
    """The memories of a line; those beyond eight are counted."""
    known = [_one(line.label, line.n, line.planned, references) for line in strand.lines]
    shown = known[:MOST_NAMES]
    if len(known) > MOST_NAMES:
        shown.append(f"{len(known) - MOST_NAMES}\u00a0more")
    text = ", ".join(shown)
    said = after.get(strand.labels[0])
    full = f"{text}: {said}" if said else text
    return "\n".join(textwrap.wrap(full, WIDTH, break_on_hyphens=False))


def _one(label: str, n: int, planned: int, references: Sequence[str]) -> str:
    name = f"{label}\u00a0({n}/{planned})" if n < planned else label
    return f"{name}\u00a0(reference)" if label in references else name
