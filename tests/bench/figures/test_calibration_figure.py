"""The distribution of p-values where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.figures.calibration import band, draw


def test_the_data_are_the_empirical_distribution() -> None:
    found = draw({"t": [0.5, 0.01, 0.2, 0.9]})
    assert found.data["p"].tolist() == [0.01, 0.2, 0.5, 0.9]
    assert found.data["share"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert set(found.data["rejected_at_alpha"]) == {0.25}
    assert "Grey band: where the whole curve of 4 exact p-values" in found.caption


def test_steps_rise_at_the_p_values() -> None:
    found = draw({"t": [0.5, 0.01]})
    (step,) = [x for x in found.figure.axes[0].lines if x.get_drawstyle() == "steps-post"]
    assert step.get_xdata().tolist() == [0.0, 0.01, 0.5, 1.0]
    assert step.get_ydata().tolist() == [0.0, 0.5, 1.0, 1.0]


def test_the_band_is_that_of_kolmogorovs_statistic_for_many_values() -> None:
    """For large n the exact 95% quantile of D_n is 1.358 / sqrt(n), the inequality's bound."""
    for n in (100, 2000):
        assert band(n) == pytest.approx(stats.kstwo.ppf(0.95, n), rel=0.02)
    assert band(1) == pytest.approx(math.sqrt(math.log(40) / 2))


def test_uniform_p_values_stay_within_the_band() -> None:
    p = np.random.default_rng(3).uniform(size=2000)
    data = draw({"exact": p}).data
    assert np.abs(data["share"] - data["p"]).max() < band(2000)


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [-0.1], [math.nan]])
def test_what_is_no_p_value_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="'t' holds no p-values"):
        draw({"t": values})
