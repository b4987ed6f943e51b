"""Sizes and single values of the series, looked up in the data sets of statsmodels."""

import numpy as np
import pytest
from statsmodels.datasets import co2 as co2_source

from tasks.data.series import load
from tasks.data.statsmodels_series import SERIES, MacroOptions, NoOptions, co2, elnino, macro

SIZES = [
    ("sm-co2", (2_284, 1), "1958-03-29", "2001-12-29"),
    ("sm-elnino", (732, 1), "1950-01-01", "2010-12-01"),
    ("sm-sunspots", (309, 1), "1700-01-01", "2008-01-01"),
    ("sm-macro", (203, 12), "1959-01-01", "2009-07-01"),
    ("sm-nile", (100, 1), "1871-01-01", "1970-01-01"),
]


@pytest.mark.parametrize(("name", "shape", "first", "last"), SIZES)
def test_sizes_and_spans_are_the_published_ones(name, shape, first, last):
    series = load(name)
    assert series.values.shape == shape
    assert np.isfinite(series.values).all()
    assert series.times[0] == np.datetime64(first)
    assert series.times[-1] == np.datetime64(last)
    assert len(series.times) == shape[0]


def test_all_five_are_covered():
    assert set(SERIES) == {size[0] for size in SIZES}


@pytest.mark.parametrize(
    ("name", "period", "window"),
    [
        ("sm-co2", 52, (104, 13)),
        ("sm-elnino", 12, (36, 12)),
        ("sm-sunspots", 11, (33, 11)),
        ("sm-macro", 4, (16, 4)),
        ("sm-nile", 1, (10, 1)),
    ],
)
def test_periods_and_default_windows(name, period, window):
    series = load(name)
    assert series.period == period
    assert (series.lookback, series.horizon) == window


def test_the_59_gaps_of_co2_repeat_the_week_before_and_nothing_else_changes():
    source = co2_source.load_pandas().data["co2"].to_numpy()
    filled = co2(NoOptions()).values[:, 0]
    gaps = np.isnan(source)
    assert gaps.sum() == 59
    np.testing.assert_array_equal(filled[~gaps], source[~gaps])
    np.testing.assert_array_equal(filled[gaps], filled[np.flatnonzero(gaps) - 1])


def test_elnino_runs_through_the_months_of_one_year_after_another():
    """January to April and December of 1950, January of 1951, December of 2010."""
    values = elnino(NoOptions()).values[:, 0]
    np.testing.assert_array_equal(values[[0, 1, 2, 3]], [23.11, 24.20, 25.37, 23.86])
    np.testing.assert_array_equal(values[[11, 12, -1]], [21.80, 24.19, 22.07])


def test_macro_keeps_all_columns_but_year_and_quarter_in_their_order():
    shipped = macro(MacroOptions())
    assert shipped.columns == (
        "realgdp", "realcons", "realinv", "realgovt", "realdpi", "cpi",
        "m1", "tbilrate", "unemp", "pop", "infl", "realint",
    )  # fmt: skip
    assert shipped.values[0, 0] == 2710.349
    assert shipped.values[-1, 11] == -3.44


def test_log_diff_turns_levels_into_growth_and_leaves_rates():
    """First growth of realgdp: ln(2778.801 / 2710.349) = 0.024942."""
    levels, growth = macro(MacroOptions()), macro(MacroOptions(log_diff=True))
    assert growth.values.shape == (202, 12)
    assert growth.values[0, 0] == pytest.approx(0.024942, abs=5e-7)
    rates = [growth.columns.index(name) for name in ("tbilrate", "unemp", "infl", "realint")]
    np.testing.assert_array_equal(growth.values[:, rates], levels.values[1:, rates])
    others = [c for c in range(12) if c not in rates]
    assert np.abs(growth.values[:, others]).max() < 0.3
    assert growth.times[0] == levels.times[1]
