"""The task on the real ETTh1: its counts, what repeating the last row costs, a plain backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.forecasting.stream import CausalStream
from tasks.tsl_longterm import TslLongterm, persistence
from tests.tasks.cells import cell, metric, run, task_of

PAPER: dict[str, Any] = {"dataset": "etth1", "lookback": 96, "horizon": 96, "stride": 1}


@pytest.fixture
def etth1(ett_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMB_DATA_DIR", str(ett_dir))


def task_at(horizon: int, memory: str = "plain-backbone", **more: Any) -> TslLongterm:
    made = task_of(cell(memory, "tsl-longterm", PAPER | {"horizon": horizon} | more))
    assert isinstance(made, TslLongterm)
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("etth1")
@pytest.mark.parametrize(
    ("horizon", "train", "test"),
    [(96, 8449, 2785), (192, 8353, 2689), (336, 8209, 2545), (720, 7825, 2161)],
)
def test_etth1_has_the_published_windows_borders_and_channels(horizon, train, test):
    task = task_at(horizon)
    memory: Any = type("Any", (), {"memory_eval": "empty", "train_memory": "trajectory"})
    memory.resets = True
    plan = task._plan(memory)
    assert (len(plan.training), len(plan.validation), len(plan.test)) == (train, test, test)
    assert (plan.split.a, plan.split.b, plan.split.e) == (8640, 11_520, 14_400)
    assert plan.test[0] + 1 == 11_520
    assert task.sample.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert task.sample.values.shape == (17_420, 7)


@pytest.mark.slow
@pytest.mark.usefixtures("etth1")
def test_repeating_the_last_row_of_etth1_has_its_known_error():
    """Known from the data alone to four decimals, hence 5e-5: 1.2944 at H = 96."""
    task = task_at(96)
    scaled = task.sample.scaler().transform(task.sample.values)
    train = scaled[:8640].astype(np.float64)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-6)
    stream = CausalStream(torch.from_numpy(scaled)[None], 96, 96)
    (error,) = persistence(stream, task.sample.split.test_origins(96))
    assert error == pytest.approx(1.2944, abs=5e-5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("etth1")
def test_a_plain_dlinear_reaches_what_it_does_on_the_offline_split():
    """The same recipe in `online-tsf` ends at .396 of mse and .411 of mae; published is .386."""
    (outcome,) = run(cell("plain-backbone", "tsl-longterm", PAPER), [0])
    assert outcome.n_eval == 2785
    assert metric(outcome, "mse") == pytest.approx(0.396, abs=2e-3)
    assert metric(outcome, "mae") == pytest.approx(0.411, abs=2e-3)
    assert outcome.notes["persistence_mse"] == pytest.approx(1.2944, abs=5e-5)
