"""Pre-training: lanes are single runs of torch's Adam, and the best epoch is what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from memories.adam import flatten
from memories.backbones.dlinear import DLinear
from tasks.data.splits import Split
from tasks.forecasting import pretraining, training_lanes
from tasks.forecasting.pretraining import Pretrained, pretrain
from tasks.forecasting.recipes import OFFLINE, ONLINE, Recipe
from tasks.forecasting.stream import CausalStream
from tasks.forecasting.training_lanes import Chance, TrainingLanes
from tests.reference import pretraining as reference
from tests.tasks.forecasting.small_backbones import Noisy, Plain

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2
SPLIT = Split(60, 80, 120)
RATES = ONLINE.learning_rates
SHORT = replace(ONLINE, max_epochs=5)

Make = Callable[[int], nn.Module]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dlinear(seed: int) -> DLinear:
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=generator(seed))


def noisy(seed: int) -> Noisy:
    return Noisy(CHANNELS, LOOKBACK, HORIZON, generator=generator(seed))


def plain(seed: int) -> Plain:
    return Plain(LOOKBACK, HORIZON, generator=generator(seed))


def stream(lanes: int, seed: int = 0) -> CausalStream:
    rows = torch.randn(lanes, SPLIT.e, CHANNELS, generator=generator(seed)).cumsum(1) / 3
    return CausalStream(rows, LOOKBACK, HORIZON)


def chance(seed: int) -> Chance:
    return Chance(
        lambda epoch: np.random.default_rng([seed, epoch]),
        lambda step: generator(1000 * seed + step),
    )


def chances(count: int) -> list[Chance]:
    return [chance(seed) for seed in range(count)]


def alone(make: Make, seed: int, rows: Tensor, recipe: Recipe, rate: float) -> reference.Trained:
    return reference.train(
        make(seed),
        rows,
        LOOKBACK,
        HORIZON,
        SPLIT.train_origins(LOOKBACK, HORIZON),
        SPLIT.selection_origins(HORIZON),
        learning_rate=rate,
        batch=recipe.batch,
        max_epochs=recipe.max_epochs,
        patience=recipe.patience,
        halved_after=recipe.full_epochs,
        order=chance(seed).order,
        noise=chance(seed).noise,
    )


@pytest.mark.parametrize("chunk", [None, 1, 5], ids=["together", "one by one", "five at a time"])
@pytest.mark.parametrize("make", [dlinear, noisy, plain])
def test_a_seed_takes_the_steps_that_torchs_adam_takes_alone(monkeypatch, make, chunk):
    """Three seeds at four learning rates, dropout and batch statistics included, over five epochs
    of two batches each, one of them partial. Float32 in another order of operations: 1e-5.
    """
    if chunk is not None:
        bytes_of_one = training_lanes.graph_bytes(make(0), stream(1).windows(range(8, 40), [0])[0])
        monkeypatch.setattr(training_lanes, "GRAPH_BYTES", chunk * bytes_of_one)
    source = stream(3)
    trained = pretrain([make(seed) for seed in range(3)], source, SPLIT, SHORT, chances(3))
    for seed, kept in enumerate(trained):
        runs = {rate: alone(make, seed, source.rows[seed], SHORT, rate) for rate in RATES}
        rate = min(runs, key=lambda rate: runs[rate].error)
        assert (kept.learning_rate, kept.epochs) == (rate, runs[rate].epoch)
        assert kept.validation_mse == pytest.approx(runs[rate].error, rel=1e-5)
        module = kept.into(make(seed + 7))
        for name, value in module.state_dict().items():
            torch.testing.assert_close(value, runs[rate].state[name], rtol=1e-5, atol=1e-5)


def test_the_offline_recipe_halves_the_rate_and_stops_by_its_patience():
    """A rate a hundred times the recipe's, so that some epochs are worse and it stops early."""
    recipe = replace(OFFLINE, learning_rates=(3e-2,))
    source = stream(1, seed=4)
    run = alone(noisy, 0, source.rows[0], recipe, 3e-2)
    (kept,) = pretrain([noisy(0)], source, SPLIT, recipe, chances(1))
    assert kept.epochs == run.epoch < recipe.max_epochs - 1
    assert kept.validation_mse == pytest.approx(run.error, rel=1e-4)
    assert not kept.capped


