"""Leaderboards as LaTeX tables with booktabs rules."""

from __future__ import annotations

import re

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, build
from bench.tables.symbols import UNICODE

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        "<": r"$<$",
        ">": r"$>$",
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "†": r"$^{\dagger}$",
        "‡": r"$^{\ddagger}$",
    }
)
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
"""The sign of a number, which a hyphen is not."""


def render(comparison: Comparison, *, spread: Spread = "ci", digits: int | None = None) -> str:
    """One ``table`` environment per leaderboard, then the footer in a small font."""
    return render_sheet(build(comparison, spread=spread, digits=digits))


def render_sheet(sheet: Sheet) -> str:
    """Tables that are built already."""
    blocks = [r"% needs \usepackage{booktabs}", *(_table(grid) for grid in sheet.grids)]
    footer = "\n".join(_escape(sentence) for sentence in sheet.footer)
    blocks.append(f"{{\\footnotesize\n{footer}\n\\par}}")
    return "\n\n".join(blocks) + "\n"


def _table(grid: Grid) -> str:
    columns = "".join("r" if numeric else "l" for numeric in grid.numeric)
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escape(grid.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row([_escape(name) for name in grid.header]),
        r"\midrule",
        *(_row([_cell(cell) for cell in row]) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    # a cell that starts with a bracket would be read as an argument of the \\ before it
    text = _MINUS.sub("$-$", _escape(cell.text))
    text = f"{{}}{text}" if text.startswith("[") else text
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    if cell.underline:
        text = rf"\underline{{{text}}}"
    return text + "".join(_mark(UNICODE[mark]) for mark in cell.marks)


def _mark(sign: str) -> str:
    if sign in ("†", "‡"):
        return _escape(sign)
    return rf"$^{{\mbox{{\scriptsize {_escape(sign)}}}}}$"


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)
