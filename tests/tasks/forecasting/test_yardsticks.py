"""What forecasters are held against equals what the forecasters of that name score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memories.backbones.dlinear import DLinear
from tasks.forecasting import yardsticks
from tasks.forecasting.stream import CausalStream
from tasks.forecasting.yardsticks import Yardsticks, measure
from tests.tasks.cells import cell, metric, run
from tests.tasks.streams import DRIFT

L, H, C = 6, 3, 2


def stream(lanes: int) -> CausalStream:
    rng = torch.Generator().manual_seed(4)
    return CausalStream(torch.randn(lanes, 60, C, generator=rng), L, H)


@pytest.mark.parametrize("batch", [7, 512])
def test_errors_are_those_of_one_forecast_at_a_time(monkeypatch, batch):
    monkeypatch.setattr(yardsticks, "EVALUATION_BATCH", batch)
    source = stream(2)
    module = DLinear(C, L, H, kernel=3, generator=torch.Generator().manual_seed(0))
    origins = range(20, 57)
    for series in range(2):
        found = measure(module, source, series, origins)
        rows = source.rows[series]
        with torch.no_grad():
            errors = [
                float((module(rows[None, t - L + 1 : t + 1])[0] - rows[t + 1 : t + 1 + H])
                      .square().mean())
                for t in origins
            ]  # fmt: skip
        naive = [float((rows[t + 1 : t + 1 + H] - rows[t]).square().mean()) for t in origins]
        np.testing.assert_allclose(found.frozen, errors, rtol=1e-5)
        assert found.frozen.dtype == np.float32
        assert found.frozen_mse == pytest.approx(np.mean(errors), rel=1e-6)
        assert found.persistence_mse == pytest.approx(np.mean(naive), rel=1e-6)


def test_they_are_kept_and_found_again_bit_for_bit():
    made = Yardsticks(np.array([0.1, 0.7], np.float32), 1 / 3)
    again = Yardsticks.from_tensors(made.tensors())
    assert again.frozen.tobytes() == made.frozen.tobytes()
    assert again.persistence_mse == 1 / 3


def test_they_equal_what_frozen_and_persistence_score_in_the_task(cache):
    """On each seed's own series; float32 batches of another shape, hence 1e-5."""
    frozen = run(cell("frozen", "online-tsf", DRIFT), [0, 1], cache=cache)
    naive = run(cell("persistence", "online-tsf", DRIFT), [0, 1], cache=cache)
    for own, other in zip(frozen, naive, strict=True):
        assert own.notes["frozen_mse"] == other.notes["frozen_mse"]
        kept = other.series["frozen_squared_error"]
        np.testing.assert_allclose(kept, own.series["squared_error"], rtol=1e-5)
        assert metric(own, "mse") == pytest.approx(own.notes["frozen_mse"], rel=1e-6)
        assert metric(other, "mse") == pytest.approx(own.notes["persistence_mse"], rel=1e-6)
    assert frozen[0].notes["persistence_mse"] != frozen[1].notes["persistence_mse"]


def test_they_are_measured_once_for_all_forecasters_of_a_seed(monkeypatch, cache):
    from tasks import online_tsf

    measured = []

    def counting(*given):
        measured.append(given[2])
        return measure(*given)

    monkeypatch.setattr(online_tsf, "measure", counting)
    run(cell("frozen", "online-tsf", DRIFT), [0, 1], cache=cache)
    run(cell("persistence", "online-tsf", DRIFT), [2, 1, 0], cache=cache)
    assert measured == [0, 1, 0]
