"""Pre-training: lanes are single runs of torch's Adam, and the best epoch is what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from memories.adam import flatten, unflatten
from memories.backbones.dlinear import DLinear
from tasks.data.splits import Split
from tasks.forecasting import pretraining
from tasks.forecasting.pretraining import LEARNING_RATES, Pretrained, _Training, pretrain
from tasks.forecasting.stream import CausalStream

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2
SPLIT = Split(60, 80, 120)


def backbone(seed: int) -> DLinear:
    rng = torch.Generator().manual_seed(seed)
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng)


def stream(lanes: int, seed: int = 0) -> CausalStream:
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randn(lanes, SPLIT.e, CHANNELS, generator=rng).cumsum(1) / 3
    return CausalStream(rows, LOOKBACK, HORIZON)


def orders(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def single_run(module: nn.Module, rows: Tensor, batches: list[np.ndarray], rate: float) -> Tensor:
    """The weights after torch's own Adam, batch by batch, with nothing stacked."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    for origins in batches:
        windows = torch.stack([rows[t - LOOKBACK + 1 : t + 1] for t in origins])
        targets = torch.stack([rows[t + 1 : t + HORIZON + 1] for t in origins])
        optimiser.zero_grad()
        (module(windows) - targets).square().mean().backward()
        optimiser.step()
    return flatten(module).detach()


@pytest.mark.parametrize("series", [1, 3])
def test_each_lane_takes_the_steps_that_torchs_adam_takes_alone(series):
    """Three seeds at four learning rates over 40 batches; float32, hence 1e-5."""
    source = stream(series)
    run = _Training([backbone(seed) for seed in range(3)], source)
    rng = np.random.default_rng(5)
    train = np.asarray(SPLIT.train_origins(LOOKBACK, HORIZON))
    batches = [np.stack([rng.choice(train, 16) for _ in range(3)]) for _ in range(40)]
    for origins in batches:
        run.step(origins)
    for seed in range(3):
        rows = source.rows[min(seed, series - 1)]
        for k, rate in enumerate(LEARNING_RATES):
            alone = single_run(backbone(seed), rows, [b[seed] for b in batches], rate)
            torch.testing.assert_close(run.weights[seed, k], alone, rtol=1e-5, atol=1e-5)


def test_evaluation_is_the_mean_error_over_the_origins(monkeypatch):
    monkeypatch.setattr(pretraining, "EVALUATION_BATCH", 5)
    source = stream(2)
    modules = [backbone(seed) for seed in range(2)]
    run = _Training(modules, source)
    origins = SPLIT.selection_origins(HORIZON)
    seen = run.evaluate(origins)
    for seed, module in enumerate(modules):
        errors = []
        for t in origins:
            window = source.rows[seed, t - LOOKBACK + 1 : t + 1]
            truth = source.rows[seed, t + 1 : t + HORIZON + 1]
            errors.append((module(window[None])[0] - truth).square().mean().item())
        expected = torch.full((4,), np.mean(errors), dtype=torch.float64)
        torch.testing.assert_close(seen[seed], expected, rtol=1e-6, atol=0)


def scripted(monkeypatch: pytest.MonkeyPatch, errors: Tensor) -> list[int]:
    """Validation errors [epoch, seed, rate] as given; weights count the steps taken."""
    epochs: list[int] = []

    def step(self: _Training, origins: np.ndarray) -> None:
        self.weights = self.weights + 1

    def evaluate(self: _Training, origins: range) -> Tensor:
        epochs.append(len(epochs) + 1)
        return errors[len(epochs) - 1]

    monkeypatch.setattr(_Training, "step", step)
    monkeypatch.setattr(_Training, "evaluate", evaluate)
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
    (kept,) = pretrain([backbone(0)], stream(1), SPLIT, orders(1))
    assert epochs[-1] == 22
    assert (kept.epochs, kept.learning_rate, kept.validation_mse) == (12, LEARNING_RATES[1], 188)
    assert not kept.capped
    torch.testing.assert_close(kept.weights, flatten(backbone(0)).detach() + 24, rtol=0, atol=1e-4)


def test_a_lane_that_stopped_takes_no_later_epoch_for_the_sake_of_another(monkeypatch):
    """Rate 0 is best at epoch 2, and would be better still at 15, beyond its patience; alone it
    would have stopped at 12. Rate 1 keeps the loop running until epoch 20.
    """
    errors = falling_until(2, 10, 1, 1)
    errors[14, 0, 0] = 0.0
    scripted(monkeypatch, errors)
    (kept,) = pretrain([backbone(0)], stream(1), SPLIT, orders(1))
    assert (kept.epochs, kept.learning_rate) == (10, LEARNING_RATES[1])


