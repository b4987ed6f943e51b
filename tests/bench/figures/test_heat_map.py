"""Errors relative to the reference, and what stands where there is none."""

from __future__ import annotations

import math

import pytest
from matplotlib.patches import Rectangle

from bench.compare import compare
from bench.figures import heatmap
from bench.figures.drawing import Absent, Drawing
from tests.bench.figures.runs import compared, states
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

FREE = Metric("gain", "higher", bounds=(math.nan, math.nan))


def drawn(builder: FrameBuilder, **options: object) -> Drawing:
    (found,) = heatmap.drawings(compared(builder, **options)[0])
    assert isinstance(found, Drawing)
    return found


def cells(found: Drawing) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["task"], row["memory"]): row for row in found.data.to_dict("records")}


def losses() -> FrameBuilder:
    """Ratios 1/4, 1, 0 of 2 (clipped), and anything over 0."""
    builder = FrameBuilder()
    for task, ref, own in (("a", 2.0, 0.5), ("b", 2.0, 2.0), ("c", 2.0, 0.0), ("d", 0.0, 1.0)):
        builder.cell("ref", [ref] * 3, task=task).cell("own", [own] * 3, task=task)
    return builder


def test_losses_are_over_those_of_the_reference_within_limits() -> None:
    found = cells(drawn(losses()))
    ratios = [found[task, "own"]["relative_error"] for task in "abcd"]
    assert ratios == [0.25, 1.0, 0.01, 100.0]
    assert found["a", "own"]["log10_relative_error"] == pytest.approx(math.log10(0.25))
    assert {found[task, "ref"]["relative_error"] for task in "abcd"} == {1.0}


def test_the_error_of_an_accuracy_is_its_distance_from_one() -> None:
    builder = FrameBuilder()
    for task, own in (("a", 0.9), ("b", 0.5)):
        builder.cell("ref", [0.75] * 3, task=task, metric=ACCURACY)
        builder.cell("own", [own] * 3, task=task, metric=ACCURACY)
    found = cells(drawn(builder))
    assert found["a", "own"]["relative_error"] == pytest.approx(0.1 / 0.25)
    assert found["b", "own"]["relative_error"] == pytest.approx(0.5 / 0.25)


def test_a_metric_without_a_best_value_has_no_colour_and_is_named() -> None:
    builder = losses()
    builder.cell("ref", [1.0] * 3, task="e", metric=FREE)
    builder.cell("own", [2.0] * 3, task="e", metric=FREE)
    found = drawn(builder)
    assert math.isnan(cells(found)["e", "own"]["relative_error"])
    assert "White for want of a best value: e." in found.caption


def test_failed_cells_are_hatched_and_no_others() -> None:
    found = drawn(states())
    axes = found.figure.axes[0]
    hatched = {
        (patch.get_x(), patch.get_y())
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_hatch()
    }
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert hatched == {(task, labels.index("broken")) for task in (0, 1)}
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("fail") == 2
    assert texts.count("n/a") == 2
    assert "Hatched: failed or missing." in found.caption


def test_numbers_that_are_not_told_from_the_reference_are_grey_and_slanted() -> None:
    found = drawn(states())
    data = cells(found)
    assert data["recall", "better"]["separated"] is True
    assert data["recall", "twin"]["separated"] is False
    by_place = {text.get_position(): text for text in found.figure.axes[0].texts}
    labels = [text.get_text() for text in found.figure.axes[0].get_yticklabels()]

    def text_of(label: str) -> object:
        return by_place[0.5, labels.index(label) + 0.52]

    twin, better = text_of("twin"), text_of("better")
    assert (twin.get_fontstyle(), twin.get_alpha()) == ("italic", heatmap.UNSURE)
    assert (better.get_fontstyle(), better.get_alpha()) == ("normal", 1.0)


def test_a_cell_that_lost_seeds_is_marked() -> None:
    found = drawn(states())
    assert any(text.get_text().endswith("!") for text in found.figure.axes[0].texts)
    assert "! some seeds failed." in found.caption


def test_colours_are_centred_on_the_reference_and_saturate_at_a_factor_of_ten() -> None:
    axes = drawn(losses()).figure.axes[0]
    colours = {(p.get_x(), p.get_y()): p.get_facecolor() for p in axes.patches}
    assert colours[1, 1] == (1.0, 1.0, 1.0, 1.0)
    assert colours[2, 1] == heatmap.COLORS(0.0)
    assert colours[3, 1] == heatmap.COLORS(1.0)


def test_text_has_contrast_on_every_shade() -> None:
    """At least 4.5 : 1, as WCAG 2 asks of text: black has luminance 0, white 1."""
    for k in range(101):
        hexed, dark = heatmap._shade(10 ** (k / 50 - 1))
        parts = [int(hexed[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        shade = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        ratio = 1.05 / (shade + 0.05) if dark else (shade + 0.05) / 0.05
        assert ratio >= 4.5, (k, ratio)


def test_memories_that_never_meet_have_maps_of_their_own() -> None:
    builder = losses()
    for task in ("e", "f"):
        builder.cell("x", [1.0] * 3, task=task).cell("y", [2.0] * 3, task=task)
    comparison = compare(builder.frame(reference=["ref", "x"]))
    found = list(heatmap.drawings(comparison))
    assert [set(d.data["memory"]) for d in found if isinstance(d, Drawing)] == [
        {"ref", "own"}, {"x", "y"},
    ]  # fmt: skip
    names = [d.name for d in found if isinstance(d, Drawing)]
    assert names == ["heat-map--field-1", "heat-map--field-2"]


def test_memories_that_do_not_meet_the_reference_have_none() -> None:
    builder = losses()
    for task in ("e", "f"):
        builder.cell("x", [1.0] * 3, task=task).cell("y", [2.0] * 3, task=task)
    assert set(drawn(builder).data["memory"]) == {"ref", "own"}


def test_one_column_is_no_map() -> None:
    builder = FrameBuilder().cell("ref", [1.0] * 3).cell("own", [2.0] * 3)
    (found,) = heatmap.drawings(compared(builder)[0])
    assert isinstance(found, Absent)
