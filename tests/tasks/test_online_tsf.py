"""Online forecasting through the whole task: order, delay, carried state, known errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import registry
from bench.running.cache import Cache
from bench.running.workbench import Workbench
from memories.base import InvalidParameter, OnlineForecaster, State
from tasks import online_tsf
from tasks.forecasting.pretraining import pretrain
from tasks.forecasting.recipes import ONLINE
from tasks.online_tsf import OnlineTSF
from tests.tasks.brief import train_briefly
from tests.tasks.cells import cell, curve, metric, numbers, run, task_of
from tests.tasks.recorders import Listener
from tests.tasks.streams import DRIFT, ORIGINS, SHORT, TOTAL, walk, write_csv


@pytest.fixture
def heard(temporary_entries: None) -> Iterator[list[tuple[str, tuple[Tensor, ...]]]]:
    registry.memory("listener", family="fake")(Listener)
    Listener.calls.clear()
    yield Listener.calls
    Listener.calls.clear()


def test_every_row_is_observed_once_and_every_origin_forecast_once_in_this_order(heard, cache):
    (outcome,) = run(cell("listener", "online-tsf", DRIFT), [0], cache=cache)
    assert [method for method, _ in heard] == ["observe", "predict"] * TOTAL
    assert outcome.n_eval == ORIGINS
    assert len(outcome.series["squared_error"]) == ORIGINS


def test_a_forecaster_is_given_the_newest_row_its_window_and_the_pair_that_ends_there(heard, cache):
    """Origins 47..58 of validation, then 59..236 of the test: no row is left out or repeated."""
    made = cell("listener", "online-tsf", DRIFT)
    run(made, [0], cache=cache)
    task = task_of(made)
    series = task._load(Workbench(made, [0]).rng(0, "test", "series"))
    rows = torch.from_numpy(series.scaler().transform(series.values))
    observed = [given for method, given in heard if method == "observe"]
    predicted = [given for method, given in heard if method == "predict"]
    for t, (row, past, target), (_, window) in zip(
        range(47, 237), observed, predicted, strict=True
    ):
        assert torch.equal(row, rows[t])
        assert torch.equal(target, rows[t - 2 : t + 1])
        assert torch.equal(past, rows[t - 14 : t - 2])
        assert torch.equal(window, rows[t - 11 : t + 1])


def test_nothing_handed_out_has_a_later_row_behind_it(heard, cache):
    """Every row has a number of its own: none in the storages is newer than the origin's."""
    run(cell("listener", "online-tsf", DRIFT), [0], cache=cache)
    rows = [given[0] for method, given in heard if method == "observe"]
    newest = {float(row[0]): t for t, row in enumerate(rows)}
    t = -1
    for method, given in heard:
        t += method == "observe"
        for piece in given[method == "predict" :]:
            stored = torch.tensor([], dtype=piece.dtype).set_(piece.untyped_storage())
            assert max((newest.get(float(x), -1) for x in stored.flatten()), default=-1) <= t


def test_the_state_of_the_validation_pass_is_carried_into_the_test(heard, cache):
    run(cell("listener", "online-tsf", DRIFT), [0], cache=cache)
    counted = [int(given[0]) for method, given in heard if method == "predict"]
    assert counted == list(range(1, TOTAL + 1))


def test_a_forecaster_is_told_how_many_steps_it_will_take(heard, cache):
    assert task_of(cell("listener", "online-tsf", DRIFT)).dictates()["steps"] == TOTAL


def test_persistence_scores_what_its_definition_gives(cache):
    (outcome,) = run(cell("persistence", "online-tsf", DRIFT), [1], cache=cache)
    made = cell("persistence", "online-tsf", DRIFT)
    series = task_of(made)._load(Workbench(made, [1]).rng(1, "test", "series"))
    rows = series.scaler().transform(series.values).astype(np.float64)
    errors = np.array([(rows[t + 1 : t + 4] - rows[t]) ** 2 for t in range(59, 237)])
    assert metric(outcome, "mse") == pytest.approx(errors.mean(), rel=1e-6)
    assert curve(outcome, "mse_by_lead") == pytest.approx(
        dict(enumerate(errors.mean((0, 2)), start=1)), rel=1e-6
    )
    np.testing.assert_allclose(outcome.series["squared_error"], errors.mean((1, 2)), rtol=1e-5)


def test_frozen_has_no_skill_over_itself(cache):
    outcomes = run(cell("frozen", "online-tsf", SHORT), [0, 1], cache=cache)
    for outcome in outcomes:
        assert metric(outcome, "skill") == pytest.approx(0, abs=1e-6)
        assert metric(outcome, "mse") == pytest.approx(outcome.notes["frozen_mse"], rel=1e-6)


