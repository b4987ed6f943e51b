"""Tables in LaTeX with booktabs rules."""

from __future__ import annotations

import re

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, emphasis
from bench.tables.layout import BREAKS, cut, folded, longest, whole_part
from bench.tables.sheet import build
from bench.tables.symbols import UNICODE

PAGE = 100
"""Characters from which columns that are alike go to a further table."""
HEADER = 16
"""Characters from which a header that is wider than its column is folded."""
WORDS = 30
"""Characters from which a column of words is set in several lines."""
LINE = 70
"""Characters of a line in a small font: a table that may be wider is shrunk if it is."""
SHRUNK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
PREAMBLE = r"""% needs \usepackage{booktabs}, for tables wider than a line \usepackage{graphicx};
% letters beyond Latin and Greek in names: compile with lualatex or xelatex"""
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi",
    "ψ": "psi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega",
}  # fmt: skip
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
        '"': "''",
        "<": r"$<$",
        ">": r"$>$",
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "†": r"$^{\dagger}$",
        "‡": r"$^{\ddagger}$",
        "≡": r"$^{\equiv}$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "×": r"$\times$",
        "−": r"$-$",
        "²": r"$^{2}$",
        "·": r"$\cdot$",
        "…": r"\ldots{}",
        "–": "--",
        "—": "---",
    }
    | {letter: rf"$\{name}$" for letter, name in _GREEK.items()}
)
_SIGN = re.compile(r"(?<![\w.+-])[+-](?=\d)")
"""The sign of a number, which a hyphen or a plus in a name is not."""
_SIGNS = frozenset("†‡≡")


def render(
    comparison: Comparison,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
) -> str:
    """One ``table`` environment per table, then the footer in a small font.

    An overview that is wider than a page is cut into several tables.
    """
    return render_sheet(build(comparison, spread=spread, digits=digits, transpose=transpose))


def render_sheet(sheet: Sheet) -> str:
    """Tables that are built already."""
    parts = [part for grid in sheet.grids for part in _fitted(grid)]
    blocks = [PREAMBLE, *map(_table, parts)]
    footer = "\n".join(escape(sentence) for sentence in [*emphasis(sheet.grids), *sheet.footer])
    blocks.append(f"{{\\footnotesize\n{footer}\n\\par}}")
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """The text with everything that LaTeX reads as a command made literal."""
    plain = " ".join(text.split()).replace("--", "-\0-").replace("--", "-\0-")
    # two hyphens in a row would be set as a dash
    return plain.translate(_ESCAPES).replace("\0", "{}")


def _fitted(grid: Grid) -> list[Grid]:
    if grid.wide == "spill":
        return [grid]
    return cut(grid, _widths(grid), PAGE)


def _widths(grid: Grid) -> list[int]:
    """Characters of each column, marks included and headers folded; words are set in lines."""
    found = []
    for j in range(len(grid.header)):
        heads = [longest(grid.header[j], BREAKS[1]), longest(grid.heads[j], BREAKS[1])]
        cells = [" ".join([row[j].text, *(UNICODE[m] for m in row[j].marks)]) for row in grid.rows]
        widest = max([*heads, *map(len, cells)])
        found.append(min(widest, WORDS) if _alignment(grid, j) != "l" else widest)
    return found


def _table(grid: Grid) -> str:
    columns = "".join(_alignment(grid, j) for j in range(len(grid.header)))
    wide = sum(_widths(grid)) > LINE
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape(grid.title)}}}",
        *([SHRUNK] if wide else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_heads(grid),
        _row([_header(name, grid, j) for j, name in enumerate(grid.header)]),
        r"\midrule",
        *map(_row, _body(grid)),
        r"\bottomrule",
        r"\end{tabular}" + "}" * wide,
        *(rf"\par\footnotesize {escape(note)}" for note in grid.notes),
        r"\end{table}",
    ]
    return "\n".join(lines)


def _alignment(grid: Grid, j: int) -> str:
    """Left, since numbers are padded to line up; long words in lines of their own."""
    longest_cell = max((len(row[j].text) for row in grid.rows), default=0)
    return r"p{4.5cm}" if j and not grid.numeric[j] and longest_cell > WORDS else "l"


def _heads(grid: Grid) -> list[str]:
    """The heads over groups of columns, each with a rule below it."""
    if not grid.groups:
        return []
    cells, rules, start = [], [], 1
    for head, span in grid.groups:
        text = _stacked(head, HEADER * span)
        cells.append(rf"\multicolumn{{{span}}}{{l}}{{{text}}}" if head else " & " * (span - 1))
        if head:
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    return [_row(cells), " ".join(rules)]


def _header(name: str, grid: Grid, j: int) -> str:
    widest = max((len(row[j].text) for row in grid.rows), default=0)
    return _stacked(name, max(widest, HEADER))


def _stacked(text: str, width: int) -> str:
    lines = [_guarded(escape(line)) for line in folded(text, width)]
    stack = r" \\ ".join(lines)
    return stack if len(lines) == 1 else rf"\shortstack[l]{{{stack}}}"


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _body(grid: Grid) -> list[list[str]]:
    columns = []
    for j, numeric in enumerate(grid.numeric):
        cells = [row[j] for row in grid.rows]
        before = _phantoms(cells) if numeric else [""] * len(cells)
        columns.append([_cell(cell, pad) for cell, pad in zip(cells, before, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)]


def _phantoms(column: list[Cell]) -> list[str]:
    """Blanks as wide as the sign and the digits that bring decimal points under each other."""
    wholes = [whole_part(cell.text) for cell in column]
    digits = max((len(whole.lstrip("+-")) for whole in wholes), default=0)
    signed = any(whole[:1] in ("+", "-") for whole in wholes if whole)
    return [_phantom(whole, digits, signed) if whole else "" for whole in wholes]


def _phantom(whole: str, digits: int, signed: bool) -> str:
    missing = "0" * (digits - len(whole.lstrip("+-")))
    sign = "$-$" if signed and whole[0] not in "+-" else ""
    return rf"\phantom{{{sign}{missing}}}" if sign or missing else ""


def _cell(cell: Cell, pad: str) -> str:
    text = _SIGN.sub(r"$\g<0>$", escape(cell.text))
    text = _guarded(text)
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    if cell.underline:
        text = rf"\underline{{{text}}}"
    return pad + text + "".join(_mark(UNICODE[mark]) for mark in cell.marks)


def _guarded(text: str) -> str:
    """The text so that a bracket or star at its start is no argument of the break before it."""
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _mark(sign: str) -> str:
    if sign in _SIGNS:
        return escape(sign)
    return rf"$^{{\mbox{{\scriptsize {escape(sign)}}}}}$"
