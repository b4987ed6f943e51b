"""The online task with other backbones than DLinear, and on the offline split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import registry
from bench.running.cache import Cache
from bench.running.checkpoint import Checkpoint
from bench.running.workbench import Workbench
from memories.base import BackboneSlot, InvalidParameter
from tasks import online_tsf
from tasks.forecasting import pretraining
from tasks.forecasting.recipes import OFFLINE, ONLINE
from tasks.forecasting.training_lanes import TrainingLanes
from tasks.online_tsf import OnlineTSF
from tests.tasks.cells import cell, metric, numbers, run, task_of
from tests.tasks.forecasting.small_backbones import Noisy
from tests.tasks.streams import DRIFT, SHORT, write_csv

NOISY = SHORT | {"backbone": "noisy"}
OFF = DRIFT | {
    "split": "offline",
    "options": {"schedule": "none", "rows": 240, "channels": 2},
}
"""Training rows [0, 168), validation [168, 192), test [192, 240)."""


@pytest.fixture(autouse=True)
def noisy(temporary_entries: None) -> Iterator[None]:
    registry.backbone("noisy")(Noisy)
    yield


def prepared(params: dict[str, Any], seeds: list[int], cache: Cache) -> Any:
    made = cell("frozen", "online-tsf", params)
    return task_of(made)._prepare(Workbench(made, seeds, cache=cache))


def test_forecasters_adapt_the_backbone_with_the_statistics_of_its_best_epoch(cache):
    """Once trained and once from the cache: weights, running statistics and fixed buffers."""
    fresh, cached = (prepared(NOISY, [0, 1], cache) for _ in range(2))
    for lane, module in enumerate(fresh.backbones):
        own, again = module.state_dict(), cached.backbones[lane].state_dict()
        assert own.keys() == again.keys() >= {"norm.running_mean", "norm.running_var", "code"}
        assert all(torch.equal(own[name], again[name]) for name in own)
        assert not torch.equal(own["norm.running_var"], torch.ones(6))
        assert not module.training
    first, second = (module.state_dict() for module in fresh.backbones)
    assert not torch.equal(first["norm.running_mean"], second["norm.running_mean"])
    assert not torch.equal(first["code"], second["code"])


def test_frozen_is_the_backbone_as_it_was_validated(cache):
    (outcome,) = run(cell("frozen", "online-tsf", NOISY), [3], cache=cache)
    found = prepared(NOISY, [3], cache)
    task = task_of(cell("frozen", "online-tsf", NOISY))
    errors = []
    for t in task.sample.split.test_origins(3):
        with torch.no_grad():
            forecast = found.backbones[0](found.stream.windows([t], [0])[0])[0]
        errors.append((forecast - found.stream.targets([t], [0])[0, 0]).square().mean().item())
    assert metric(outcome, "mse") == pytest.approx(np.mean(errors), rel=1e-5)


def test_a_seed_with_dropout_scores_alone_as_in_a_block(tmp_path, few_epochs):
    """Few float32 steps in another batch shape, hence 1e-4."""
    made = cell("frozen", "online-tsf", NOISY)
    together = run(made, [0, 1, 2], cache=Cache(tmp_path / "block"))
    (alone,) = run(made, [2], cache=Cache(tmp_path / "alone"))
    assert metric(alone, "mse") == pytest.approx(metric(together[2], "mse"), rel=1e-4)


@pytest.mark.parametrize("memory", ["ogd", "errorbank"])
def test_other_memories_run_on_a_backbone_with_buffers(cache, memory):
    given = {"memory": "delta"} if memory == "errorbank" else {"learning_rate": 0.0}
    (outcome,) = run(cell(memory, "online-tsf", NOISY, given), [0], cache=cache)
    (frozen,) = run(cell("frozen", "online-tsf", NOISY), [0], cache=cache)
    assert outcome.status == "ok"
    assert (metric(outcome, "mse") == metric(frozen, "mse")) is (memory == "ogd")


def test_another_parameter_of_the_backbone_is_trained_anew(monkeypatch, cache):
    trained: list[int] = []

    def counting(backbones: Any, *rest: Any, **options: Any) -> Any:
        trained.append(len(backbones))
        return pretraining.pretrain(backbones, *rest, **options)

    monkeypatch.setattr(online_tsf, "pretrain", counting)
    for params in ({}, {"width": 6}, {"width": 5}, {"rate": 0.0}):
        choice = {"name": "noisy", "params": params}
        prepared(NOISY | {"backbone": choice}, [0], cache)
    assert trained == [1, 1, 1], "a width of 6 is the default"
    prepared(OFF | {"backbone": "noisy"}, [0], cache)
    assert trained == [1, 1, 1, 1]


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_pre_training_that_was_killed_goes_on_bit_equal(tmp_path, few_epochs, monkeypatch, done):
    """In an epoch and at its end; two epochs of two steps each."""
    made = cell("frozen", "online-tsf", DRIFT | {"backbone": "noisy"})
    whole = run(made, [0, 1], cache=Cache(tmp_path / "whole"))
    monkeypatch.setattr(pretraining, "QUIET_S", -1.0)
    told: list[tuple[int, int]] = []

    def kill(position: int, total: int) -> None:
        told.append((position, total))
        if position == done:
            raise Killed

    file = tmp_path / "run" / "block.safetensors"
    cache = Cache(tmp_path / "resumed")
    with pytest.raises(Killed):
        run(made, [0, 1], cache=cache, checkpoint=Checkpoint(file, 0), progress=kill)
    assert told == [(position, 4) for position in range(1, done + 1)]
    assert not file.exists()
    steps: list[int] = []
    step = TrainingLanes.step

    def counted(self: TrainingLanes, origins: Any, number: int, share: float) -> None:
        steps.append(number)
        step(self, origins, number, share)

    monkeypatch.setattr(TrainingLanes, "step", counted)
    again = run(made, [0, 1], cache=cache, checkpoint=Checkpoint(file, 1e9))
    assert steps == list(range(done, 4))
    assert [numbers(o) for o in again] == [numbers(o) for o in whole]


def test_the_offline_split_has_its_own_borders_and_recipe(monkeypatch, cache):
    recipes: list[Any] = []
    unpatched = pretraining.pretrain

    def noted(backbones: Any, stream: Any, split: Any, recipe: Any, *rest: Any, **o: Any) -> Any:
        recipes.append(recipe)
        assert (split.a, split.b, split.e) == (168, 192, 240)
        return unpatched(backbones, stream, split, recipe, *rest, **o)

    monkeypatch.setattr(online_tsf, "pretrain", noted)
    (outcome,) = run(cell("frozen", "online-tsf", OFF), [0], cache=cache)
    assert outcome.n_eval == 48 - 3 + 1
    assert recipes[0].learning_rates == OFFLINE.learning_rates
    assert outcome.notes["pretraining"]["learning_rate"] == 1e-4
    assert task_of(cell("frozen", "online-tsf", OFF)).dictates()["steps"] == 24 + 46


def test_the_recipe_of_the_offline_split_is_no_reason_to_warn(cache):
    (offline,) = run(cell("frozen", "online-tsf", OFF), [0], cache=cache)
    (online,) = run(cell("frozen", "online-tsf", DRIFT), [0], cache=cache)
    assert not any("cap" in warning for warning in offline.notes.get("warnings", ()))
    assert any("stopped at its cap" in warning for warning in online.notes["warnings"])


def test_the_split_of_a_csv_is_cut_by_its_rows(tmp_path):
    path = write_csv(tmp_path / "x.csv", np.random.default_rng(0).standard_normal((200, 2)))
    given = {"dataset": path, "lookback": 8, "horizon": 2}
    online, offline = OnlineTSF(**given), OnlineTSF(**given, split="offline")
    assert (online.sample.split.a, online.sample.split.b) == (40, 50)
    assert (offline.sample.split.a, offline.sample.split.b) == (140, 160)
    assert online.digest() == offline.digest()


def test_what_is_too_short_for_the_offline_split_is_refused():
    with pytest.raises(InvalidParameter, match="offline split") as refused:
        OnlineTSF(**OFF | {"horizon": 30})
    assert refused.value.parameter == "dataset"


def test_a_task_tells_its_backbone_as_it_was_chosen():
    task = OnlineTSF(**DRIFT)
    assert task.dictates()["backbone"] == BackboneSlot("dlinear")
    assert ONLINE.max_epochs == 100


def test_the_offline_scaler_is_that_of_the_offline_training_rows(tmp_path: Path):
    values = np.random.default_rng(0).standard_normal((200, 2)).cumsum(0)
    path = write_csv(tmp_path / "walk.csv", values)
    task = OnlineTSF(dataset=path, lookback=8, horizon=2, split="offline")
    scaler = task.sample.scaler()
    np.testing.assert_allclose(scaler.mean, values[:140].mean(0), rtol=1e-6)