def test_skill_is_one_minus_the_ratio_to_the_frozen_error(cache):
    (frozen,) = run(cell("frozen", "online-tsf", SHORT), [0], cache=cache)
    (naive,) = run(cell("persistence", "online-tsf", SHORT), [0], cache=cache)
    expected = 1 - metric(naive, "mse") / metric(frozen, "mse")
    assert metric(naive, "skill") == pytest.approx(expected, abs=1e-6)
    assert abs(expected) > 0.01


def test_learning_at_rate_zero_is_frozen_bit_for_bit(cache):
    (frozen,) = run(cell("frozen", "online-tsf", SHORT), [0], cache=cache)
    (still,) = run(cell("ogd", "online-tsf", SHORT, {"learning_rate": 0.0}), [0], cache=cache)
    (moving,) = run(cell("ogd", "online-tsf", SHORT, {"learning_rate": 1e-3}), [0], cache=cache)
    assert numbers(still) == numbers(frozen)
    for name, losses in frozen.series.items():
        assert np.array_equal(still.series[name], losses)
        same = np.array_equal(moving.series[name], losses)
        assert same == (name == "frozen_squared_error")


@pytest.mark.parametrize("memory", ["ogd", "persistence"])
def test_a_seed_alone_scores_as_it_does_in_a_block(tmp_path, few_epochs, memory):
    """Separately trained: few float32 steps in another batch shape, hence 1e-4."""
    made = cell(memory, "online-tsf", SHORT)
    together = run(made, [0, 1, 2], cache=Cache(tmp_path / "block"))
    (alone,) = run(made, [2], cache=Cache(tmp_path / "alone"))
    assert numbers(alone) == pytest.approx(numbers(together[2]), rel=1e-4, abs=1e-5)
    assert metric(together[0], "mse") != metric(together[1], "mse")


def test_the_backbone_of_a_seed_is_trained_once_for_all_forecasters(monkeypatch, cache):
    trained: list[int] = []

    def counting(backbones: Any, *rest: Any, **options: Any) -> Any:
        trained.append(len(backbones))
        return pretrain(backbones, *rest, **options)

    monkeypatch.setattr(online_tsf, "pretrain", counting)
    (first, _) = run(cell("frozen", "online-tsf", SHORT), [0, 1], cache=cache)
    assert trained == [2]
    again = run(cell("ogd", "online-tsf", SHORT), [1, 0, 2], cache=cache)
    assert trained == [2, 1]
    assert again[1].notes["frozen_mse"] == first.notes["frozen_mse"]
    run(cell("frozen", "online-tsf", SHORT | {"horizon": 4}), [0], cache=cache)
    assert trained == [2, 1, 1]


def test_notes_tell_how_pre_training_ended(cache):
    (outcome,) = run(cell("frozen", "online-tsf", DRIFT), [0], cache=cache)
    told = outcome.notes["pretraining"]
    assert told["learning_rate"] in ONLINE.learning_rates
    assert told["epochs"] in (1, 2)
    assert outcome.notes["warnings"] == [
        "pre-training of dlinear stopped at its cap, still improving"
    ]