def test_dropout_is_drawn_per_seed_and_step_alike_at_every_learning_rate(monkeypatch):
    drawn: list[tuple[int, int]] = []

    def noted(seed: int) -> Chance:
        def noise(step: int) -> torch.Generator:
            drawn.append((seed, step))
            return generator(step)

        return Chance(chance(seed).order, noise)

    one_epoch = replace(ONLINE, max_epochs=1)
    pretrain([noisy(s) for s in range(2)], stream(1), SPLIT, one_epoch, [noted(0), noted(1)])
    assert drawn == [(0, 0), (1, 0), (0, 1), (1, 1)]
    drawn.clear()
    pretrain([dlinear(0)], stream(1), SPLIT, one_epoch, [noted(0)])
    assert drawn == [], "a backbone without dropout draws nothing"


def test_another_source_of_dropout_gives_other_weights():
    other = Chance(chance(0).order, lambda step: generator(77 + step))
    kept = [
        pretrain([noisy(0)], stream(1), SPLIT, SHORT, [source])[0] for source in (chance(0), other)
    ]
    assert not torch.equal(kept[0].weights, kept[1].weights)


def test_the_global_generators_and_the_backbones_are_left_alone():
    before = torch.get_rng_state()
    module = noisy(0)
    was = {name: value.clone() for name, value in module.state_dict().items()}
    pretrain([module], stream(1), SPLIT, SHORT, chances(1))
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in module.state_dict().items():
        assert torch.equal(value, was[name])
    assert all(parameter.grad is None for parameter in module.parameters())


def test_evaluation_is_the_mean_error_over_the_origins(monkeypatch):
    monkeypatch.setattr(training_lanes, "EVALUATION_BATCH", 5)
    source = stream(2)
    modules = [noisy(seed).eval() for seed in range(2)]
    lanes = TrainingLanes(modules, RATES, source, chances(2))
    origins = SPLIT.selection_origins(HORIZON)
    seen = lanes.evaluate(origins).view(2, 4)
    for seed, module in enumerate(modules):
        errors = []
        for t in origins:
            window = source.rows[seed, t - LOOKBACK + 1 : t + 1]
            truth = source.rows[seed, t + 1 : t + HORIZON + 1]
            errors.append((module(window[None])[0] - truth).square().mean().item())
        expected = torch.full((4,), np.mean(errors), dtype=torch.float64)
        torch.testing.assert_close(seen[seed], expected, rtol=1e-6, atol=0)


def scripted(monkeypatch: pytest.MonkeyPatch, errors: Tensor) -> list[list[int]]:
    """Validation errors [epoch, seed, rate] as given; weights count the steps taken.

    Returns the lanes that are still there, epoch by epoch.
    """
    epochs: list[list[int]] = []

    def step(self: TrainingLanes, origins: np.ndarray, step: int, share: float) -> None:
        self.weights = self.weights + 1

    def evaluate(self: TrainingLanes, origins: range) -> Tensor:
        epochs.append(self.numbers.tolist())
        return errors[len(epochs) - 1].flatten()[self.numbers]

    monkeypatch.setattr(TrainingLanes, "step", step)
    monkeypatch.setattr(TrainingLanes, "evaluate", evaluate)
    return epochs


def falling_until(*best: int, epochs: int = 100) -> Tensor:
    """Errors [epochs, 1, 4] that fall until an epoch, then rise; the later the lower."""
    epoch = torch.arange(1, epochs + 1, dtype=torch.float64)
    lanes = [(epoch - at).abs() + 200 - at for at in best]
    return torch.stack(lanes, dim=-1)[:, None]


def test_the_best_epoch_of_the_best_learning_rate_is_kept(monkeypatch):
    """Rates are best at epochs 3, 12, 7 and 5: it stops 10 epochs after the last, and keeps the
    weights of epoch 12; batches of 32 and 18 origins make two steps an epoch.
    """
    epochs = scripted(monkeypatch, falling_until(3, 12, 7, 5))
    (kept,) = pretrain([dlinear(0)], stream(1), SPLIT, ONLINE, chances(1))
    assert len(epochs) == 22
    assert (kept.epochs, kept.learning_rate, kept.validation_mse) == (12, RATES[1], 188)
    assert not kept.capped
    torch.testing.assert_close(kept.weights, flatten(dlinear(0)).detach() + 24, rtol=0, atol=1e-4)


def test_a_lane_that_stopped_costs_no_more_steps(monkeypatch):
    """Best at epochs 3, 12, 7 and 5, each is there for ten epochs more."""
    epochs = scripted(monkeypatch, falling_until(3, 12, 7, 5))
    pretrain([dlinear(0)], stream(1), SPLIT, ONLINE, chances(1))
    assert [sum(lane in there for there in epochs) for lane in range(4)] == [13, 22, 17, 15]


