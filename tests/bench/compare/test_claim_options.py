"""Margins, planned looks, unpaired seeds and outperformance, as options of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.compare import Contrast, compare, margins
from bench.errors import MembError
from bench.stats.equivalence import tost
from bench.tolerances import Tolerance
from tests.bench.frames import ACCURACY, FrameBuilder, Metric
from tests.bench.stats.worked import A, B, D


def frame(**attrs: Any) -> pd.DataFrame:
    return FrameBuilder().cell("ref", B.tolist()).cell("a", A.tolist()).frame(**attrs)


def only(given: pd.DataFrame, **options: Any) -> Contrast:
    (section,) = compare(given, **options).sections
    (found,) = section.contrasts
    return found


def suite(**more: Any) -> dict[str, Any]:
    return {"test": "auto", "correction": "holm", "alpha": 0.05, **more}


def refusal(**options: Any) -> str:
    with pytest.raises(MembError) as caught:
        compare(frame(), **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("test", "p"),
    [("t", 0.0312298), ("signflip", 0.125), ("wilcoxon", 0.125), ("welch", 0.0780529)],
)
def test_the_worked_example_under_every_test(test: str, p: float) -> None:
    """Five pairs of losses with mean difference .0112; W = 1 leaves 4 of 32 patterns, |sum| >= .056
    as many.
    """
    found = only(frame(), test=test)
    assert found.p_raw == pytest.approx(p, abs=5e-8)
    assert found.significance is not None
    assert found.significance.test == test
    if test == "wilcoxon":
        assert found.significance.statistic == 1


@pytest.mark.parametrize(("margin", "p"), [(0.02, 0.031404), (0.03, 0.00272856)])
def test_the_worked_example_against_a_margin(margin: float, p: float) -> None:
    found = only(frame(), margins={"mse": margin})
    assert found.equivalence is not None
    assert found.equivalence.p == pytest.approx(p, rel=2e-5)
    assert found.margin == margin


def test_a_relative_margin_is_a_share_of_the_mean_compared_with() -> None:
    """5% of .4092, the mean of the reference."""
    found = only(frame(), margins={"mse": Tolerance(rel=0.05)})
    assert found.margin == pytest.approx(0.05 * 0.4092, rel=1e-12)
    assert found.equivalence == tost(D, found.margin or 0)


def test_of_two_parts_the_wider_counts() -> None:
    both = only(frame(), margins={"mse": Tolerance(rel=0.05, abs=0.001)})
    assert both.margin == pytest.approx(0.02046)
    assert only(frame(), margins={"mse": Tolerance(rel=0.05, abs=0.03)}).margin == 0.03


def test_what_a_suite_tolerates_is_the_margin_unless_one_is_given() -> None:
    declared = suite(
        tolerance={"mse": {"rel": 0.05, "abs": 0.0}, "unheard": {"rel": 0.1, "abs": 0}}
    )
    given = frame(statistics=declared)
    found = compare(given)
    assert dict(found.options.margins) == {"mse": Tolerance(rel=0.05)}
    assert (
        "equiv: the 90% interval of the difference lies within the margin (5% of the mean compared "
        "with for mse); not adjusted for the number of claims."
    ) in found.notes
    assert only(given, margins={"mse": 0.01}).margin == 0.01


def test_without_a_margin_nothing_is_equivalent() -> None:
    found = only(frame())
    assert (found.margin, found.equivalence) == (None, None)


def test_a_share_of_nothing_is_no_margin() -> None:
    builder = FrameBuilder().cell("ref", [0.0] * 5).cell("a", [0.0, 0.1, 0.0, 0.1, 0.0])
    found = only(builder.frame(), margins={"mse": Tolerance(rel=0.05)})
    assert (found.margin, found.equivalence) == (None, None)


def test_margins_are_typed_in_units_or_as_shares() -> None:
    assert margins.parsed(["mse=0.01", "acc=rel:0.02", "mae=abs:1e-3,rel:0.1"]) == {
        "mse": Tolerance(abs=0.01),
        "acc": Tolerance(rel=0.02),
        "mae": Tolerance(abs=1e-3, rel=0.1),
    }


@pytest.mark.parametrize("word", ["mse", "mse=", "=0.1", "mse=wide", "mse=-0.1", "mse=abs:nan"])
def test_a_margin_that_is_none_is_refused_with_how_to_write_one(word: str) -> None:
    with pytest.raises(MembError, match=r"--margin .*: not a tolerance") as caught:
        margins.parsed([word])
    assert "METRIC=rel:0.02" in str(caught.value)


def test_a_margin_of_zero_is_refused() -> None:
    assert "the margin of mse must be positive" in refusal(margins={"mse": Tolerance(rel=0.0)})


def test_two_looks_are_made_at_half_the_level_each() -> None:
    """p = .0312 passes .05, not .025."""
    one, both = compare(frame()), compare(frame(), two_stage=True)
    assert one.sections[0].contrasts[0].verdict == "better"
    assert both.sections[0].contrasts[0].verdict == "n.s."
    assert both.options.alpha == 0.025
    assert compare(frame(), alpha=0.1, two_stage=True).options.alpha == 0.05
    assert any("alpha = 0.025: paired t" in note for note in both.notes)


def test_a_planned_look_is_named_in_place_of_the_warning() -> None:
    first = compare(frame(), two_stage=True).notes
    assert (
        "Two looks were planned, each at half the level, alpha = 0.025. A third is not covered."
    ) in first
    second = compare(frame(seeds_extended=True), two_stage=True).notes
    assert (
        "Two looks were planned, each at half the level, alpha = 0.025. This is the second: it "
        "uses all seeds. A third is not covered."
    ) in second
    warning = "Seeds were added after results were seen"
    assert not any(warning in note for note in second)
    assert any(warning in note for note in compare(frame(seeds_extended=True)).notes)


def test_unpaired_values_get_welchs_test() -> None:
    found = only(frame(), unpaired=True)
    assert found.significance is not None and found.significance.test == "welch"
    assert found.p_raw == pytest.approx(0.0780529, abs=5e-8)
    assert only(frame(), unpaired=True, test="welch").p_raw == found.p_raw


def test_a_paired_test_of_unpaired_values_is_a_contradiction() -> None:
    assert refusal(unpaired=True, test="signflip") == (
        "the test 'signflip' pairs values by seed, and none are to be paired\n"
        "  help: leave out one of --test and --unpaired"
    )


def test_claims_are_one_of_three() -> None:
    assert "one of both, seed, time" in refusal(claim="space")


def many(wins: int, n: int = 30) -> FrameBuilder:
    """A reference, and a memory with a lower loss on so many of n seeds."""
    rng = np.random.default_rng(5)
    reference = rng.normal(1.0, 0.1, size=n)
    gain = np.where(np.arange(n) < wins, 0.05, -0.05) * rng.uniform(0.5, 1.5, size=n)
    return FrameBuilder().cell("ref", reference.tolist()).cell("a", (reference - gain).tolist())


@pytest.mark.parametrize(
    ("wins", "meaning"), [(16, "not significant"), (26, "meaningful"), (30, "meaningful")]
)
def test_outperformance_is_decided_from_29_seeds_on(wins: int, meaning: str) -> None:
    found = only(many(wins).frame(), pab=True).outperformance
    assert found is not None
    assert (found.value, found.meaning) == (wins / 30, meaning)
    assert only(many(wins).frame()).outperformance is None


def test_higher_scores_win_where_higher_is_better() -> None:
    builder = FrameBuilder()
    for row in many(26).rows:
        row |= {"metric": "accuracy", "direction": "higher"}
        builder.rows.append(row)
    found = only(builder.frame(), pab=True).outperformance
    assert found is not None and found.value == 4 / 30


def test_outperformance_is_refused_where_no_contrast_has_29_seeds() -> None:
    assert refusal(pab=True) == (
        "whether a memory outperforms another is not decided below 29 paired seeds, and there are "
        "at most 5\n"
        "  help: run the suite with --seeds 29, or leave out --pab: with fewer seeds it errs in "
        "more than 5% of cases, either way"
    )


def test_contrasts_with_fewer_seeds_are_named_beside_those_that_have_them() -> None:
    builder = many(26).cell("ref", B.tolist(), task="drift").cell("a", A.tolist(), task="drift")
    found = compare(builder.frame(), pab=True)
    assert "No P(A>B) below 29 paired seeds: a on drift." in found.notes
    assert any(note.startswith("P(A>B): share of paired seeds") for note in found.notes)


def test_untested_metrics_need_no_margin_and_no_decision() -> None:
    side = Metric("mae", primary=False)
    builder = many(26).cell("ref", [1.0] * 30, metric=side).cell("a", [0.9] * 30, metric=side)
    found = compare(builder.frame(), all_metrics=True, pab=True, margins={"mae": 0.5})
    (contrast,) = next(s.contrasts for s in found.sections if s.metric == "mae")
    assert (contrast.outperformance, contrast.margin, contrast.verdict) == (None, None, "untested")


def test_false_discovery_rates_of_few_tests_are_advised_against() -> None:
    text = "\n".join(compare(frame(), correction="bh").notes)
    assert "m = 1 for mse; meant for sweeps of 20 tests and more, Holm is safer below." in text
    builder = FrameBuilder()
    for i in range(20):
        builder.cell("ref", B.tolist(), task=f"t{i}", metric=ACCURACY)
        builder.cell("a", A.tolist(), task=f"t{i}", metric=ACCURACY)
    assert "meant for sweeps" not in "\n".join(compare(builder.frame(), correction="bh").notes)
