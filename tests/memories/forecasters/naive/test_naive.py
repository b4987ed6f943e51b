"""Forecasts that repeat what was seen."""

from __future__ import annotations

import pytest
import torch

from memories.base import Unsuitable
from memories.forecasters.naive.persistence import Persistence
from memories.forecasters.naive.seasonal_naive import SeasonalNaive
from memories.forecasters.naive.training_mean import TrainingMean
from memories.forecasters.naive.window_mean import WindowMean
from memories.forecasters.online.frozen import Frozen
from tests.memories.forecasters.backbones import Newest

WINDOW = torch.arange(10.0)[:, None] * torch.tensor([1.0, -10.0])


def test_persistence_repeats_the_newest_row():
    forecast, state = Persistence(horizon=4).predict({}, WINDOW)
    assert torch.equal(forecast, torch.tensor([[9.0, -90.0]]).expand(4, 2))
    assert state == {}


def test_means_repeat_that_of_the_window_or_that_of_the_training_rows():
    """Rows 0 to 9: their mean is 4.5. The training rows' mean is what scaling has taken away."""
    forecast, state = WindowMean(horizon=4).predict({}, WINDOW)
    assert torch.equal(forecast, torch.tensor([[4.5, -45.0]]).expand(4, 2))
    assert state == {}
    forecast, state = TrainingMean(horizon=3).predict({}, WINDOW)
    assert torch.equal(forecast, torch.zeros(3, 2))
    assert state == {}


@pytest.mark.parametrize(
    ("period", "horizon", "rows"),
    [
        (1, 3, [9, 9, 9]),
        (4, 3, [6, 7, 8]),
        (4, 4, [6, 7, 8, 9]),
        (4, 9, [6, 7, 8, 9, 6, 7, 8, 9, 6]),
        (10, 2, [0, 1]),
    ],
)
def test_seasonal_naive_repeats_the_newest_row_of_the_same_phase(period, horizon, rows):
    """Row t + h - P ceil(h / P) of a window that ends at t = 9."""
    forecaster = SeasonalNaive(lookback=10, horizon=horizon, period=period)
    forecast, _ = forecaster.predict({}, WINDOW)
    assert forecast[:, 0].tolist() == rows
    assert torch.equal(forecast[:, 1], -10 * forecast[:, 0])


def test_a_window_shorter_than_a_season_is_refused():
    with pytest.raises(Unsuitable, match="window of 10 rows holds no season of 11"):
        SeasonalNaive(lookback=10, horizon=2, period=11)


def test_frozen_is_its_backbone():
    backbone = Newest(3, 2)
    backbone.offset.data = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    frozen = Frozen(backbone)
    state = frozen.observe(frozen.init_state(), WINDOW[-1], (WINDOW, WINDOW[:3]))
    forecast, state = frozen.predict(state, WINDOW)
    assert torch.equal(forecast, WINDOW[-1] + backbone.offset)
    assert state == {}
