"""A figure with its data and caption, and the bytes it is stored as."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.figures.style import FONT, SOFT, drawable, house

PNG_DPI = 200
MARGIN = 0.1
"""Inches around what is drawn."""
CHARACTER = 0.066
"""Mean width of a character of the caption, in inches."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One figure.

    Attributes:
        kind: What it is, e.g. ``capacity-curve``.
        about: Task, metric or scope that tells it from others of its kind.
        title: A line for headings.
        caption: What is drawn, how many seeds stand behind it, what bands and signs mean.
        figure: The matplotlib figure, without a window.
        data: The numbers drawn, one row per mark.
        note: The caption within the figure.
    """

    kind: str
    about: tuple[str, ...]
    title: str
    caption: str
    figure: Figure
    data: pd.DataFrame
    note: Text

    @property
    def name(self) -> str:
        """Its file name without an ending."""
        return "--".join(slug(part) for part in (self.kind, *self.about) if part)

    def svg(self, *, caption: bool = True, prefix: str = "", letters: bool = False) -> str:
        """The figure as SVG; equal data give equal bytes.

        Args:
            caption: Whether the caption stands below it, as in the files.
            prefix: Put before every id, so that several can stand in one page.
            letters: Whether text is text, which a page can search and read aloud, drawn in the
                reader's font; else outlines, which look alike everywhere.
        """
        out = io.BytesIO()
        meta = {
            "Date": None, "Creator": None, "Format": None, "Type": None,
            "Title": self.title, "Description": self.caption,
        }  # fmt: skip
        self._save(out, "svg", caption, meta, "none" if letters else "path")
        text = out.getvalue().decode()
        return _prefixed(text, prefix) if prefix else text

    def png(self, *, caption: bool = True) -> bytes:
        """The figure as PNG at 200 dots per inch."""
        out = io.BytesIO()
        meta = {"Software": None, "Title": self.title, "Description": self.caption}
        self._save(out, "png", caption, meta)
        return out.getvalue()

    def csv(self) -> str:
        """The numbers in the figure, full precision, one header line."""
        text: str = self.data.to_csv(index=False, lineterminator="\n")
        return text

    def _save(
        self,
        out: io.BytesIO,
        format: str,
        caption: bool,
        metadata: dict[str, str | None],
        fonttype: Literal["path", "none"] = "path",
    ) -> None:
        self.note.set_visible(caption)
        with house(), matplotlib.rc_context({"svg.fonttype": fonttype}):
            self.figure.savefig(
                out, format=format, dpi=PNG_DPI, metadata=metadata, bbox_inches=self._extent(),
            )  # fmt: skip

    def _extent(self) -> Bbox:
        """The inches that ink takes, with a margin: "tight" would draw everything once more."""
        usual = self.figure.dpi
        self.figure.set_dpi(PNG_DPI)  # letters are wider where pixels are few
        try:
            return self.figure.get_tightbbox(measuring(self.figure)).padded(MARGIN)
        finally:
            self.figure.set_dpi(usual)


@dataclass(frozen=True)
class Absent:
    """A kind of figure that a run gives no reason to draw.

    Attributes:
        kind: Which.
        reason: Why not.
    """

    kind: str
    reason: str


def blank(width: float, height: float) -> Figure:
    """An empty figure of so many inches, bound to no window and to no global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def measuring(figure: Figure) -> RendererAgg:
    """What tells how much room the figure's texts take.

    Raises:
        TypeError: If the figure is not a `blank` one.
    """
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError("the figure has no canvas that can be measured")
    renderer: RendererAgg = canvas.get_renderer()  # type: ignore[no-untyped-call]
    return renderer


def finished(
    figure: Figure,
    kind: str,
    about: Sequence[str],
    title: str,
    caption: Iterable[str],
    data: pd.DataFrame,
    *,
    below: float = 0.0,
    wide: float = 0.0,
) -> Drawing:
    """The drawing of a figure, its caption put below.

    Args:
        figure: With everything else drawn.
        kind: As in `Drawing`.
        about: As in `Drawing`.
        title: As in `Drawing`.
        caption: Sentences.
        data: As in `Drawing`.
        below: Inches under the figure's lower edge where the caption begins.
        wide: Inches that the caption may be wider than the figure, for a legend outside.
    """
    text = " ".join(sentence for sentence in [*caption, _boxes(title, data)] if sentence)
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(text, max(40, int((width + wide) / CHARACTER)))
    note = figure.text(
        0.0, -below / height, "\n".join(lines), va="top", ha="left", fontsize=7.5, color=SOFT,
        linespacing=1.35,
    )  # fmt: skip
    return Drawing(kind, tuple(about), title, text, figure, data, note)


def _boxes(title: str, data: pd.DataFrame) -> str:
    """What the caption owes to letters that cannot be drawn, or nothing."""
    words = data.select_dtypes(["object", "string"])
    said = {title, *(str(word) for name in words for word in words[name].unique())}
    return "" if all(map(drawable, said)) else f"A box stands for a letter that {FONT} lacks."


def slug(text: str) -> str:
    """The text with everything that a file name should not hold made a hyphen."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.") or "unnamed"


def seeds(counts: Iterable[int]) -> str:
    """How many seeds stand behind the marks of a figure."""
    found = sorted(set(counts))
    if not found:
        return "no seeds"
    if len(found) == 1:
        return f"n = {found[0]} seed" + "s" * (found[0] != 1)
    return f"n = {found[0]} to {found[-1]} seeds"


def _prefixed(svg: str, prefix: str) -> str:
    """The SVG with a prefix on each id and on what refers to it."""
    svg = re.sub(r'(\sid=")', rf"\g<1>{prefix}", svg)
    svg = re.sub(r'(href="#)', rf"\g<1>{prefix}", svg)
    return re.sub(r"(url\(#)", rf"\g<1>{prefix}", svg)