@pytest.mark.parametrize(("best", "capped"), [(90, False), (91, True), (100, True)])
def test_a_run_that_still_improved_at_the_cap_says_so(monkeypatch, best, capped):
    epochs = scripted(monkeypatch, falling_until(best, best, best, best))
    (kept,) = pretrain([backbone(0)], stream(1), SPLIT, orders(1))
    assert epochs[-1] == 100
    assert (kept.epochs, kept.capped) == (best, capped)


def test_seeds_choose_their_own_learning_rates(monkeypatch):
    errors = torch.cat([falling_until(3, 4, 9, 2), falling_until(8, 4, 3, 2)], dim=1)
    scripted(monkeypatch, errors)
    kept = pretrain([backbone(0), backbone(1)], stream(2), SPLIT, orders(2))
    assert [k.learning_rate for k in kept] == [LEARNING_RATES[2], LEARNING_RATES[0]]
    assert [k.epochs for k in kept] == [9, 8]


def test_a_non_finite_validation_error_never_wins(monkeypatch):
    errors = falling_until(3, 3, 3, 3)
    errors[:, :, 0] = torch.nan
    errors[5:, :, 1] = torch.nan
    scripted(monkeypatch, errors)
    (kept,) = pretrain([backbone(0)], stream(1), SPLIT, orders(1))
    assert (kept.epochs, kept.learning_rate) == (3, LEARNING_RATES[1])


def trained(monkeypatch, source: CausalStream, seeds: int = 1) -> list[Pretrained]:
    monkeypatch.setattr(pretraining, "MAX_EPOCHS", 5)
    return pretrain([backbone(s) for s in range(seeds)], source, SPLIT, orders(seeds))


def test_test_rows_do_not_exist_for_pre_training(monkeypatch):
    """Bit for bit, choice of epoch and learning rate included."""
    source, other = stream(1), stream(1)
    other.rows[:, SPLIT.b :] = 1e6
    first, second = (trained(monkeypatch, s)[0] for s in (source, other))
    assert torch.equal(first.weights, second.weights)
    assert (first.learning_rate, first.validation_mse) == (
        second.learning_rate,
        second.validation_mse,
    )


def test_validation_rows_choose_the_epoch_but_never_train(monkeypatch):
    """With one epoch there is nothing to choose but the rate: its weights are the same."""
    monkeypatch.setattr(pretraining, "MAX_EPOCHS", 1)
    monkeypatch.setattr(pretraining, "LEARNING_RATES", (1e-3,))
    source, other = stream(1), stream(1)
    other.rows[:, SPLIT.a :] = 5.0
    first, second = (pretrain([backbone(0)], s, SPLIT, orders(1))[0] for s in (source, other))
    assert torch.equal(first.weights, second.weights)
    assert first.validation_mse != second.validation_mse


def test_training_lowers_the_validation_error_and_reports_it(monkeypatch):
    source = stream(1)
    (kept,) = trained(monkeypatch, source)
    run = _Training([backbone(0)], source)
    before = run.evaluate(SPLIT.selection_origins(HORIZON))[0, 0]
    module = backbone(0)
    module.load_state_dict(unflatten(module, kept.weights), strict=False)
    again = _Training([module], source).evaluate(SPLIT.selection_origins(HORIZON))[0, 0]
    assert kept.validation_mse < before
    assert again.item() == pytest.approx(kept.validation_mse, rel=1e-6)


def test_a_seed_alone_trains_as_it_does_among_others(monkeypatch):
    """Ten steps of float32 in another batch shape: 1e-5."""
    source = stream(3)
    together = trained(monkeypatch, source, seeds=3)
    alone = pretrain(
        [backbone(2)],
        CausalStream(source.rows[2:], LOOKBACK, HORIZON),
        SPLIT,
        [np.random.default_rng(2)],
    )[0]
    torch.testing.assert_close(together[2].weights, alone.weights, rtol=1e-5, atol=1e-5)
    assert together[2].learning_rate == alone.learning_rate


def test_every_origin_is_visited_once_an_epoch_in_an_order_of_its_seed():
    origins = SPLIT.train_origins(LOOKBACK, HORIZON)
    batches = list(pretraining._batches(origins, orders(2)))
    assert [b.shape for b in batches] == [(2, 32), (2, 18)]
    visited = np.concatenate(batches, axis=1)
    assert (np.sort(visited, axis=1) == np.asarray(origins)).all()
    assert not np.array_equal(visited[0], visited[1])


def test_what_is_cached_is_what_was_trained():
    kept = Pretrained(torch.randn(5), 3e-4, 0.123456789012345, 17, True)
    again = Pretrained.from_tensors(kept.tensors())
    assert torch.equal(again.weights, kept.weights)
    assert again.learning_rate == 3e-4
    assert (again.validation_mse, again.epochs, again.capped) == (0.123456789012345, 17, True)
