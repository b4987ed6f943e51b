"""Delay exactness and causality of the whole task, from pre-training to the last forecast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from bench.running.cache import Cache
from tasks.forecasting.stream import CausalStream
from tests.tasks.cells import cell, run
from tests.tasks.recorders import Listener
from tests.tasks.streams import RATES, walk, write_csv

A, ROWS, L = 48, 240, 12
"""Training rows of an hourly csv, all its rows, and the lookback."""


@pytest.fixture
def heard(temporary_entries: None) -> Iterator[list[tuple[str, tuple[Tensor, ...]]]]:
    registry.memory("listener", family="fake")(Listener)
    Listener.calls.clear()
    yield Listener.calls
    Listener.calls.clear()


@pytest.mark.parametrize("horizon", [1, 3, 7])
def test_every_pair_ends_at_the_newest_row_and_none_is_handed_over_twice(
    heard, cache, tmp_path, horizon
):
    """The csv holds each row's own number, so that what is handed over can be told by value.

    From origin a-1 of validation over the border to the last of the test: the pair's target is the
    last H rows up to t, its window the L rows before them.
    """
    numbers = np.stack([np.arange(ROWS), -np.arange(ROWS)], axis=1).astype(float)
    params = {
        "dataset": write_csv(tmp_path / "rows.csv", numbers),
        "lookback": L,
        "horizon": horizon,
    }
    run(cell("listener", "online-tsf", params), [0], cache=cache)
    mean, sd = numbers[:A, 0].mean(), numbers[:A, 0].std()
    pairs = []
    for t, (row, past, target) in enumerate(
        (given for method, given in heard if method == "observe"), A - 1
    ):
        row, past, target = ((x[..., 0] * sd + mean).round().long() for x in (row, past, target))
        assert row.item() == t
        assert target.tolist() == list(range(t - horizon + 1, t + 1))
        assert past.tolist() == list(range(t - horizon - L + 1, t - horizon + 1))
        pairs.append(int(past[-1]))
    assert pairs == list(range(A - 1 - horizon, ROWS - 2 * horizon))
    assert len(set(pairs)) == len(pairs)


def forecasts_of(monkeypatch: pytest.MonkeyPatch, made: Any, folder: Any) -> list[Tensor]:
    """Every forecast that the test pass issued, [S, H, C] by origin, in order."""
    issued: list[Tensor] = []
    predict = Lanes.predict

    def keeping(self: Lanes, *given: Any, **options: Any) -> Any:
        forecast, state = predict(self, *given, **options)
        if self.size == 1:  # validation runs all candidates, the test the chosen one
            issued.append(forecast.clone())
        return forecast, state

    with monkeypatch.context() as patch:
        patch.setattr(Lanes, "predict", keeping)
        run(made, [0], cache=Cache(folder))
    return issued


@pytest.mark.parametrize(
    ("memory", "given"),
    [
        ("ogd", {}),
        pytest.param("proceed", {"fit_epochs": 1}, marks=pytest.mark.slow),
    ],
)
def test_no_forecast_depends_on_a_later_row_through_any_part_of_the_task(
    monkeypatch, few_epochs, tmp_path, memory, given
):
    """Scaling, pre-training, fitting, the choice of a learning rate and the pass itself, at
    origins of the test from its first, b-1, on: replacing all rows after t changes no forecast up
    to t, and every later one. Of 120 rows, training has 24, validation 6.
    """
    n, first = 120, 29

    def issued(name: str, values: np.ndarray) -> list[Tensor]:
        folder = tmp_path / name
        folder.mkdir()
        params = {"dataset": write_csv(folder / "x.csv", values), "lookback": L, "horizon": 3}
        made = cell(memory, "online-tsf", params, given, RATES)
        return forecasts_of(monkeypatch, made, folder / "cache")

    values = walk(0, n)
    kept = issued("kept", values)
    assert len(kept) == n - 30 - 3 + 1
    for t in (first, first + 40):
        replaced = np.concatenate([values[: t + 1], 50 + 9 * walk(1, n)[t + 1 :]])
        same = [torch.equal(a, b) for a, b in zip(kept, issued(str(t), replaced), strict=True)]
        assert same == [True] * (t - first + 1) + [False] * (first + len(kept) - t - 1)


def test_the_stream_itself_cannot_be_asked_for_a_pair_that_is_not_complete():
    """`revealed` has no argument for it: the pair of origin t is that of t - H."""
    rows = torch.arange(40.0)[None, :, None].expand(1, 40, 2)
    stream = CausalStream(rows, 5, 4)
    for t in range(9, 40):
        assert float(stream.revealed(t, [0]).recent[1].max()) == t
