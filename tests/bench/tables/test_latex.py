"""Tables in LaTeX: nothing in a name or a number is read as a command."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.compare import compare
from bench.tables import latex, render
from bench.tables.grid import Cell, Column, Sheet, grid_of
from tests.bench.frames import FrameBuilder
from tests.bench.tables.golden import comparison

SPECIAL = r"""\ _ % & # $ { } ~ ^ | < > " ' ` - -- --- * [1] ± ↓ ↑ † ‡ ≡ ≥ ≤ × − ² · … – — µ λ Ω"""


def body(*texts: str, name: str = "x") -> str:
    """The rows of a table with one column of these texts."""
    column = Column(name, tuple(Cell(text) for text in texts), numeric=False)
    return latex.render_sheet(Sheet((grid_of("t", [column]),), ()))


def test_every_character_that_latex_reads_is_escaped() -> None:
    text = latex.escape(SPECIAL)
    # what is left after taking commands and escaped characters away holds none of them bare
    rest = re.sub(r"\\[a-zA-Z]+(\{\})?|\\.|\$[^$]*\$|\{\}", "", text)
    assert not set(rest) & set('\\_%&#${}~^|<>"±↓↑†‡≡≥≤×−²·…µλΩ')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("100%", r"100\%"),
        ("-- missing", "-{}- missing"),
        ("a---b", "a-{}-{}-b"),
        ("x\n\ny", "x y"),
        ("\\", r"\textbackslash{}"),
        ("{~}", r"\{\textasciitilde{}\}"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert latex.escape(text) == expected


def test_a_bracket_or_star_after_a_line_break_is_no_argument() -> None:
    r"""Like ``\\ [5pt]`` or ``\\*``, also inside a folded header."""
    text = body("[0.1, 0.2]", "*best*", name="ours minus published [95% CI]")
    assert "\n{}[0.1, 0.2]" in text and "\n{}*best*" in text
    assert not re.search(r"\\\\\s*[\[*]", text)


def test_minus_signs_of_numbers_are_math_and_hyphens_of_names_are_not() -> None:
    text = body("-0.5 [-1.0, +2.0]", "linear-assoc", "der++", "sm-2", "1e-4")
    assert "$-$0.5 [$-$1.0, $+$2.0]" in text
    assert "linear-assoc" in text and "der++" in text and "sm-2" in text
    assert "1e-4" in text


def test_decimal_points_line_up_by_invisible_digits() -> None:
    columns = [Column("m", (Cell("a"),) * 4, numeric=False)]
    columns.append(Column("x", tuple(Cell(t) for t in ("0.5", "-12.25", "+3.0", "-"))))
    text = latex.render_sheet(Sheet((grid_of("t", columns),), ()))
    assert r"\phantom{$-$0}0.5" in text
    assert "& $-$12.25" in text
    assert r"\phantom{0}$+$3.0" in text
    assert r"& - \\" in text


def test_marks_are_superscripts() -> None:
    text = render(comparison(), "latex")
    assert r"$^{\dagger}$" in text and r"$^{\ddagger}$" in text and r"$^{\equiv}$" in text
    assert r"$^{\mbox{\scriptsize det}}$" in text


def test_every_row_has_as_many_cells_as_its_table_has_columns() -> None:
    text = render(comparison(), "latex")
    for columns, rows in re.findall(
        r"\\begin\{tabular\}\{(.*?)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL
    ):
        n = len(columns.replace("{4.5cm}", ""))
        for row in re.findall(r"^(.*?) \\\\$", rows, re.MULTILINE):
            spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            cells = len(re.findall(r"(?<!\\)&", row)) + 1
            assert cells + sum(spans) - len(spans) == n


def test_an_overview_wider_than_a_page_becomes_several_tables() -> None:
    builder = FrameBuilder()
    for j in range(9):
        for label in ("a", "b"):
            builder.cell(label, [0.4, 0.41, 0.42 + j], task=f"task-{j}")
    text = render(compare(builder.frame()), "latex")
    assert r"\caption{Overview: 2 memories, 9 tasks (1 of 2)}" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_pdflatex_sets_all_of_it(tmp_path: Path) -> None:
    """Every character and mark that tables use, in a document with the packages they name."""
    column = Column("[a] b [c]", (Cell(SPECIAL), Cell(SPECIAL, bold=True)), numeric=False)
    odd = latex.render_sheet(Sheet((grid_of(SPECIAL, [column], notes=[SPECIAL]),), (SPECIAL,)))
    golden = render(comparison(), "latex")
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\usepackage{graphicx}\n"
        f"\\begin{{document}}\n{golden}\n{odd}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
    log = (tmp_path / "all.log").read_text(encoding="latin-1")
    assert "Missing character" not in log
    assert "Overfull" not in log


def test_a_table_that_may_be_wider_than_a_line_is_shrunk_to_it() -> None:
    words = Column("note", (Cell("n.s.: detects 0.0060; needs about 28 seeds"),), numeric=False)
    names = Column("memory", (Cell("a"),), numeric=False)
    numbers = [Column(f"x{j}", (Cell("0.7277 [0.7240, 0.7314]"),)) for j in range(2)]
    narrow, wide = ([names, words], [names, *numbers, words])
    assert "\\resizebox" not in latex.render_sheet(Sheet((grid_of("t", narrow),), ()))
    text = latex.render_sheet(Sheet((grid_of("t", wide),), ()))
    shrunk = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    assert f"{shrunk}\n\\begin{{tabular}}" in text
    assert "\\end{tabular}}" in text