def test_a_lane_that_stopped_takes_no_later_epoch_for_the_sake_of_another(monkeypatch):
    """Rate 0 is best at epoch 2, and would be better still at 15, beyond its patience; alone it
    would have stopped at 12. Rate 1 keeps the loop running until epoch 20.
    """
    errors = falling_until(2, 10, 1, 1)
    errors[14, 0, 0] = 0.0
    scripted(monkeypatch, errors)
    (kept,) = pretrain([dlinear(0)], stream(1), SPLIT, ONLINE, chances(1))
    assert (kept.epochs, kept.learning_rate) == (10, RATES[1])


@pytest.mark.parametrize(("best", "capped"), [(90, False), (91, True), (100, True)])
def test_a_run_that_still_improved_at_the_cap_says_so(monkeypatch, best, capped):
    epochs = scripted(monkeypatch, falling_until(best, best, best, best))
    (kept,) = pretrain([dlinear(0)], stream(1), SPLIT, ONLINE, chances(1))
    assert len(epochs) == 100
    assert (kept.epochs, kept.capped) == (best, capped)


def test_seeds_choose_their_own_learning_rates(monkeypatch):
    errors = torch.cat([falling_until(3, 4, 9, 2), falling_until(8, 4, 3, 2)], dim=1)
    scripted(monkeypatch, errors)
    kept = pretrain([dlinear(0), dlinear(1)], stream(2), SPLIT, ONLINE, chances(2))
    assert [k.learning_rate for k in kept] == [RATES[2], RATES[0]]
    assert [k.epochs for k in kept] == [9, 8]


def test_a_non_finite_validation_error_never_wins(monkeypatch):
    errors = falling_until(3, 3, 3, 3)
    errors[:, :, 0] = torch.nan
    errors[5:, :, 1] = torch.nan
    scripted(monkeypatch, errors)
    (kept,) = pretrain([dlinear(0)], stream(1), SPLIT, ONLINE, chances(1))
    assert (kept.epochs, kept.learning_rate) == (3, RATES[1])


def trained(source: CausalStream, seeds: int = 1, make: Make = dlinear) -> list[Pretrained]:
    return pretrain([make(s) for s in range(seeds)], source, SPLIT, SHORT, chances(seeds))


