"""Mean ranks on a line and the bars below it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.compare import Comparison
from bench.compare.overall_model import Entrant, Estimate, Omnibus, Overall
from bench.figures import critical_difference
from bench.figures.critical_difference import draw, drawings, groups
from bench.figures.drawing import Absent, Drawing
from tests.bench.figures.runs import compared
from tests.bench.frames import FrameBuilder

LABELS = ("first", "second", "third", "fourth")
RANKS = np.array([[1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 3, 4], [1, 2, 4, 3]], dtype=float)
"""Mean ranks 1.25, 2, 3, 3.75."""


def omnibus(p: float) -> Omnibus:
    return Omnibus(9.0, 0.03, 8.0, 0.01, 9.0, 8.0, p, "permutation")


def overall(p: float = 0.01, **changes: object) -> Overall:
    nothing = Estimate(0.5, None)
    entrants = tuple(
        Entrant(label, mean, nothing, None, None, None, None, 0)
        for label, mean in zip(LABELS, RANKS.mean(axis=0).tolist(), strict=True)
    )
    found = Overall(
        scope="all", rows=("a", "b", "c", "d"), by="task", tasks=(("a", "mse"),),
        reference="first", entrants=entrants, ranks=tuple(map(tuple, RANKS.tolist())),
        omnibus=omnibus(p), posthoc="wilcoxon", pairs=(),
        groups=(("first", "third"), ("second", "third", "fourth")), least_rows=4,
        critical_difference=None, resample=None, no_interval="", without_cost=(),
        without_anchors=(), imputed=(),
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    builder = FrameBuilder()
    for label in LABELS:
        builder.cell(label, [1.0, 2.0, 3.0])
    return compared(builder)[0]


def bars(found: Drawing) -> list[tuple[float, float]]:
    """Ends of the bars, in ranks: the axis is 5 inches for ranks 1 to 4."""
    lines = [x for x in found.figure.axes[0].lines if x.get_linewidth() == 2.6]
    ends = [np.array(x.get_xdata(), dtype=float) * 3 / critical_difference.WIDTH + 1 for x in lines]
    return [(float(x.min()), float(x.max())) for x in ends]


def test_bars_reach_from_the_best_to_the_worst_of_each_group(comparison: Comparison) -> None:
    found = draw(comparison, overall())
    assert bars(found) == [pytest.approx((1.25, 3.0)), pytest.approx((2.0, 3.75))]


def test_dots_tell_who_belongs_to_a_bar_that_passes_over_others(comparison: Comparison) -> None:
    """The first bar lies over the second memory, which is not in it."""
    found = draw(comparison, overall())
    dots = [x for x in found.figure.axes[0].lines if x.get_marker() == "."]
    ranks = [(np.array(x.get_xdata()) * 3 / critical_difference.WIDTH + 1).tolist() for x in dots]
    assert ranks == [pytest.approx([1.25, 3.0]), pytest.approx([2.0, 3.0, 3.75])]


def test_one_bar_over_all_where_equal_ranks_are_not_refuted(comparison: Comparison) -> None:
    silent = overall(p=0.3)
    assert groups(silent, 0.05) == [LABELS]
    found = draw(comparison, silent)
    assert bars(found) == [pytest.approx((1.25, 3.75))]
    assert "p = 0.3 (permutation)" in found.caption
    assert "not refuted" in found.caption


def test_all_told_apart_have_no_bar(comparison: Comparison) -> None:
    found = draw(comparison, overall(groups=()))
    assert bars(found) == []
    assert "All are told apart" in found.caption


def test_the_data_hold_ranks_by_row_and_the_groups(comparison: Comparison) -> None:
    data = draw(comparison, overall()).data.set_index("memory")
    assert data["mean_rank"].tolist() == pytest.approx([1.25, 2.0, 3.0, 3.75])
    assert data["groups"].tolist() == ["1", "2", "1 2", "2"]
    assert data["rank on b"].tolist() == [1, 3, 2, 4]


def test_nemenyis_critical_difference_is_drawn_to_scale(comparison: Comparison) -> None:
    found = draw(comparison, overall(posthoc="nemenyi", critical_difference=1.5))
    (reach,) = [x for x in found.figure.axes[0].lines if x.get_marker() == "|"]
    assert np.ptp(reach.get_xdata()) == pytest.approx(1.5 * critical_difference.WIDTH / 3)
    assert "Nemenyi" in found.caption


def test_against_a_reference_alone_the_bar_is_about_the_reference(comparison: Comparison) -> None:
    found = draw(comparison, overall(posthoc="reference", groups=(("first", "second"),)))
    assert bars(found) == [pytest.approx((1.25, 2.0))]
    assert "memories not told from first by tests of mean ranks" in found.caption


def test_the_caption_says_how_many_and_whether_any_pair_could_be_told_apart(
    comparison: Comparison,
) -> None:
    found = draw(comparison, overall(least_rows=9))
    assert "k = 4 memories over N = 4 tasks" in found.caption
    assert "With fewer than 9 rows no pair could be told apart." in found.caption
    assert "fewer than" not in draw(comparison, overall()).caption


def test_incomplete_memories_are_marked(comparison: Comparison) -> None:
    known = overall()
    entrants = (replace(known.entrants[0], incomplete=2), *known.entrants[1:])
    found = draw(comparison, replace(known, entrants=entrants))
    assert any("first!" in text.get_text() for text in found.figure.axes[0].texts)
    assert "they rank last" in found.caption


def test_names_do_not_overlap_however_many(comparison: Comparison) -> None:
    found = draw(comparison, overall())
    canvas = found.figure.canvas
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in found.figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_scopes_have_names_of_their_own(comparison: Comparison) -> None:
    both = replace(comparison, overall=(overall(scope="full"), overall(scope="common"), overall()))
    assert [d.name for d in drawings(both) if isinstance(d, Drawing)] == [
        "critical-difference--full", "critical-difference--common", "critical-difference",
    ]  # fmt: skip


def test_without_ranks_there_is_none(comparison: Comparison) -> None:
    (found,) = drawings(replace(comparison, overall=()))
    assert isinstance(found, Absent)
