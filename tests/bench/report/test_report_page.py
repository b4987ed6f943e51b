"""The page as a document: whole without a network, escaped, labelled, equal for equal records."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from bench.compare import compare
from bench.report import render, report
from bench.report.model import Call, Fact, Mishap, Place, Plate, Report, Run
from tests.bench.frames import ACCURACY, FrameBuilder

VOID = {"meta", "link", "input", "img", "br", "wbr", "hr"}
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;</style>]]>-->"
    "<svg/onload=1>"
)


@dataclass
class Document(HTMLParser):
    """What a parser sees of a page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    misnested: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open_tags:
            self.texts.setdefault(self.open_tags[-1], []).append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def parsed(text: str) -> Document:
    document = Document()
    document.feed(text)
    document.close()
    return document


@pytest.fixture(scope="module")
def document(page: str) -> Document:
    return parsed(page)


def test_every_element_is_closed_in_order(document: Document) -> None:
    assert document.misnested == []
    assert document.open_tags == []


def test_nothing_is_loaded_from_anywhere(page: str, document: Document) -> None:
    loading = ("src", "href", "srcset", "poster", "action", "formaction", "data", "background")
    found = [(tag, a[name][:20]) for tag, a in document.tags for name in loading if name in a]
    assert found
    assert [entry for entry in found if not entry[1].startswith(("#", "data:"))] == []
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", page, re.IGNORECASE)


def test_the_policy_admits_our_script_alone(page: str, document: Document) -> None:
    (policy,) = [a["content"] for a in document.all("meta") if "Policy" in a.get("http-equiv", "")]
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_there_is_one_of_each_landmark_and_a_link_past_them(document: Document) -> None:
    for name in ("main", "nav", "header", "footer", "h1"):
        assert len(document.all(name)) == 1, name
    assert document.all("html")[0]["lang"] == "en"
    assert document.all("nav")[0]["aria-label"]
    first_link = document.all("a")[0]
    assert first_link["href"] == "#" + document.all("main")[0]["id"]


def test_no_level_of_headings_is_left_out(document: Document) -> None:
    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_ids_are_unique_and_every_reference_has_one(document: Document) -> None:
    ids = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in document.tags:
        targets = [attributes.get("aria-labelledby", ""), attributes.get("for", "")]
        href = attributes.get("href", "")
        targets.append(href[1:] if href.startswith("#") else "")
        assert set(" ".join(targets).split()) <= set(ids)


def test_every_table_has_a_caption_and_scoped_heads(document: Document) -> None:
    tables = document.all("table")
    assert len(tables) >= 6
    assert len(document.all("caption")) == len(tables)
    assert {a.get("scope") for a in document.all("th")} <= {"col", "row", "colgroup"}
    # one memory a row: each row of a body has its head
    assert sum(a.get("scope") == "row" for a in document.all("th")) >= len(tables)


def test_every_field_has_a_label_and_every_picture_its_words(made: Report) -> None:
    document = parsed(render(replace(made, plates=(plate(),))))
    labelled = {attributes["for"] for attributes in document.all("label")}
    fields = {a["id"] for a in (*document.all("input"), *document.all("select"))}
    assert fields == labelled
    assert [image["alt"] for image in document.all("img")] == ["a curve"]


def plate(name: str = "curve", words: str = "a curve") -> Plate:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="40pt" height="20pt"/>'
    return Plate("a kind", name, "Curve", "n = 5", words, svg, b"x,y\n1,2\n")


def test_the_same_records_in_any_order_give_the_same_bytes(frame: pd.DataFrame, page: str) -> None:
    shuffled = frame.sample(frac=1.0, random_state=7)
    shuffled.attrs = dict(frame.attrs)
    again = report(shuffled, compare(shuffled), with_figures=False)
    assert render(again) == page


def test_labels_messages_and_tracebacks_are_text_and_nothing_else() -> None:
    made = FrameBuilder()
    made.cell("base", [0.5, 0.52, 0.49], metric=ACCURACY, task=HOSTILE)
    made.cell(HOSTILE, [0.8, 0.83, "error"], metric=ACCURACY, task=HOSTILE, message=HOSTILE)
    frame = made.frame(reference="base", suite=HOSTILE, remarks=[HOSTILE])
    found = report(frame, compare(frame), title=HOSTILE, with_figures=False)
    where = (Place(HOSTILE, HOSTILE, (2,), (HOSTILE,)),)
    calls = (Call(HOSTILE, HOSTILE, True, (Fact(HOSTILE, HOSTILE),)),)
    found = replace(
        found,
        description=HOSTILE,
        failures=(Mishap("error", HOSTILE, HOSTILE, where),),
        plates=(plate("curve", HOSTILE),),
        undrawn=(Fact(HOSTILE, HOSTILE),),
        runs=(Run(HOSTILE, calls),),
    )
    document = parsed(render(found))
    assert document.misnested == []
    assert len(document.all("script")) == 1
    assert len(document.all("style")) == 1
    assert len(document.all("img")) == 1
    assert document.all("svg") == []
    handlers = [name for _, a in document.tags for name in a if name.startswith("on")]
    assert handlers == []
    assert HOSTILE in document.texts["h1"]
    assert HOSTILE in document.texts["pre"]


def test_our_own_script_and_style_cannot_end_early(page: str) -> None:
    assert page.count("</script") == 1
    assert page.count("</style") == 1


def downloads(page: str) -> dict[str, bytes]:
    return {
        a["data-name"]: gzip.decompress(base64.b64decode(a["href"].partition(",")[2]))
        for a in parsed(page).all("a")
        if "data-name" in a
    }


def test_the_data_of_the_page_are_in_it(page: str, made: Report, frame: pd.DataFrame) -> None:
    found = downloads(page)
    assert found == {file.name: file.content for file in made.downloads}
    assert len(found["synthetic-numbers.csv"].decode().splitlines()) == 1 + len(frame)
    comparison = json.loads(found["synthetic.json"])
    assert comparison["schema"] == "memb-compare/1"
    assert comparison["labels"] == ["base", "good", "same", "bad", "frail"]
    (mishap, skipped) = json.loads(found["synthetic-mishaps.json"])
    assert (mishap["message"], skipped["message"]) == ("ZeroDivisionError", "needs contexts")


def test_a_download_without_the_script_says_that_it_is_compressed(page: str) -> None:
    links = [a for a in parsed(page).all("a") if "data-name" in a]
    assert all(a["download"] == a["data-name"] + ".gz" for a in links)
    assert all(a["href"].startswith("data:application/gzip;base64,") for a in links)


def test_what_failed_and_what_was_skipped_is_told(page: str) -> None:
    assert "ZeroDivisionError" in page
    assert "needs contexts" in page
    assert "the choice lies at the edge of its grid" in page
    assert "No memory of this run was audited" in page


def test_a_run_without_failures_says_so() -> None:
    made = FrameBuilder().cell("base", [0.5, 0.52, 0.49]).cell("good", [0.2, 0.21, 0.19])
    frame = made.frame(reference="base")
    assert "No trial failed." in render(report(frame, compare(frame), with_figures=False))
