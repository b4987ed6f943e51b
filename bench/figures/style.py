"""How memories look: one colour, marker and line style each, the same in every figure."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib.style
from matplotlib.font_manager import findfont, get_font

PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
"""Eight colours that people with any colour vision tell apart (Okabe & Ito 2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES: tuple[tuple[float, ...], ...] = (
    (), (5, 1.5), (1.2, 1.2), (5, 1.5, 1.2, 1.5), (2.5, 1.2), (7, 1.5, 1.2, 1.5, 1.2, 1.5),
)  # fmt: skip
"""On and off lengths in line widths; empty for a solid line."""

INK = "#262626"
SOFT = "#6b6b6b"
FAINT = "#c4c4c4"

FONT = "DejaVu Sans"

RC: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # nothing stands above axes: looking for it takes as long as drawing them
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "figure.dpi": 100,
    "font.family": [FONT],  # comes with matplotlib, so that every machine draws alike
    "font.size": 8.5,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "lines.scale_dashes": True,
    "path.simplify": True,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "memb",
    "text.color": INK,
    "text.parse_math": False,  # names are data: a $ in one is no formula
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
"""Settings of every figure, whatever a user's own matplotlibrc says."""

ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Style:
    """How one memory is drawn.

    Attributes:
        color: One of `PALETTE`.
        marker: One of `MARKERS`.
        dashes: One of `DASHES`.
    """

    color: str
    marker: str
    dashes: tuple[float, ...]

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of a line."""
        return {
            "color": self.color,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            **self.dot,
        }

    @property
    def dot(self) -> dict[str, Any]:
        """Keywords of its marker; the dark edge keeps yellow visible on white."""
        return {
            "marker": self.marker,
            "markerfacecolor": self.color,
            "markeredgecolor": INK,
            "markeredgewidth": 0.5,
        }


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label by its place in the suite; 528 of them are distinct.

    A memory that is added at the end of a suite changes nobody else's.
    """
    return {label: _style(place) for place, label in enumerate(labels)}


def _style(place: int) -> Style:
    cycle, hue = divmod(place, len(PALETTE))
    return Style(PALETTE[hue], MARKERS[place % len(MARKERS)], DASHES[(hue + cycle) % len(DASHES)])


@contextmanager
def house() -> Iterator[None]:
    """Within it matplotlib draws and writes by `RC` and its own defaults alone.

    Letters that the font lacks raise no warning: captions speak of them.
    """
    with matplotlib.style.context(["default", dict(RC)]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


def drawable(text: str) -> bool:
    """Whether the font of all figures has every letter of a text."""
    return _letters().issuperset(map(ord, text))


@functools.cache
def _letters() -> frozenset[int]:
    """Unicode numbers of the letters that the font has."""
    return frozenset(get_font(findfont(FONT)).get_charmap())


def named(metric: str, direction: str, unit: str = "") -> str:
    """A metric as an axis says it: name, unit, and an arrow towards better."""
    return f"{metric} ({unit}) {ARROWS[direction]}" if unit else f"{metric} {ARROWS[direction]}"
