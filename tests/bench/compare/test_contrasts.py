"""Differences, tests, families and verdicts of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from bench.compare import Comparison, Contrast, compare
from bench.stats.corrections import adjust
from tests.bench.frames import ACCURACY, FrameBuilder
from tests.bench.stats.worked import A, B

REFERENCE = B.tolist()
BETTER = A.tolist()
CLEAR = [0.305, 0.318, 0.296, 0.310, 0.317]
NEAR = [0.404, 0.418, 0.396, 0.411, 0.417]


def contrast(
    comparison: Comparison, label: str, against: str = "", task: str = "recall"
) -> Contrast:
    (found,) = [
        c
        for s in comparison.sections
        for c in s.contrasts
        if c.label == label and s.task_label == task and against in ("", c.against)
    ]
    return found


def three() -> FrameBuilder:
    return FrameBuilder().cell("ref", REFERENCE).cell("better", BETTER).cell("clear", CLEAR)


def test_worked_example_through_the_frame() -> None:
    found = contrast(compare(FrameBuilder().cell("ref", REFERENCE).cell("a", BETTER).frame()), "a")
    assert found.difference == pytest.approx(-0.0112, abs=1e-12)  # a lower loss
    assert found.interval is not None
    assert (found.interval.lo, found.interval.hi) == pytest.approx(
        (-0.0207536, -0.0016464), abs=5e-8
    )
    assert found.relative == pytest.approx(-0.0112 / 0.4092, rel=1e-9)
    assert found.p_raw == found.p_adjusted == pytest.approx(0.0312298, abs=5e-8)
    assert found.significance is not None
    assert (found.significance.test, found.significance.p_flip) == ("t", 0.125)
    assert found.pairs.correlation == pytest.approx(0.614856, abs=5e-7)
    assert found.g_z is not None and found.g_z.value == pytest.approx(1.161441, abs=5e-7)
    assert found.superiority is not None and found.superiority.value == 0.8
    assert found.ratio is not None and found.ratio.value == pytest.approx(0.9726174, abs=5e-8)
    assert (found.verdict, found.marks) == ("better", ("better",))


def test_higher_is_better_turns_the_verdict_and_not_the_difference() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE, metric=ACCURACY)
    found = contrast(compare(builder.cell("a", BETTER, metric=ACCURACY).frame()), "a")
    assert found.difference == pytest.approx(-0.0112, abs=1e-12)
    assert found.d_z is not None and found.d_z < 0
    assert (found.verdict, found.marks) == ("worse", ("worse",))


def test_the_family_is_a_metrics_whole_table() -> None:
    """Two memories against the reference on two tasks: m = 4, adjusted together by Holm."""
    builder = three()
    builder.cell("ref", REFERENCE, task="drift").cell("better", NEAR, task="drift")
    builder.cell("clear", CLEAR, task="drift")
    comparison = compare(builder.frame())
    assert [(f.metric, f.task_label, f.m) for f in comparison.families] == [("mse", "", 4)]
    found = [c for s in comparison.sections for c in s.contrasts]
    raw = [c.p_raw for c in found]
    assert [c.p_adjusted for c in found] == pytest.approx(adjust(raw).tolist())
    assert [c.verdict for c in found] == ["n.s.", "better", "n.s.", "better"]


def test_families_per_task_and_none() -> None:
    builder = three().cell("ref", REFERENCE, task="drift").cell("clear", CLEAR, task="drift")
    per_task = compare(builder.frame(), family="task")
    assert [(f.task_label, f.m) for f in per_task.families] == [("recall", 2), ("drift", 1)]
    alone = compare(builder.frame(), family="none")
    assert all(c.p_adjusted == c.p_raw for s in alone.sections for c in s.contrasts)
    assert any("not corrected" in note for note in alone.notes)


def test_metrics_are_separate_families() -> None:
    builder = (
        three().cell("ref", REFERENCE, metric=ACCURACY).cell("better", BETTER, metric=ACCURACY)
    )
    builder.cell("clear", CLEAR, metric=ACCURACY)
    assert [(f.metric, f.m) for f in compare(builder.frame()).families] == [
        ("accuracy", 2),
        ("mse", 2),
    ]


def test_a_failed_cell_counts_in_the_family_with_p_one() -> None:
    alone = compare(three().frame())
    builder = three().cell("broken", ["oom"] * 5)
    beside = compare(builder.frame())
    lost = contrast(beside, "broken")
    assert (lost.verdict, lost.p_raw, lost.significance) == ("fail", 1.0, None)
    assert [(f.m, f.failed) for f in beside.families] == [(3, 1)]
    p_alone = contrast(alone, "clear").p_adjusted
    p_beside = contrast(beside, "clear").p_adjusted
    assert p_alone is not None and p_beside is not None
    assert p_beside == pytest.approx(p_alone * 3 / 2)


def test_too_few_survivors_of_enough_seeds_count_as_failed() -> None:
    builder = three().cell("shaky", [0.3, 0.3, "oom", "oom", "oom"])
    found = contrast(compare(builder.frame()), "shaky")
    assert (found.verdict, found.in_family, found.p_raw) == ("n<3", True, 1.0)


def test_a_skipped_memory_is_compared_to_nobody_and_counts_nowhere() -> None:
    comparison = compare(three().cell("unfit", ["skipped"] * 5).frame())
    assert [f.m for f in comparison.families] == [2]
    assert {c.label for s in comparison.sections for c in s.contrasts} == {"better", "clear"}


def test_two_seeds_are_not_tested_by_design() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE[:2]).cell("a", BETTER[:2])
    comparison = compare(builder.frame())
    found = contrast(comparison, "a")
    assert (found.verdict, found.p_raw, found.p_adjusted) == ("n<3", None, None)
    assert found.interval is not None  # shown, not judged
    assert comparison.families == ()


def test_partial_cells_are_paired_on_common_seeds_and_marked() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", [0.3, "oom", *CLEAR[2:]])
    found = contrast(compare(builder.frame()), "a")
    assert found.pairs.seeds.tolist() == [0, 2, 3, 4]
    assert "partial" in found.marks


def test_a_partial_reference_marks_every_contrast() -> None:
    builder = FrameBuilder().cell("ref", [*REFERENCE[:4], "oom"]).cell("a", CLEAR)
    assert "partial" in contrast(compare(builder.frame()), "a").marks


def test_fixed_data_get_intervals_but_no_test() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE, seeded=False).cell("a", CLEAR, seeded=False)
    comparison = compare(builder.frame())
    found = contrast(comparison, "a")
    assert found.interval is not None
    assert (found.verdict, found.p_raw, found.marks) == ("untested", None, ())
    assert comparison.families == ()
    assert any("series is fixed" in note for note in comparison.notes)


def test_a_deterministic_memory_is_broadcast_over_seeds_of_fixed_data() -> None:
    builder = FrameBuilder().cell("ogd", REFERENCE, seeded=False)
    builder.cell("persistence", [0.5], seeds=[None], seeded=False, deterministic=True)
    found = contrast(compare(builder.frame()), "persistence")
    assert found.n == 5
    assert found.difference == pytest.approx(0.5 - np.mean(B))
    assert found.interval is not None


def test_two_deterministic_memories_differ_exactly_without_p() -> None:
    builder = FrameBuilder()
    for label, value in {"persistence": 0.5, "seasonal-naive": 0.4}.items():
        builder.cell(label, [value], seeds=[None], seeded=False, deterministic=True)
    found = contrast(compare(builder.frame()), "seasonal-naive")
    assert found.difference == pytest.approx(-0.1, abs=1e-15)
    assert (found.verdict, found.p_raw, found.interval) == ("det", None, None)


def test_a_value_without_seed_is_not_paired_with_seeded_data() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE)
    builder.cell("odd", [0.4], seeds=[None], deterministic=True)
    found = contrast(compare(builder.frame()), "odd")
    assert (found.n, found.difference, found.in_family) == (0, None, False)


def test_disjoint_seeds_fall_to_welch_by_default() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE, run="one")
    builder.cell("a", BETTER, run="two", seeds=range(5, 10))
    found = contrast(compare(builder.frame()), "a")
    assert found.significance is not None and found.significance.test == "welch"
    assert found.p_raw == pytest.approx(0.0780529, abs=5e-8)
    assert found.difference == pytest.approx(-0.0112, abs=1e-12)
    assert found.superiority is not None and found.superiority.value == 0.8


def test_welch_on_request_uses_all_seeds() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", BETTER)
    found = contrast(compare(builder.frame(), test="welch"), "a")
    assert found.p_raw == pytest.approx(0.0780529, abs=5e-8)
    assert found.significance is not None and found.significance.statistic == pytest.approx(
        2.020068
    )


def test_two_unpaired_constants_get_the_permutation_p() -> None:
    """Of C(6,3) = 20 ways to deal three 1s and three 2s into two groups, 2 separate them."""
    builder = FrameBuilder().cell("ref", [2.0] * 3, run="one")
    builder.cell("a", [1.0] * 3, run="two", seeds=range(3, 6))
    found = contrast(compare(builder.frame()), "a")
    assert found.significance is not None and found.significance.test == "permutation"
    assert found.p_raw == 0.1


def test_a_constant_gap_between_stochastic_memories_is_not_infinitely_significant() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", [x - 0.01 for x in REFERENCE])
    found = contrast(compare(builder.frame()), "a")
    assert found.significance is not None
    assert (found.significance.test, found.p_raw, found.verdict) == ("signflip", 0.0625, "n.s.")
    assert found.d_z is None


def test_identical_memories_tie() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", REFERENCE)
    found = contrast(compare(builder.frame()), "a")
    assert (found.p_raw, found.verdict, found.difference) == (1.0, "n.s.", 0.0)


def test_an_equivalence_margin_can_be_met_or_not() -> None:
    frame = FrameBuilder().cell("ref", REFERENCE).cell("near", NEAR).frame()
    assert contrast(compare(frame), "near").verdict == "n.s."
    assert contrast(compare(frame, margins={"mse": 0.01}), "near").verdict == "equiv"
    assert contrast(compare(frame, margins={"mse": 0.001}), "near").verdict == "n.s."


def test_a_significant_difference_within_the_margin_says_so() -> None:
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", CLEAR)
    found = contrast(compare(builder.frame(), margins={"mse": 0.2}), "a")
    assert found.marks == ("better", "within-margin")


def test_a_fragile_claim_is_marked() -> None:
    gains = [0.30, 0.02, 0.25, 0.03, 0.22]
    builder = FrameBuilder().cell("ref", [1.0] * 5).cell("a", [1.0 - g for g in gains])
    assert contrast(compare(builder.frame()), "a").marks == ("better", "fragile")


def test_an_open_verdict_comes_with_what_would_settle_it() -> None:
    """MDE = 1.682 sd_d at n = 5, and d_z of the observed gap."""
    builder = FrameBuilder().cell("ref", REFERENCE).cell("near", NEAR)
    found = contrast(compare(builder.frame()), "near")
    assert found.sd is not None
    assert found.detectable == pytest.approx(1.682 * found.sd, rel=3e-4)
    assert found.seeds_needed is None  # d_z = .0 to two decimals: beyond 200


def test_seed_advice_allows_for_the_family() -> None:
    """The worked example has d_z = 1.455651; statsmodels solves n = 6.85 at alpha = .03 and
    7.96 at .05/3, the first step of Holm among three.
    """
    builder = FrameBuilder().cell("ref", REFERENCE).cell("a", BETTER)
    alone = contrast(compare(builder.frame(), alpha=0.03), "a")
    assert (alone.verdict, alone.seeds_needed) == ("n.s.", 7)
    builder.cell("b", NEAR).cell("c", REFERENCE)
    among_three = contrast(compare(builder.frame()), "a")
    assert (among_three.verdict, among_three.seeds_needed) == ("n.s.", 8)


@pytest.mark.parametrize("test", ["signflip", "wilcoxon"])
def test_five_seeds_cannot_be_resolved_by_permutation(test: str) -> None:
    comparison = compare(three().frame(), test=test)
    found = contrast(comparison, "clear")
    assert (found.p_raw, found.verdict, found.unresolvable) == (0.0625, "n.s.", True)
    # ceil(1 + log2(2/.05)) = 7
    assert (
        "mse is unresolvable at n=5, m=2: the smallest p is 0.0625; needs n >= 7."
        in comparison.notes
    )


def test_six_seeds_resolve_one_test_but_not_two() -> None:
    """2/2^6 = .03125 < .05 <= 2 (.03125)."""
    reference = [*REFERENCE, 0.41]
    clear = [*CLEAR, 0.31]
    one = FrameBuilder().cell("ref", reference).cell("clear", clear)
    assert contrast(compare(one.frame(), test="signflip"), "clear").verdict == "better"
    two = one.cell("other", clear)
    assert contrast(compare(two.frame(), test="signflip"), "clear").unresolvable


def test_false_discovery_rate_is_resolvable_where_holm_is_not() -> None:
    builder = FrameBuilder().cell("ref", [*REFERENCE, 0.41])
    builder.cell("clear", [*CLEAR, 0.31]).cell("other", [*CLEAR, 0.31])
    found = compare(builder.frame(), test="signflip", correction="bh")
    assert contrast(found, "clear").verdict == "better"


def test_vs_best_compares_with_the_best_of_each_task() -> None:
    builder = three().cell("ref", CLEAR, task="drift").cell("clear", REFERENCE, task="drift")
    comparison = compare(builder.frame(), mode="vs-best")
    assert [{c.against for c in s.contrasts} for s in comparison.sections] == [{"clear"}, {"ref"}]
    assert [(f.task_label, f.m) for f in comparison.families] == [("recall", 2), ("drift", 1)]


def test_vs_best_marks_what_is_not_separated() -> None:
    builder = (
        FrameBuilder()
        .cell("best", [x - 0.001 for x in NEAR])
        .cell("near", REFERENCE)
        .cell("far", [0.9, 0.8, 0.9, 0.8, 0.9])
    )
    comparison = compare(builder.frame(), mode="vs-best")
    assert contrast(comparison, "near").marks == ("not-separated",)
    assert contrast(comparison, "far").marks == ("worse",)


def test_vs_best_never_marks_a_partial_memory_as_close_to_the_best() -> None:
    builder = FrameBuilder().cell("best", [x - 0.001 for x in NEAR])
    builder.cell("near", REFERENCE).cell("partial", [*REFERENCE[:4], "oom"])
    comparison = compare(builder.frame(), mode="vs-best")
    assert contrast(comparison, "near").marks == ("not-separated",)
    assert contrast(comparison, "partial").verdict == "n.s."
    assert contrast(comparison, "partial").marks == ("partial",)


def test_vs_best_marks_nothing_where_nothing_could_be_separated() -> None:
    builder = FrameBuilder().cell("best", BETTER).cell("near", REFERENCE)
    comparison = compare(builder.frame(), mode="vs-best", test="signflip")
    assert contrast(comparison, "near").marks == ()


def test_all_pairs_counts_every_pair() -> None:
    comparison = compare(three().frame(), mode="all-pairs")
    (section,) = comparison.sections
    assert [(c.label, c.against) for c in section.contrasts] == [
        ("ref", "better"),
        ("ref", "clear"),
        ("better", "clear"),
    ]
    assert [f.m for f in comparison.families] == [3]


def test_a_hundred_cells_equal_each_alone() -> None:
    """Batching by number of pairs changes no number."""
    rng = np.random.default_rng(0)
    builder = FrameBuilder()
    for i in range(20):
        builder.cell("ref", rng.normal(size=14).tolist(), task=f"t{i}")
        builder.cell("a", rng.normal(size=14).tolist(), task=f"t{i}")
    frame = builder.frame()
    together = {s.task_label: s.contrasts[0].p_raw for s in compare(frame).sections}
    for i in (0, 7, 19):
        alone = frame[frame["task_label"] == f"t{i}"].copy()
        alone.attrs = frame.attrs
        assert compare(alone).sections[0].contrasts[0].p_raw == together[f"t{i}"]
