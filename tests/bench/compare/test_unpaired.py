"""Memories compared without pairs, beside those of which there is nothing to pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.compare import Contrast, compare
from bench.tables import FORMATS, Format, render
from tests.bench.frames import FrameBuilder
from tests.bench.stats.worked import A, B


def fixed_series() -> FrameBuilder:
    """Two memories that vary with the seed and one that does not, on the same data."""
    builder = FrameBuilder().cell("ref", B.tolist(), seeded=False)
    builder.cell("a", A.tolist(), seeded=False)
    return builder.cell("naive", [0.5], seeds=[None], seeded=False, deterministic=True)


def contrasts_of(comparison: object) -> dict[str, Contrast]:
    return {c.label: c for s in comparison.sections for c in s.contrasts}


def test_welch_beside_one_value_for_every_seed_is_the_one_sample_t_test() -> None:
    """A side without spread leaves Welch's statistic (mean - value) / (s / sqrt n), n - 1 df."""
    comparison = compare(fixed_series().frame(), test="welch", claim="seed")
    found = contrasts_of(comparison)
    expected = stats.ttest_1samp(B, 0.5)
    assert found["naive"].p_raw == pytest.approx(expected.pvalue, rel=1e-9)
    assert found["naive"].significance is not None and found["a"].significance is not None
    assert found["naive"].significance.df == 4
    assert found["a"].significance.test == "welch"
    assert found["a"].p_raw == pytest.approx(
        stats.ttest_ind(A, B, equal_var=False).pvalue, rel=1e-9
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_memory_that_failed_can_be_printed_without_pairs(format: Format) -> None:
    builder = FrameBuilder().cell("ref", B.tolist()).cell("a", A.tolist())
    comparison = compare(builder.cell("lost", ["oom"] * 5).frame(), unpaired=True)
    lost = contrasts_of(comparison)["lost"]
    assert (lost.superiority, lost.difference, lost.verdict) == (None, None, "fail")
    assert "lost" in render(comparison, format)


def test_what_failed_of_an_unpaired_test_counts_with_p_one() -> None:
    builder = FrameBuilder().cell("ref", B.tolist()).cell("a", A.tolist())
    comparison = compare(builder.cell("b", [0.3, 0.3, *["oom"] * 3]).frame(), unpaired=True)
    found = contrasts_of(comparison)
    assert [(f.m, f.failed) for f in comparison.families] == [(2, 1)]
    assert (found["b"].verdict, found["b"].p_raw) == ("n<3", 1.0)
    assert found["a"].p_raw is not None
    assert found["a"].p_adjusted == pytest.approx(2 * found["a"].p_raw)


def test_pairs_are_left_out_of_an_unpaired_comparison() -> None:
    """Seeds in another order are other pairs, and the same two samples."""
    shuffled = np.random.default_rng(0).permutation(A).tolist()
    plain = FrameBuilder().cell("ref", B.tolist()).cell("a", A.tolist()).frame()
    mixed = FrameBuilder().cell("ref", B.tolist()).cell("a", shuffled).frame()
    p = [contrasts_of(compare(frame, unpaired=True))["a"].p_raw for frame in (plain, mixed)]
    assert p[0] == pytest.approx(p[1], rel=1e-9)
    paired = [contrasts_of(compare(frame))["a"].p_raw for frame in (plain, mixed)]
    assert paired[0] != pytest.approx(paired[1], rel=1e-2)