class Failing(OnlineForecaster):
    """Forecasts zeros, and NaN at its n-th step where the window's last value is positive.

    Args:
        horizon: H.
        at: The step.
    """

    def __init__(self, horizon: int, *, at: int = 20) -> None:
        super().__init__()
        self.horizon = horizon
        self.scalar("at", at)

    def init_state(self) -> State:
        return {"step": torch.zeros((), dtype=torch.int64)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return {"step": state["step"] + 1}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        bad = (state["step"] == self.at) & (window[-1, 0] > 0)
        return torch.where(bad, torch.nan, 0 * window[: self.horizon]), state


def test_a_forecast_that_is_not_finite_fails_its_seed_and_names_the_origin(
    temporary_entries, cache
):
    """Step 20 is the eighth origin of the test: 59 + 7. Of six seeds about half are positive."""
    registry.memory("failing", family="fake")(Failing)
    outcomes = run(cell("failing", "online-tsf", DRIFT), range(6), cache=cache)
    assert {o.status for o in outcomes} == {"ok", "nonfinite"}
    for outcome in outcomes:
        if outcome.status == "nonfinite":
            assert outcome.message == "first non-finite forecast at origin t=66"
            assert outcome.metrics == []


def test_errors_of_an_ar1_process_are_those_of_theory(tmp_path, cache):
    """phi = .6, unit noise: persistence has 2 (1 - phi^h) / (1 - phi^2) at lead h, 1.25, 2, 2.45.

    In units of the noise; 4,500 origins, whose errors correlate over a few rows: 7 %.
    """
    rng = np.random.default_rng(3)
    values = np.zeros((6_000, 1))
    for t in range(1, len(values)):
        values[t] = 0.6 * values[t - 1] + rng.standard_normal()
    params = {"dataset": write_csv(tmp_path / "ar.csv", values), "lookback": 4, "horizon": 3}
    (outcome,) = run(cell("persistence", "online-tsf", params), [0], cache=cache)
    squared_scale = metric(outcome, "mse_original_by_channel", 0) / metric(outcome, "mse")
    for lead, error in curve(outcome, "mse_by_lead").items():
        expected = 2 * (1 - 0.6**lead) / (1 - 0.36)
        assert error * squared_scale == pytest.approx(expected, rel=0.07)


@pytest.fixture
def daily_cycle(tmp_path) -> dict[str, Any]:
    """A sine of period 24 rows, hourly, 960 rows, 8 whole days of them training."""
    t = np.arange(960)
    values = np.stack([3 * np.sin(2 * np.pi * t / 24), 5 + np.cos(2 * np.pi * t / 24)], axis=1)
    return {"dataset": write_csv(tmp_path / "daily.csv", values), "lookback": 48, "horizon": 24}


def test_a_daily_cycle_is_repeated_without_error(daily_cycle, cache):
    """But for the rounding of float32, squared."""
    (outcome,) = run(cell("seasonal-naive", "online-tsf", daily_cycle), [0], cache=cache)
    assert metric(outcome, "mse") < 1e-12
    assert metric(outcome, "skill") == pytest.approx(1, abs=1e-6)


def test_persistence_on_a_daily_cycle_has_its_closed_form_error(daily_cycle, cache):
    """A^2 (1 - cos(2 pi h / 24)), A^2 = 2 in standard units; 697 origins are 29 days and a row."""
    (outcome,) = run(cell("persistence", "online-tsf", daily_cycle), [0], cache=cache)
    by_lead = curve(outcome, "mse_by_lead")
    for lead in (1, 6, 12, 24):
        expected = 2 * (1 - np.cos(2 * np.pi * lead / 24))
        assert by_lead[lead] == pytest.approx(expected, abs=0.01)
    assert by_lead[24] < 1e-12


@pytest.mark.parametrize(("memory", "mse"), [("persistence", 2.7960), ("seasonal-naive", 0.9261)])
def test_naive_errors_on_etth1_are_the_known_ones(ett_dir, monkeypatch, tmp_path, memory, mse):
    """720 + 10,777 origins; known from the data alone to four decimals, hence 5e-4."""
    monkeypatch.setenv("MEMB_DATA_DIR", str(ett_dir))
    train_briefly(monkeypatch, 1)
    made = cell(memory, "online-tsf", {"dataset": "etth1", "lookback": 48, "horizon": 24})
    assert task_of(made).dictates()["steps"] == 720 + 10_777
    (outcome,) = run(made, [0], cache=Cache(tmp_path))
    assert outcome.n_eval == 10_777
    assert metric(outcome, "mse") == pytest.approx(mse, abs=5e-4)


def test_a_files_path_is_no_part_of_a_trials_identity(tmp_path):
    first, second = (
        OnlineTSF(dataset=write_csv(folder / "walk.csv", walk(0)), lookback=8, horizon=2)
        for folder in (tmp_path, tmp_path / "moved")
        if folder.mkdir(exist_ok=True) is None
    )
    named = {"dataset": first.dataset, "horizon": 2}
    assert first.identity(named) == {"dataset": "walk.csv", "horizon": 2}
    assert first.digest() == second.digest()
    assert not first.seeded
    assert first.varies == "initialisation and batch order of the backbone"


def test_generated_data_vary_with_the_seed():
    task = OnlineTSF(**DRIFT)
    assert task.seeded
    assert task.varies.startswith("data, ")


@pytest.mark.parametrize(
    ("given", "parameter", "text"),
    [
        ({"dataset": "eth1"}, "dataset", "eth1"),
        ({**DRIFT, "horizon": 200}, "dataset", "too few rows"),
        ({**DRIFT, "options": {"seed_rng": 1}}, "options", "'seed_rng' is no option"),
        ({**DRIFT, "options": {"protocol": "offline"}}, "options", "'protocol' is no option"),
        ({**DRIFT, "options": {"chanels": 2}}, "dataset", "chanels"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_parameter_at_fault(given, parameter, text):
    with pytest.raises(InvalidParameter, match=text) as refused:
        OnlineTSF(**given)
    assert refused.value.parameter == parameter