@pytest.mark.parametrize("make", [dlinear, noisy])
def test_test_rows_do_not_exist_for_pre_training(make):
    """Bit for bit, choice of epoch and learning rate included."""
    source, other = stream(1), stream(1)
    other.rows[:, SPLIT.b :] = 1e6
    first, second = (trained(s, make=make)[0].tensors() for s in (source, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_validation_rows_choose_the_epoch_but_never_train():
    """With one epoch there is nothing to choose but the rate: its weights are the same."""
    recipe = replace(ONLINE, max_epochs=1, learning_rates=(1e-3,))
    source, other = stream(1), stream(1)
    other.rows[:, SPLIT.a :] = 5.0
    first, second = (
        pretrain([dlinear(0)], s, SPLIT, recipe, chances(1))[0] for s in (source, other)
    )
    assert torch.equal(first.weights, second.weights)
    assert first.validation_mse != second.validation_mse


@pytest.mark.parametrize("make", [dlinear, noisy])
def test_training_lowers_the_validation_error_and_reports_it(make):
    source = stream(1)
    origins = SPLIT.selection_origins(HORIZON)

    def error(module: nn.Module) -> float:
        return float(TrainingLanes([module], (0.0,), source, chances(1)).evaluate(origins))

    (kept,) = trained(source, make=make)
    assert kept.validation_mse < error(make(0))
    assert error(kept.into(make(5))) == pytest.approx(kept.validation_mse, rel=1e-6)


def test_a_seed_alone_trains_as_it_does_among_others():
    """Ten steps of float32 in another batch shape: 1e-5."""
    source = stream(3)
    together = trained(source, seeds=3, make=noisy)
    single = CausalStream(source.rows[2:], LOOKBACK, HORIZON)
    (alone,) = pretrain([noisy(2)], single, SPLIT, SHORT, [chance(2)])
    torch.testing.assert_close(together[2].weights, alone.weights, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together[2].buffers, alone.buffers, rtol=1e-5, atol=1e-5)
    assert together[2].learning_rate == alone.learning_rate


def test_every_origin_is_visited_once_an_epoch_in_an_order_of_its_seed(monkeypatch):
    origins = SPLIT.train_origins(LOOKBACK, HORIZON)
    batches: list[np.ndarray] = []
    monkeypatch.setattr(TrainingLanes, "step", lambda self, given, *_: batches.append(given))
    pretrain([dlinear(s) for s in range(2)], stream(1), SPLIT, SHORT, chances(2))
    assert [b.shape for b in batches] == [(2, 32), (2, 18)] * 5
    epochs = [np.concatenate(batches[i : i + 2], axis=1) for i in range(0, 10, 2)]
    for visited in epochs:
        assert (np.sort(visited, axis=1) == np.asarray(origins)).all()
    assert not np.array_equal(epochs[0][0], epochs[0][1])
    assert not np.array_equal(epochs[0][0], epochs[1][0])


class Kept:
    """A keeper that holds what was offered at one position, and is found with it again."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.tensors: dict[str, Tensor] | None = None

    def load(self) -> tuple[dict[str, Tensor], int] | None:
        return None if self.tensors is None else (self.tensors, self.position)

    def offer(self, position: int, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        if position == self.position and self.tensors is None:
            self.tensors = {name: tensor.clone() for name, tensor in tensors().items()}


@pytest.mark.parametrize("position", [1, 2, 7, 10, 25, 30])
def test_a_killed_training_goes_on_bit_equal(position, monkeypatch):
    """In the middle of an epoch and at its end, with lanes that have stopped, and when all have;
    two steps an epoch, patience of two so that lanes stop on the way.
    """
    recipe = replace(ONLINE, max_epochs=15, patience=2, learning_rates=(1e-4, 3e-2, 1.0))
    modules = [noisy(seed) for seed in range(2)]
    whole = pretrain(modules, stream(1), SPLIT, recipe, chances(2))
    keeper = Kept(position)
    pretrain(modules, stream(1), SPLIT, recipe, chances(2), keeper=keeper)
    assert keeper.tensors is not None
    steps: list[int] = []
    step = TrainingLanes.step

    def counted(self: TrainingLanes, origins: Any, number: int, share: float) -> None:
        steps.append(number)
        step(self, origins, number, share)

    monkeypatch.setattr(TrainingLanes, "step", counted)
    again = pretrain(modules, stream(1), SPLIT, recipe, chances(2), keeper=keeper)
    assert steps == list(range(position, position + len(steps)))
    for first, second in zip(whole, again, strict=True):
        kept = first.tensors(), second.tensors()
        assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_lanes_stop_before_the_last_of_the_positions_above():
    """So that the test above meets stopped lanes, and ends before its cap of 30 steps or at it."""
    recipe = replace(ONLINE, max_epochs=15, patience=2, learning_rates=(1e-4, 3e-2, 1.0))
    keeper = Kept(25)
    pretrain([noisy(s) for s in range(2)], stream(1), SPLIT, recipe, chances(2), keeper=keeper)
    assert keeper.tensors is not None
    assert 0 < len(keeper.tensors["numbers"]) < 6


def test_a_training_that_takes_long_reports_progress(monkeypatch):
    told: list[tuple[int, int]] = []
    recipe = replace(ONLINE, max_epochs=2)

    def report(done: int, total: int) -> None:
        told.append((done, total))

    pretrain([dlinear(0)], stream(1), SPLIT, recipe, chances(1), progress=report)
    assert told == [], "a short one is silent"
    monkeypatch.setattr(pretraining, "QUIET_S", -1.0)
    pretrain([dlinear(0)], stream(1), SPLIT, recipe, chances(1), progress=report)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_is_cached_is_what_was_trained():
    buffers = {"norm.running_mean": torch.randn(3), "count": torch.tensor(4)}
    kept = Pretrained(torch.randn(5), 3e-4, 0.123456789012345, 17, True, buffers)
    again = Pretrained.from_tensors(kept.tensors())
    assert torch.equal(again.weights, kept.weights)
    assert again.learning_rate == 3e-4
    assert (again.validation_mse, again.epochs, again.capped) == (0.123456789012345, 17, True)
    assert again.buffers.keys() == buffers.keys()
    assert all(torch.equal(again.buffers[name], buffers[name]) for name in buffers)


def test_lanes_are_stacked_as_far_as_their_graphs_fit(monkeypatch):
    source = stream(1)
    windows = source.windows(range(8, 40), [0])[0]
    size = training_lanes.graph_bytes(noisy(0), windows)
    hidden = 32 * CHANNELS * 6 * 4
    assert size > 3 * hidden, "input and output of the norm, of relu and of dropout are kept"
    seen: list[int] = []
    monkeypatch.setattr(training_lanes, "GRAPH_BYTES", 3 * size)
    lanes = TrainingLanes([noisy(0), noisy(1)], RATES, source, chances(2))
    lanes.step(np.stack([np.arange(8, 40)] * 2), 0, 1.0)
    seen = [len(seeds) for _, seeds in lanes._chunks(windows)]
    assert seen == [3, 3, 2]
