"""Windows and targets of lanes, of one series or one each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tasks.forecasting.stream import CausalStream
from tasks.longterm.windows import LaneWindows

L, H = 4, 2


def made(series: int, numbers: list[int]) -> tuple[LaneWindows, Any]:
    """Rows 1000 s + t of series s."""
    rows = 1000.0 * torch.arange(series)[:, None, None] + torch.arange(30.0)[:, None]
    lanes: Any = SimpleNamespace(numbers=torch.tensor(numbers))
    return LaneWindows(CausalStream(rows, L, H), lanes), lanes


@pytest.mark.parametrize(("series", "own"), [(1, [0, 0]), (3, [0, 2])])
def test_a_lane_sees_its_own_series_or_the_one_of_all(series, own):
    windows, _ = made(series, [0, 2])
    assert windows.shared is (series == 1)
    origins = torch.tensor([[5, 9, 7], [3, 3, 20]])
    given, targets = windows.batch(origins)
    assert given.shape == (2, 3, L, 1)
    assert targets.shape == (2, 3, H, 1)
    for lane, row in enumerate(origins.tolist()):
        for place, origin in enumerate(row):
            first = 1000 * own[lane] + origin
            assert given[lane, place, :, 0].tolist() == [first + i for i in range(1 - L, 1)]
            assert targets[lane, place, :, 0].tolist() == [first + 1, first + 2]


def test_of_one_series_windows_are_given_once_and_targets_to_each_lane():
    windows, _ = made(1, [0, 1, 2])
    assert windows([5, 6]).shape == (2, L, 1)
    assert windows([5, 6])[1, :, 0].tolist() == [3, 4, 5, 6]
    assert windows.targets([5, 6]).shape == (2, 3, H, 1)
    assert windows.targets([5, 6])[1, 2, :, 0].tolist() == [7, 8]


def test_lanes_that_are_left_keep_their_series():
    windows, lanes = made(3, [0, 1, 2])
    lanes.numbers = torch.tensor([2])
    assert windows([5])[0, 0, :, 0].tolist() == [2002, 2003, 2004, 2005]
    assert windows.targets([5])[0, 0, :, 0].tolist() == [2006, 2007]
    assert windows.batch(torch.tensor([[5]]))[0][0, 0, -1, 0] == 2005
