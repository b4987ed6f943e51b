"""What keeps small samples honest, through a whole comparison: steps, bounds, rounding."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.compare import Contrast, compare
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

COARSE = Metric("accuracy", "higher", bounds=(0.0, 1.0), resolution=0.05)


def only(builder: FrameBuilder, **options: object) -> Contrast:
    (found,) = compare(builder.frame(), **options).sections[0].contrasts
    return found


@pytest.mark.parametrize(("ours", "theirs"), [(COARSE, ACCURACY), (ACCURACY, COARSE)])
def test_the_coarser_of_two_resolutions_enters_the_test(ours: Metric, theirs: Metric) -> None:
    """d = .05 .05 .055 with sd .05/sqrt(6): t = .0517 sqrt(3) sqrt(6) / .05 = 4.38."""
    builder = FrameBuilder().cell("ref", [0.80, 0.85, 0.90], metric=theirs)
    found = only(builder.cell("a", [0.85, 0.90, 0.955], metric=ours))
    t = 0.155 / 3 * 18**0.5 / 0.05
    assert found.sd == pytest.approx(0.05 / 6**0.5)
    assert found.p_raw == pytest.approx(2 * stats.t.sf(t, 2), rel=1e-9)
    assert found.interval is not None
    half = stats.t.ppf(0.975, 2) * 0.05 / 18**0.5
    assert (found.interval.lo, found.interval.hi) == pytest.approx(
        (0.155 / 3 - half, 0.155 / 3 + half)
    )


@pytest.mark.parametrize("unpaired", [False, True])
def test_a_difference_of_shares_lies_within_one_of_zero(unpaired: bool) -> None:
    builder = FrameBuilder().cell("ref", [0.0, 0.1, 0.3], metric=ACCURACY)
    found = only(builder.cell("a", [1.0, 0.9, 0.4], metric=ACCURACY), unpaired=unpaired)
    assert found.interval is not None and found.interval.hi == 1.0
    reverse = only(
        FrameBuilder()
        .cell("ref", [1.0, 0.9, 0.4], metric=ACCURACY)
        .cell("a", [0.0, 0.1, 0.3], metric=ACCURACY),
        unpaired=unpaired,
    )
    assert reverse.interval is not None and reverse.interval.lo == -1.0


def test_one_rounding_step_of_the_values_is_no_spread() -> None:
    """Values near 1 keep 12 digits: differences of .1 that are 1e-11 apart are one difference."""
    base = np.array([1.0, 1.1, 1.2, 1.3, 1.4])
    gaps = np.array([0.1, 0.1, 0.1, 0.1, 0.1 + 1e-11])
    builder = FrameBuilder().cell("ref", base.tolist()).cell("a", (base - gaps).tolist())
    found = only(builder)
    assert found.significance is not None
    assert (found.significance.test, found.p_raw) == ("signflip", 0.0625)


def test_a_constant_difference_is_open_but_not_unresolvable() -> None:
    """Other data of five seeds would have been tested by t, which has no smallest p."""
    builder = FrameBuilder().cell("ref", [0.5, 0.6, 0.7, 0.8, 0.9])
    found = only(builder.cell("a", [0.4, 0.5, 0.6, 0.7, 0.8]))
    assert found.significance is not None and found.significance.constant
    assert (found.significance.p_min, found.unresolvable, found.verdict) == (0.0, False, "n.s.")
