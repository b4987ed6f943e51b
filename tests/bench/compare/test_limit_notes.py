"""What tests could not say, and what is said of it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from bench.compare import Comparison, Contrast, compare
from bench.stats.corrections import Correction
from tests.bench.frames import FrameBuilder


def gains(n: int) -> list[float]:
    """Differences that all favour the memory judged, none like another."""
    return [0.1 + 0.001 * i for i in range(n)]


def table(memories: int, n: int, failed: int = 0) -> FrameBuilder:
    """A reference, memories that beat it on every seed, and some that failed."""
    builder = FrameBuilder().cell("ref", [1.0] * n)
    for i in range(memories):
        builder.cell(f"m{i}", [1.0 - gain for gain in gains(n)])
    for i in range(failed):
        builder.cell(f"lost{i}", ["oom"] * n)
    return builder


def first(comparison: Comparison) -> Contrast:
    return comparison.sections[0].contrasts[0]


def said(comparison: Comparison) -> str:
    (note,) = [note for note in comparison.notes if "unresolvable" in note]
    return note


def test_a_level_that_is_a_smallest_p_is_not_below_it() -> None:
    """2 / 2^5 = .0625 is not below alpha = .0625, so it takes a sixth seed."""
    five = compare(table(1, 5).frame(), test="signflip", alpha=0.0625)
    assert (first(five).p_raw, first(five).verdict, first(five).unresolvable) == (
        0.0625, "n.s.", True,
    )  # fmt: skip
    assert said(five).endswith("needs n >= 6.")
    assert first(compare(table(1, 6).frame(), test="signflip", alpha=0.0625)).verdict == "better"


@pytest.mark.parametrize("correction", ["holm", "hommel", "bonferroni", "bh", "none"])
@pytest.mark.parametrize("failed", [0, 1, 3])
def test_the_number_of_seeds_that_is_named_is_the_least_that_does(
    correction: Correction, failed: int
) -> None:
    """With one seed less even memories that win on every seed stay open; with it none does."""
    kind = {"test": "signflip", "correction": correction}
    note = said(compare(table(3, 5, failed).frame(), **kind))
    (least,) = (int(n) for n in re.findall(r"needs n >= (\d+)\.", note))
    assert first(compare(table(3, least, failed).frame(), **kind)).verdict == "better"
    fewer = first(compare(table(3, least - 1, failed).frame(), **kind))
    assert (fewer.verdict, fewer.unresolvable) == ("n.s.", True)


def test_where_random_patterns_are_too_few_no_number_of_seeds_is_named() -> None:
    """Of 99,999 patterns the smallest p is 1e-5, and alpha/m = 1e-5/2 is below it at any n."""
    found = compare(table(2, 18).frame(), alpha=1e-5)
    assert first(found).p_raw == 1e-5
    assert (first(found).unresolvable, first(found).seeds_needed) == (True, None)
    assert said(found).endswith(
        "no n is enough with 99,999 random sign patterns; --test t has no such limit."
    )
    assert first(compare(table(2, 18).frame(), alpha=1e-5, test="t")).verdict == "better"


def test_other_tests_may_be_what_keeps_one_open() -> None:
    """Six pairs reach .03125 and five .0625: Benjamini-Hochberg doubles the first, or takes the
    second. It takes six pairs in both.
    """
    builder = FrameBuilder().cell("ref", [1.0] * 6)
    builder.cell("whole", [1.0 - gain for gain in gains(6)])
    builder.cell("partial", ["oom", *(1.0 - gain for gain in gains(5))])
    found = compare(builder.frame(), test="signflip", correction="bh")
    assert first(found).unresolvable
    notes = [note for note in found.notes if "unresolvable" in note]
    assert notes[0].endswith("needs n >= 6 in the other tests too.")
    assert notes[1].endswith("needs n >= 6.")


def test_only_what_is_unresolvable_names_a_number_of_seeds() -> None:
    """Eight pairs reach 2 (.0078) in a family of two; five are left at .0625."""
    builder = FrameBuilder().cell("ref", [1.0] * 8)
    builder.cell("whole", [1.0 - gain for gain in gains(8)])
    builder.cell("partial", ["oom"] * 3 + [1.0 - gain for gain in gains(5)])
    whole, partial = compare(builder.frame(), test="signflip").sections[0].contrasts
    assert (whole.unresolvable, whole.pairs_to_resolve) == (False, None)
    assert (partial.unresolvable, partial.pairs_to_resolve) == (True, 7)


OPPOSED = [0.01, 0.012, 0.013, 0.014, 0.015, 0.016, 0.017, 0.018, 0.019, 0.02, 0.021, -0.9]
"""Eleven small gains and one large loss: the ranks favour what the mean speaks against."""


def test_nothing_is_claimed_where_ranks_and_mean_disagree() -> None:
    builder = FrameBuilder().cell("ref", [2.0] * 12)
    builder.cell("a", [2.0 - gain for gain in OPPOSED])
    found = first(comparison := compare(builder.frame(), test="wilcoxon"))
    assert np.mean(OPPOSED) < 0 < (np.sign(OPPOSED) * stats.rankdata(np.abs(OPPOSED))).sum()
    assert found.p_adjusted is not None and found.p_adjusted < 0.05
    assert (found.verdict, found.marks) == ("n.s.", ())
    assert found.significance is not None and found.significance.opposed
    assert (
        "Nothing is claimed where Wilcoxon's ranks and the mean difference point in opposite "
        "directions, however small p: a on recall (mse)." in comparison.notes
    )


def test_ranks_that_agree_with_the_mean_are_claimed_in_its_direction() -> None:
    builder = FrameBuilder().cell("ref", [2.0] * 12)
    builder.cell("a", [2.0 - abs(gain) for gain in OPPOSED])
    builder.cell("b", [2.0 + abs(gain) for gain in OPPOSED])
    comparison = compare(builder.frame(), test="wilcoxon")
    assert [c.verdict for c in comparison.sections[0].contrasts] == ["better", "worse"]
    assert not any("opposite" in note for note in comparison.notes)
