"""What is handed out at an origin, row by row, and what it cannot contain."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tasks.forecasting.stream import CausalStream, squared_error

LOOKBACK, HORIZON, ROWS = 3, 2, 12


def numbered(lanes: int) -> Tensor:
    """Rows [S, T, 2] in which lane s has 1000 s + t in channel 0 and its negative in channel 1."""
    rows = 1000.0 * torch.arange(lanes)[:, None] + torch.arange(ROWS)
    return torch.stack([rows, -rows], dim=-1)


def stream(lanes: int) -> CausalStream:
    return CausalStream(numbered(lanes), LOOKBACK, HORIZON)


@pytest.mark.parametrize(
    ("t", "window", "pair_window", "pair_target"),
    [
        (4, [2, 3, 4], [0, 1, 2], [3, 4]),
        (5, [3, 4, 5], [1, 2, 3], [4, 5]),
        (9, [7, 8, 9], [5, 6, 7], [8, 9]),
        (11, [9, 10, 11], [7, 8, 9], [10, 11]),
    ],
)
def test_at_origin_t_the_newest_complete_pair_ends_exactly_at_row_t(
    t, window, pair_window, pair_target
):
    """Window t-2..t; the pair's forecast was made at t-2, from rows t-4..t-2."""
    now = stream(1).revealed(t, [0])
    assert now.row[0, 0] == t
    assert now.window[0, :, 0].tolist() == window
    assert now.recent[0][0, :, 0].tolist() == pair_window
    assert now.recent[1][0, :, 0].tolist() == pair_target
    assert now.window[0, :, 1].tolist() == [-float(row) for row in window]


def test_each_lane_follows_the_series_it_is_told():
    now = stream(3).revealed(6, [2, 0, 2])
    assert now.row[:, 0].tolist() == [2006, 6, 2006]
    assert now.window[1, :, 0].tolist() == [4, 5, 6]
    shared = stream(1).revealed(6, [0, 0])
    assert torch.equal(shared.window[0], shared.window[1])
    assert shared.recent[1].shape == (2, HORIZON, 2)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("t", [4, 7, 11])
def test_no_storage_behind_what_is_handed_out_holds_a_later_row(lanes, t):
    """The whole storage, not only the view: a later row's number modulo 1000 would exceed t."""
    now = stream(lanes).revealed(t, range(lanes))
    for piece in (now.row, *now.recent, now.window):
        stored = torch.tensor([], dtype=piece.dtype).set_(piece.untyped_storage())
        assert stored.numel() >= 2 * lanes
        assert (stored.abs() % 1000 <= t).all()


@pytest.mark.parametrize("lanes", [1, 2])
def test_no_two_pieces_share_storage_with_each_other_or_the_series(lanes):
    source = stream(lanes)
    now, later = source.revealed(5, range(lanes)), source.revealed(5, range(lanes))
    pieces = [source.rows]
    for given in (now, later):
        pieces += [given.row, *given.recent, given.window]
    addresses = {piece.untyped_storage().data_ptr() for piece in pieces}
    assert len(addresses) == len(pieces)


def test_what_a_forecaster_writes_into_its_window_stays_its_own():
    source = stream(1)
    now = source.revealed(5, [0])
    for piece in (now.row, *now.recent, now.window):
        piece.fill_(torch.nan)
    assert torch.equal(source.rows, numbered(1))
    assert source.revealed(5, [0]).window[0, :, 0].tolist() == [3, 4, 5]


@pytest.mark.parametrize("lanes", [[0], [1, 0]])
def test_targets_and_windows_of_many_origins_meet_at_the_origin(lanes):
    source = stream(max(lanes) + 1)
    origins = range(4, 9)
    targets, windows = source.targets(origins, lanes), source.windows(origins, lanes)
    assert targets.shape == (5, len(lanes), HORIZON, 2)
    assert windows.shape == (len(lanes), 5, LOOKBACK, 2)
    for k, t in enumerate(origins):
        for lane, series in enumerate(lanes):
            ahead = [1000 * series + t + 1, 1000 * series + t + 2]
            assert targets[k, lane, :, 0].tolist() == ahead
            assert torch.equal(windows[lane, k], source.revealed(t, lanes).window[lane])


def test_windows_of_a_shared_series_serve_any_number_of_lanes():
    windows = stream(1).windows([5, 6], [0, 0, 0])
    assert windows.shape == (3, 2, LOOKBACK, 2)
    assert torch.equal(windows[0], windows[2])


def test_squared_error_averages_leads_and_channels():
    forecasts = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    truth = torch.tensor([[[0.0, 2.0], [3.0, 1.0]], [[0.0, 0.0], [0.0, 2.0]]])
    assert squared_error(forecasts, truth).tolist() == [2.5, 1.0]
