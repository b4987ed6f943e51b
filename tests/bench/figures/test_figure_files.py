"""Files of figures: what is written, that it is the same every time, and why it is not."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench import figures
from bench.compare import compare
from bench.errors import MembError
from bench.figures.drawing import (
    MARGIN,
    PNG_DPI,
    Drawing,
    blank,
    finished,
    seeds,
    slug,
)
from bench.figures.style import house
from bench.figures.writing import write
from tests.bench.figures.runs import capacity, compared, states
from tests.bench.frames import ACCURACY


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    comparison, frame = compared(capacity())
    return next(d for d in figures.drawings(comparison, frame) if isinstance(d, Drawing))


def test_every_figure_is_written_three_times_and_every_kind_is_accounted_for(
    tmp_path: Path,
) -> None:
    found = figures.draw(*compared(capacity()), tmp_path / "new" / "figures")
    written = [item for item in found if isinstance(item, figures.Written)]
    absent = {item.kind: item.reason for item in found if isinstance(item, figures.Absent)}
    assert [item.svg.name for item in written] == [
        "forest--capacity--capacity_90.svg",
        "seed-strip--capacity--capacity_90.svg",
        "capacity-curve--capacity--acc_code.svg",
        "pareto--capacity--capacity_90.svg",
    ]
    for item in written:
        assert item.svg.read_text().startswith("<?xml")
        assert item.png.read_bytes().startswith(b"\x89PNG")
        assert len(pd.read_csv(item.csv)) > 1
        assert item.caption
    assert {item.kind for item in written} | set(absent) == set(figures.KINDS)
    assert all(absent.values())
    assert len(list((tmp_path / "new" / "figures").iterdir())) == 3 * len(written)


def test_the_same_records_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    frame = states().frame()
    shuffled = frame.iloc[np.random.default_rng(0).permutation(len(frame))]
    shuffled.attrs = dict(frame.attrs)
    for name, one in (("a", frame), ("b", shuffled)):
        figures.draw(compare(one), one, tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_no_date_and_no_version_is_in_a_file(drawing: Drawing) -> None:
    svg = drawing.svg()
    assert "dc:date" not in svg
    assert drawing.caption[:30] in svg  # as its description
    with Image.open(io.BytesIO(drawing.png())) as image:
        assert "Software" not in image.text
        assert image.text["Title"] == drawing.title
        assert [round(dots) for dots in image.info["dpi"]] == [200, 200]


def test_the_global_settings_and_the_users_own_have_no_part(drawing: Drawing) -> None:
    import matplotlib

    before = drawing.svg()
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.grid": False}):
        comparison, frame = compared(capacity())
        again = next(d for d in figures.drawings(comparison, frame) if isinstance(d, Drawing))
        assert again.svg() == before


def test_csv_holds_full_precision(drawing: Drawing) -> None:
    rows = list(csv.DictReader(io.StringIO(drawing.csv())))
    for column in ("difference", "ci_lo", "p_raw"):
        assert [float(row[column]) for row in rows] == drawing.data[column].tolist()


def test_ids_take_a_prefix_wherever_they_are_used(drawing: Drawing) -> None:
    text = drawing.svg(prefix="f1-")
    root = ET.fromstring(text)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids and all(name.startswith("f1-") for name in ids if name)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    assert used and set(used) <= set(ids)
    assert drawing.svg() == drawing.svg(prefix="")


def test_text_may_be_text_and_the_caption_may_be_left_to_the_page(drawing: Drawing) -> None:
    plain = drawing.svg(letters=True, caption=False)
    texts = "".join(ET.fromstring(plain).itertext())
    assert "linear-assoc" in texts
    assert len(plain) < len(drawing.svg())
    shown = re.sub(r"(?s)<metadata>.*?</metadata>", "", drawing.svg(letters=True))
    hidden = re.sub(r"(?s)<metadata>.*?</metadata>", "", plain)
    start = drawing.caption.split(",")[0]
    assert start in shown
    assert start not in hidden


def test_names_are_no_formulas() -> None:
    builder = capacity()
    for row in builder.rows:
        row["label"] = row["label"].replace("delta", "$\\alpha$_<b>&")
    found = [d for d in figures.drawings(*compared(builder)) if isinstance(d, Drawing)]
    for each in found:
        text = "".join(ET.fromstring(each.svg(letters=True)).itertext())
        assert "$\\alpha$_<b>&" in text, each.name


def test_labels_that_differ_in_signs_alone_do_not_overwrite_each_other(tmp_path: Path) -> None:
    def one(about: str) -> Drawing:
        figure = blank(1, 1)
        return finished(figure, "kind", (about,), "t", ["c"], pd.DataFrame({"a": [1]}))

    found = list(write([one("a[x=1]"), one("a(x=1)"), one("a")], tmp_path))
    names = [item.csv.name for item in found if isinstance(item, figures.Written)]
    assert names == ["kind--a-x-1.csv", "kind--a-x-1-2.csv", "kind--a.csv"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("a[x=1,y=0.5]", "a-x-1-y-0.5"), ("../../etc", "etc"), ("...", "unnamed"), ("ü/b", "b")],
)
def test_file_names_hold_nothing_that_leaves_the_folder(text: str, name: str) -> None:
    assert slug(text) == name


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MembError, match=r"cannot write figures to .*file"):
        figures.draw(*compared(capacity()), tmp_path / "file")


def test_counts_of_seeds_in_words() -> None:
    assert [seeds(n) for n in ([], [1], [5, 5], [3, 5])] == [
        "no seeds", "n = 1 seed", "n = 5 seeds", "n = 3 to 5 seeds",
    ]  # fmt: skip


def test_a_letter_that_the_font_lacks_is_said_in_the_caption_without_a_warning() -> None:
    japanese = [0.61, 0.6, 0.62, 0.6, 0.63]
    builder = states().cell("日本", japanese, task="recall", metric=ACCURACY)
    comparison, frame = compared(builder)
    made = [d for d in figures.drawings(comparison, frame) if isinstance(d, Drawing)]
    (named,) = [d for d in made if d.name.startswith("forest--recall")]
    assert "A box stands for a letter that DejaVu Sans lacks." in named.caption
    assert named.png().startswith(b"\x89PNG") and "<svg" in named.svg()
    plain = [d for d in made if "order" in d.name]
    assert plain and not any("A box stands" in d.caption for d in plain)


@pytest.mark.parametrize("caption", [True, False])
def test_a_file_holds_all_that_is_drawn_and_a_tenth_of_an_inch_around_it(
    drawing: Drawing, caption: bool
) -> None:
    """As matplotlib's own "tight" box does, which draws the figure a second time to find it."""
    ours = Image.open(io.BytesIO(drawing.png(caption=caption)))
    out = io.BytesIO()
    drawing.note.set_visible(caption)
    with house():
        drawing.figure.savefig(
            out, format="png", dpi=PNG_DPI, bbox_inches="tight", pad_inches=MARGIN
        )
    theirs = Image.open(out)
    assert ours.size == theirs.size
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
