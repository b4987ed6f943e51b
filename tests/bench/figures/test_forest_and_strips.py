"""Differences from the reference, with intervals and by seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.figures import forest, strips
from bench.tolerances import Tolerance
from tests.bench.figures.runs import compared, states
from tests.bench.frames import MSE, FrameBuilder

A = (0.391, 0.402, 0.388, 0.410, 0.399)
B = (0.405, 0.417, 0.397, 0.409, 0.418)


def two() -> FrameBuilder:
    """The paired example of Student's t: mean difference .0112, t(4) = 3.254934, p = .0312298."""
    return FrameBuilder().cell("reference", B).cell("lower", A)


def test_a_forest_plot_holds_differences_intervals_and_adjusted_p() -> None:
    (found,) = forest.drawings(compared(two())[0])
    (row,) = found.data.to_dict("records")
    d = np.array(A) - np.array(B)
    lo, hi = stats.t.interval(0.95, 4, d.mean(), stats.sem(d))
    assert row["difference"] == pytest.approx(-0.0112)
    assert (row["ci_lo"], row["ci_hi"]) == pytest.approx((lo, hi))
    assert row["p_adjusted"] == pytest.approx(0.0312298, abs=1e-7)
    assert (row["verdict"], row["against"], row["n"]) == ("better", "reference", 5)


def test_rows_are_sorted_best_first_and_say_what_the_test_said() -> None:
    comparison, _ = compared(states())
    found = next(iter(forest.drawings(comparison)))
    axes = found.figure.axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["better", "partial", "twin", "broken"]
    said = {text.get_text() for text in axes.texts}
    assert {"better", "n.s.", "fail"} <= said
    assert any(text.startswith("better !") for text in said)
    assert "Not applicable: other." in found.caption
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top


def test_a_mark_is_filled_only_where_the_test_told_both_apart() -> None:
    comparison, _ = compared(states())
    axes = next(iter(forest.drawings(comparison))).figure.axes[0]
    fills = {int(x.get_ydata()[0]): x.get_markerfacecolor() for x in axes.lines
             if len(x.get_xdata()) == 1}  # fmt: skip
    assert fills[2] == "white"
    assert fills[0] != "white"


def test_swapping_the_roles_mirrors_the_forest_plot() -> None:
    (there,) = forest.drawings(compared(two())[0])
    (back,) = forest.drawings(compared(two(), reference="lower")[0])
    a, b = there.data.iloc[0], back.data.iloc[0]
    assert a["difference"] == pytest.approx(-b["difference"])
    assert (a["ci_lo"], a["ci_hi"]) == pytest.approx((-b["ci_hi"], -b["ci_lo"]))
    assert b["verdict"] == "worse"


def test_all_pairs_are_shown_from_the_side_of_each_memory() -> None:
    """With all pairs the contrast is reference against lower: turned round in the figure."""
    (found,) = forest.drawings(compared(two(), mode="all-pairs")[0])
    (row,) = found.data.to_dict("records")
    assert (row["memory"], row["verdict"]) == ("lower", "better")
    assert row["difference"] == pytest.approx(-0.0112)


def test_without_a_test_the_caption_says_so() -> None:
    builder = FrameBuilder().cell("reference", B[:2]).cell("lower", A[:2])
    (found,) = forest.drawings(compared(builder)[0])
    assert "Nothing was tested" in found.caption


def test_differences_far_outside_the_bulk_do_not_hide_it() -> None:
    builder = FrameBuilder().cell("reference", B)
    for k in range(4):
        builder.cell(f"near-{k}", [b + 0.01 * (k + 1) for b in B])
    builder.cell("far", [b + 50 for b in B])
    (found,) = forest.drawings(compared(builder)[0])
    assert found.figure.axes[0].get_xscale() == "symlog"
    assert "logarithmic beyond" in found.caption
    (plain,) = forest.drawings(compared(two())[0])
    assert plain.figure.axes[0].get_xscale() == "linear"


def test_a_strip_holds_each_seed_in_the_units_of_the_metric() -> None:
    (found,) = strips.drawings(compared(two())[0])
    assert found.data["seed"].tolist() == [0, 1, 2, 3, 4]
    assert found.data["difference"].to_numpy() == pytest.approx(np.array(A) - np.array(B))


def test_seeds_without_a_partner_are_in_no_strip() -> None:
    builder = FrameBuilder().cell("reference", B).cell("lower", A[:3], seeds=[0, 2, 9])
    (found,) = strips.drawings(compared(builder)[0])
    assert found.data["seed"].tolist() == [0, 2]


def test_the_margin_that_does_not_matter_is_a_band() -> None:
    (found,) = strips.drawings(compared(two(), margins={MSE.name: Tolerance(abs=0.02)})[0])
    (patch,) = found.figure.axes[0].patches
    assert (patch.get_x(), patch.get_width()) == pytest.approx((-0.02, 0.04))
    assert "margin of 0.02" in found.caption
    (bare,) = strips.drawings(compared(two())[0])
    assert not bare.figure.axes[0].patches


def test_unpaired_seeds_have_no_strip() -> None:
    builder = FrameBuilder().cell("reference", B).cell("lower", A, seeds=range(5, 10))
    assert list(strips.drawings(compared(builder)[0])) == []
