"""Tables as HTML: well formed, escaped, readable without a mouse, eyes or a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bench.compare import compare
from bench.tables import html, render
from bench.tables.grid import Cell, Column, grid_of
from tests.bench.frames import FrameBuilder
from tests.bench.tables.golden import comparison

VOID = {"meta"}
XSS = """<script>alert("1")</script>&'\x00\x1b[1m"""


class Reader(HTMLParser):
    """Collects elements and checks that every one that opens is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere() -> None:
    text = render(comparison(), "html")
    page = Reader(text)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.found}
    assert not re.search(r"https?:|//|url\(|@import", text)


def test_every_table_has_a_caption_and_heads_with_a_scope() -> None:
    page = Reader(render(comparison(), "html"))
    tables = len(page.all("table"))
    assert tables == 4
    assert len(page.all("caption")) == tables
    assert {head["scope"] for head in page.all("th")} == {"col", "row", "colgroup"}


def test_only_long_names_may_fold() -> None:
    names = ("episodic-linear[meta=quick]", "a name that somebody made up of very many words")
    text = html.table(grid_of("t", [Column("m", tuple(map(Cell, names)), numeric=False)]))
    assert f'<th scope="row">{names[0]}</th>' in text
    assert f'<th scope="row" class="long">{names[1]}</th>' in text


def test_rows_are_as_wide_as_their_header() -> None:
    for body in re.findall(r"<table.*?</table>", render(comparison(), "html"), re.DOTALL):
        widths = set()
        for row in re.findall(r"<tr>(.*?)</tr>", body):
            spans = re.findall(r'<t[hd][^>]*?(?:colspan="(\d+)")?>', row)
            widths.add(sum(int(span or 1) for span in spans))
        assert len(widths) == 1


def test_a_mark_says_what_it_means_and_best_is_said_in_words() -> None:
    page = Reader(render(comparison(), "html"))
    titles = {mark["title"] for mark in page.all("abbr")}
    assert "significantly better" in titles
    assert "the same value on every seed" in titles
    assert " (best)" in page.words and " (second)" in page.words


def test_names_and_messages_cannot_become_markup() -> None:
    builder = FrameBuilder().cell("ref", [0.4, 0.41, 0.42])
    builder.cell(XSS, ["error"] * 3, message=XSS)
    text = html.render(compare(builder.frame()))
    page = Reader(text)
    assert not page.all("script")
    assert "\x00" not in text and "\x1b" not in text
    assert any('<script>alert("1")</script>&' in words for words in page.words)


def test_attributes_cannot_be_broken_out_of() -> None:
    grid = grid_of('a" onload="x', [Column("memory", (Cell("m"),), numeric=False)])
    page = Reader(html.table(grid))
    (region,) = page.all("div")
    assert region["aria-label"] == 'a" onload="x'
    assert "onload" not in region


def test_the_full_number_stands_beside_the_rounded_one() -> None:
    """Losses .405 .417 .397 .409 .418 have the mean .4092."""
    page = Reader(render(comparison(), "html", digits=1))
    values = [cell["data-value"] for cell in page.all("td") if "data-value" in cell]
    assert any(float(value or "nan") == pytest.approx(0.4092, abs=1e-12) for value in values)


def test_sets_that_are_not_separated_from_the_best_are_shaded_and_signed() -> None:
    text = render(comparison(mode="vs-best"), "html")
    shaded = re.findall(r'<td class="near"[^>]*>(.*?)</td>', text)
    assert shaded
    assert all(">=</abbr>" in cell for cell in shaded)


def test_columns_of_unequal_numbers_line_up_by_width_not_by_blanks() -> None:
    column = Column("x", (Cell("0.5"), Cell("-12.25"), Cell("fail:oom")))
    text = html.table(grid_of("t", [Column("m", (Cell("a"),) * 3, numeric=False), column]))
    assert '<span class="int" style="min-width:3.4ch">0</span>.5' in text
    assert '<span class="int" style="min-width:3.4ch">\N{MINUS SIGN}12</span>.25' in text
    assert ">fail:oom<" in text


def test_columns_of_equal_width_need_no_help() -> None:
    column = Column("x", (Cell("0.5"), Cell("1.25 [0.1, 2.0]")))
    text = html.table(grid_of("t", [Column("m", (Cell("a"),) * 2, numeric=False), column]))
    assert "min-width" not in text


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("ink", ["ink", "soft"])
@pytest.mark.parametrize("ground", ["paper", "band", "near"])
def test_text_is_readable_in_light_and_dark(scheme: int, ink: str, ground: str) -> None:
    """Contrast of at least 4.5 to 1, WCAG 2.1 level AA."""
    colours = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", html.STYLE, re.DOTALL)
    ]
    light, dark = sorted(_luminance(colours[scheme][name]) for name in (ink, ground))
    assert (dark + 0.05) / (light + 0.05) >= 4.5
