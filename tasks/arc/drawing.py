"""Pairs of grids for a person to look at: colours, and in each cell the digit of its colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.arc.episodes import ArcEpisode
from tasks.arc.families import FAMILIES
from tasks.arc.grids import Grid, Pair
from tasks.arc.real import ArcPool, ArcTask, load
from tasks.samples.sample import MOST_COLUMNS, Cell, Facts, Part, Sample

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

PALETTE = (
    "#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00",
    "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25",
)  # fmt: skip
"""The colours in which the corpus is usually shown."""
WHITE_ON = frozenset({0, 1, 9})
"""Colours dark enough for a white digit."""
BACKGROUND = "."
"""Stands for the digit 0, so that shapes can be seen without colours."""
BETWEEN_PAIRS = 4


@dataclass(frozen=True)
class GridPairs:
    """Pairs of an input and an output, side by side where there is room.

    Attributes:
        title: What they are.
        pairs: The grids.
    """

    title: str
    pairs: Sequence[Pair]

    def data(self) -> dict[str, Any]:
        """``{kind: grid-pairs, title, pairs: [{input, output}]}``; grids as lists of rows."""
        pairs = [{"input": given.tolist(), "output": made.tolist()} for given, made in self.pairs]
        return {"kind": "grid-pairs", "title": self.title, "pairs": pairs}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Two columns per cell, one where that is too wide; an output beneath if it must be."""
        from rich.text import Text

        width = min(options.max_width, MOST_COLUMNS)
        yield Text(self.title, style="italic")
        drawn = [
            _pair_lines(number, pair, width, options.ascii_only)
            for number, pair in enumerate(self.pairs, start=1)
        ]
        for line in _in_rows(drawn, width):
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line


def _pair_lines(number: int, pair: Pair, width: int, ascii_only: bool) -> list[Text]:
    """One pair with a heading; all lines of one length."""
    from rich.text import Text

    given, made = pair
    arrow = " -> " if ascii_only else " → "
    across = given.shape[1] + made.shape[1]
    cell = 2 if 2 * max(given.shape[1], made.shape[1]) <= width else 1
    size = f"{given.shape[0]}x{given.shape[1]}{arrow}{made.shape[0]}x{made.shape[1]}"
    heading, below = Text(f"{number}: {size}", style="dim"), Text("becomes", style="dim")
    for words in (heading, below):
        words.truncate(width, overflow="ellipsis")
    if cell * across + len(arrow) <= width:
        lines = _beside(_grid_lines(given, cell), _grid_lines(made, cell), arrow)
    else:
        lines = [*_grid_lines(given, cell), below, *_grid_lines(made, cell)]
    return _even([heading, *lines])


def _grid_lines(grid: Grid, cell: int) -> list[Text]:
    """A grid with so many columns per cell."""
    from rich.style import Style
    from rich.text import Text

    styles = [
        Style(color="#ffffff" if colour in WHITE_ON else "#000000", bgcolor=shade)
        for colour, shade in enumerate(PALETTE)
    ]
    lines = []
    for row in grid.tolist():
        line = Text()
        for colour in row:
            digit = str(colour) if colour else BACKGROUND
            line.append(digit.ljust(cell), style=styles[colour])
        lines.append(line)
    return lines


def _beside(left: list[Text], right: list[Text], arrow: str) -> list[Text]:
    """Two blocks of lines, the arrow between their first ones."""
    from rich.text import Text

    gap, joined = " " * len(arrow), []
    for row in range(max(len(left), len(right))):
        first = left[row] if row < len(left) else Text(" " * len(left[0]))
        second = right[row] if row < len(right) else Text()
        joined.append(Text.assemble(first, arrow if row == 0 else gap, second))
    return joined


def _even(lines: list[Text]) -> list[Text]:
    """The lines, each with blanks up to the length of the longest."""
    longest = max(len(line) for line in lines)
    for line in lines:
        line.append(" " * (longest - len(line)))
    return lines


def _in_rows(blocks: Sequence[list[Text]], width: int) -> Iterator[Text]:
    """Blocks from left to right, as many to a row as fit, a blank line between rows."""
    from rich.text import Text

    row: list[list[Text]] = []
    used = 0
    for block in blocks:
        need = len(block[0]) + (BETWEEN_PAIRS if row else 0)
        if row and used + need > width:
            yield from _row(row)
            yield Text()
            row, used, need = [], 0, len(block[0])
        row.append(block)
        used += need
    yield from _row(row)


def _row(blocks: Sequence[list[Text]]) -> Iterator[Text]:
    """Blocks beside each other, the shorter ones ending in blanks."""
    from rich.text import Text

    for line in range(max((len(block) for block in blocks), default=0)):
        parts = [
            block[line] if line < len(block) else Text(" " * len(block[0])) for block in blocks
        ]
        yield Text(" " * BETWEEN_PAIRS).join(parts)


def of_episode(drawn: ArcEpisode, demos: int) -> Sample:
    """An episode as it is shown to a person: its rule, which memories are not told, and its pairs.

    Args:
        drawn: From the families of `FAMILIES`.
        demos: How many of its pairs are demonstrations.
    """
    family = FAMILIES[drawn.family]
    facts: dict[str, Cell] = {"family": family.name, "group": family.group, "rule": family.rule}
    facts |= family.describe(drawn.parameters)
    parts: tuple[Part, ...] = (Facts(facts), GridPairs("demonstrations", drawn.pairs[:demos]))
    return Sample(f"{family.name}, {drawn.split} episode {drawn.number}", parts)


def of_task(task: ArcTask) -> Sample:
    """A task of the real corpus: its demonstrations and its test pairs."""
    facts = Facts({"demonstrations": len(task.pairs), "tests": len(task.tests)})
    shown = GridPairs("demonstrations", task.pairs), GridPairs("tests", task.tests)
    return Sample(f"ARC-AGI-1 task {task.name}", (facts, *shown))


def of_pool(n: int, seed: int, pool: ArcPool) -> list[Sample]:
    """Some tasks of the real corpus, others for another seed; all of them if there are fewer."""
    tasks = load(pool)
    chosen = np.random.default_rng(seed).permutation(len(tasks))[:n]
    return [of_task(tasks[place]) for place in chosen]
