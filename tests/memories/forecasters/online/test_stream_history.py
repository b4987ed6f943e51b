"""Pairs cut from the history of a stream are the stream's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.forecasters.online.stream_history import StreamHistory
from tests.memories.forecasters.backbones import pieces

LOOKBACK, HORIZON, CHANNELS, PAIRS = 6, 4, 3, 9
FIRST = LOOKBACK + HORIZON


def filled(rows: Tensor, last: int) -> tuple[StreamHistory, Tensor]:
    """The history after row `last`."""
    history = StreamHistory(PAIRS, LOOKBACK, HORIZON)
    held = history.empty(CHANNELS, rows.device)
    for t in range(FIRST, last + 1):
        _, past, target, _ = pieces(rows, t, LOOKBACK, HORIZON)
        held = history.extended(held, (past, target))
    return history, held


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(60, CHANNELS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("last", [FIRST, FIRST + 1, FIRST + PAIRS - 1, FIRST + 3 * PAIRS])
def test_a_pair_of_age_a_has_origin_t_minus_h_minus_a(rows, last):
    """Age 0 was handed over just now; before N pairs exist only as many ages do."""
    history, held = filled(rows, last)
    assert held.shape == (PAIRS + LOOKBACK + HORIZON - 1, CHANNELS)
    ages = torch.arange(min(PAIRS, last - FIRST + 1))
    windows, targets = history.cut(held, ages)
    for age in ages.tolist():
        _, window, target, _ = pieces(rows, last - age, LOOKBACK, HORIZON)
        assert torch.equal(windows[age], window)
        assert torch.equal(targets[age], target)


def test_ages_may_come_in_any_order_and_repeat(rows):
    history, held = filled(rows, 40)
    ages = torch.tensor([8, 0, 3, 3])
    windows, targets = history.cut(held, ages)
    for i, age in enumerate(ages.tolist()):
        _, window, target, _ = pieces(rows, 40 - age, LOOKBACK, HORIZON)
        assert torch.equal(windows[i], window)
        assert torch.equal(targets[i], target)


def test_the_last_rows_are_the_window_of_the_present(rows):
    _, held = filled(rows, 40)
    assert torch.equal(held[-LOOKBACK:], pieces(rows, 40, LOOKBACK, HORIZON)[3])


def test_a_history_of_one_pair_is_the_newest_pair(rows):
    history = StreamHistory(1, LOOKBACK, HORIZON)
    held = history.empty(CHANNELS, rows.device)
    for t in (20, 21):
        _, past, target, _ = pieces(rows, t, LOOKBACK, HORIZON)
        held = history.extended(held, (past, target))
        assert torch.equal(held, torch.cat([past, target]))


def test_distances_are_those_of_whole_windows(rows):
    """Against float64: a sum of 18 squares in float32, hence 1e-6 relative."""
    history, held = filled(rows, 40)
    ages = torch.tensor([0, 2, 5, 8])
    window = pieces(rows, 40, LOOKBACK, HORIZON)[3]
    expected = [
        (pieces(rows, 40 - age, LOOKBACK, HORIZON)[1] - window).double().norm()
        for age in ages.tolist()
    ]
    found = history.distances(held, ages, window)
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-6, atol=0)


def test_a_window_is_at_distance_zero_from_itself(rows):
    """The present window returns as the window of the pair of origin t, handed over at t+H."""
    history, held = filled(rows, 40)
    window = pieces(rows, 40 - HORIZON - 2, LOOKBACK, HORIZON)[3]
    found = history.distances(held, torch.arange(PAIRS), window)
    assert found[2] == 0
    assert (found[[0, 1, 3]] > 0.1).all()
