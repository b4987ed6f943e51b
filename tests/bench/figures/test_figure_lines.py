"""Bands around means, and which of many lines are drawn in full."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.figures.lines import HIGHLIGHTED, MOST_LINES, Line, band, banded, chosen, line

XS = [1.0, 2.0, 4.0]


def flat(label: str, height: float) -> Line:
    return line(label, XS, np.array([[height, height, height - 0.1]]))


@given(arrays(np.float64, st.tuples(st.integers(3, 9), st.just(4)), elements=st.floats(-100, 100)))
def test_the_band_is_scipys_t_interval_at_each_x(values: np.ndarray) -> None:
    lo, hi = band(values)
    for place in range(4):
        own = values[:, place]
        scale = stats.sem(own)
        if scale > 1e-9:  # scipy has no interval of constant values
            expected = stats.t.interval(0.95, len(own) - 1, own.mean(), scale)
            assert (lo[place], hi[place]) == pytest.approx(expected, rel=1e-9, abs=1e-9)
        else:
            assert lo[place] == pytest.approx(hi[place], abs=1e-7)


def test_two_seeds_have_no_band() -> None:
    assert np.isnan(band(np.ones((2, 3)))).all()


def test_the_band_stays_within_what_the_metric_can_reach() -> None:
    found = line("a", XS, np.array([[0.0, 0.9, 1], [0.3, 1, 1], [0.1, 0.8, 1]]), bounds=(0, 1))
    assert found.lo.min() == 0
    assert found.hi.max() == 1
    free = line("a", XS, found.values, bounds=(math.nan, math.nan))
    assert free.lo.min() < 0
    assert free.hi.max() > 1


def test_up_to_twelve_lines_are_all_drawn_best_first() -> None:
    lines = [flat(f"m{k}", 0.05 * k) for k in range(MOST_LINES)]
    found = chosen(lines, (), "higher")
    assert [s.labels[0] for s in found.strands] == [f"m{k}" for k in reversed(range(12))]
    assert not found.faint
    down = chosen(lines, (), "lower")
    assert down.strands[0].labels == ("m0",)


def test_of_more_lines_the_best_and_the_references_are_drawn_and_none_is_lost() -> None:
    lines = [flat(f"m{k}", 0.05 * k) for k in range(20)]
    found = chosen(lines, ("m0",), "higher")
    shown = [s.labels[0] for s in found.strands]
    assert shown == [*(f"m{k}" for k in range(19, 19 - HIGHLIGHTED + 1, -1)), "m0"]
    grey = {each.label for each in found.faint}
    assert grey | set(shown) == {f"m{k}" for k in range(20)}
    assert not grey & set(shown)
    assert "11 are grey" in found.told


def test_curves_that_coincide_are_one_line_led_by_the_reference() -> None:
    lines = [flat("a", 0.5), flat("twin", 0.5), flat("ref", 0.5001), flat("other", 0.9)]
    found = chosen(lines, ("ref",), "higher")
    assert [s.labels for s in found.strands] == [("other",), ("ref", "a", "twin")]
    assert "share a line" in found.told


def test_curves_that_differ_somewhere_are_not_one() -> None:
    a, b = line("a", XS, np.array([[0.5, 0.5, 0.5]])), line("b", XS, np.array([[0.5, 0.5, 0.7]]))
    assert len(chosen([a, b], (), "higher").strands) == 2


def test_a_curve_may_be_judged_by_its_end() -> None:
    early = line("early", XS, np.array([[0.0, 0.0, 0.9]]))
    late = line("late", XS, np.array([[0.9, 0.9, 0.5]]))
    assert chosen([early, late], (), "lower").strands[0].labels == ("early",)
    assert chosen([early, late], (), "lower", by_end=True).strands[0].labels == ("late",)


def test_of_many_lines_the_best_three_and_the_reference_have_bands() -> None:
    found = chosen([flat(f"m{k}", 0.05 * k) for k in range(8)], ("m0",), "higher")
    assert banded(found, ("m0",)) == {"m7", "m6", "m5", "m0"}
    few = chosen([flat(f"m{k}", 0.05 * k) for k in range(4)], (), "higher")
    assert len(banded(few, ())) == 4
