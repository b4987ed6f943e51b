"""Which epoch is kept, when a lane stops, and on what and how fast it was trained until then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.token_training.lanes import TokenLanes
from tasks.forecasting.recipes import OFFLINE
from tasks.longterm import training as module
from tasks.longterm.best import Best
from tasks.longterm.training import JointTraining
from tests.memories.token_training.small_models import Mean, lanes, spectral
from tests.tasks.longterm.small_runs import Quiet, plan, training

NAN = float("nan")


def scripted(
    patch: pytest.MonkeyPatch, errors: list[list[float]], **more: Any
) -> tuple[JointTraining, list[list[int]], list[tuple[int, float]]]:
    """A training whose validation errors [epoch][lane] are given and whose weights count steps.

    Returns it after its run, the lanes there at each validation, and (step, share) of each step.
    """
    there: list[list[int]] = []
    steps: list[tuple[int, float]] = []

    def step(self: TokenLanes, *given: Any, step: int, share: float) -> Tensor:
        steps.append((step, share))
        self.weights = self.weights + 1
        return torch.zeros(len(self.numbers), 1, 1, 2, 8)

    def validated(of: TokenLanes, windows: Any, chosen: Any, state: Any) -> Any:
        there.append(of.numbers.tolist())
        own = torch.tensor(errors[len(there) - 1], dtype=torch.float64)[of.numbers]
        return own[:, None].expand(-1, len(chosen.validation)), state

    patch.setattr(TokenLanes, "step", step)
    patch.setattr(module, "validated", validated)
    made = training(list(range(len(errors[0]))), Mean, plan(train_memory="trajectory", **more))
    made.run(Quiet(), 0)
    return made, there, steps


def test_a_lane_stops_three_epochs_after_its_best_and_others_go_on(monkeypatch):
    """Best at epochs 1, 3 and 2: there until epochs 4, 6 and 5; steps of epoch 7 are not taken."""
    errors = [
        [1.0, 5.0, 5.0], [2.0, 4.0, 4.0], [2.0, 3.0, 4.5], [2.0, 4.0, 4.5], [0.0, 4.0, 4.5],
        [0.0, 4.0, 0.0],
    ]  # fmt: skip
    made, there, steps = scripted(monkeypatch, errors)
    assert there == [[0, 1, 2]] * 4 + [[1, 2], [1]]
    assert made.best.epoch.tolist() == [1, 3, 2]
    assert made.best.error.tolist() == [1.0, 3.0, 4.0]
    assert len(steps) == 6 * made.per_epoch
    assert made.done == made.steps


def test_an_equal_error_is_an_improvement(monkeypatch):
    """As in the Time-Series-Library, whose score has to fall for an epoch to be counted."""
    made, there, _ = scripted(monkeypatch, [[2.0]] * 4 + [[3.0]] * 3 + [[0.0]] * 3)
    assert made.best.epoch.tolist() == [4]
    assert len(there) == 7


def test_the_best_epochs_weights_and_memory_are_restored(monkeypatch):
    """One step an epoch, by which weights grow: epoch 2 is kept in lane 0, epoch 3 in lane 1."""
    errors = [[5.0, 5.0], [1.0, 4.0], [2.0, 3.0], [2.0, 9.0], [2.0, 9.0], [2.0, 9.0]]
    made, _, _ = scripted(monkeypatch, errors, memory_eval="frozen-train", resets=False)
    assert made.per_epoch == 1
    assert made.lanes.numbers.tolist() == []
    state = made.best.into(made.lanes)
    assert made.lanes.numbers.tolist() == [0, 1]
    fresh = training([0, 1], Mean, made.plan).lanes.weights
    torch.testing.assert_close(made.lanes.weights[0], fresh[0] + 2, rtol=0, atol=1e-5)
    torch.testing.assert_close(made.lanes.weights[1], fresh[1] + 3, rtol=0, atol=1e-5)
    assert made.lanes.report(state)["rows"].tolist() == [2, 3]


def test_a_non_finite_error_never_is_the_best(monkeypatch):
    errors = [[NAN, 1.0], [4.0, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]]
    made, there, _ = scripted(monkeypatch, errors)
    assert made.best.epoch.tolist() == [2, 1]
    assert made.best.error.tolist() == [4.0, 1.0]
    assert there == [[0, 1]] * 4 + [[0]]


def test_a_lane_without_any_finite_error_stops_too(monkeypatch):
    made, there, _ = scripted(monkeypatch, [[NAN]] * 10)
    assert len(there) == 3
    assert made.best.epoch.tolist() == [0]
    assert made.best.error.tolist() == [torch.inf]


def test_steps_are_counted_through_all_epochs_and_their_rate_is_halved_from_the_third(monkeypatch):
    made, _, steps = scripted(monkeypatch, [[10.0 - e] for e in range(10)], stride=1,
                              recipe=replace(OFFLINE, batch=16))  # fmt: skip
    assert made.per_epoch == 2
    assert [number for number, _ in steps] == list(range(20))
    shares = [share for _, share in steps]
    assert shares == [1.0] * 4 + [0.5 ** (epoch - 2) for epoch in range(3, 11) for _ in range(2)]


def test_validation_counts_every_batch_the_same_whatever_its_size():
    """18 windows in batches of 16 and 2 of a random order: unweighted, the two weigh a half."""
    made = training([0, 1], Mean, plan(recipe=replace(OFFLINE, batch=16)))
    losses = torch.rand(2, 18, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = made._error(4, losses)
    for lane in range(2):
        generator = made.orders[lane](4)
        generator.permutation(len(made.plan.training))
        order = torch.from_numpy(generator.permutation(18))
        own = losses[lane][order]
        assert float(errors[lane]) == pytest.approx(float(own[:16].mean() + own[16:].mean()) / 2)
        assert float(errors[lane]) != pytest.approx(float(losses[lane].mean()), abs=1e-4)
    other = made._error(5, losses)
    assert not torch.equal(other, errors)


def test_every_training_window_is_visited_once_an_epoch_in_an_order_of_its_seed():
    made = training([0, 1], Mean, plan(recipe=replace(OFFLINE, batch=16)))
    for epoch in (1, 2):
        visited = torch.cat([made._places(epoch, batch) for batch in range(2)], dim=1)
        assert visited.shape == (2, 30)
        assert visited.sort(1).values.tolist() == [list(range(30))] * 2
        assert visited[0].tolist() != visited[1].tolist()
    assert made._places(1, 0).tolist() != made._places(2, 0).tolist()


def test_a_batch_holds_the_windows_of_its_places(monkeypatch):
    """Place i is origin 7 + stride i."""
    made = training([0, 1], Mean, plan(stride=3, train_memory="trajectory"))
    seen: list[Tensor] = []

    def step(self: TokenLanes, windows: Tensor, targets: Tensor, *_: Any, **__: Any) -> None:
        seen.extend([windows, targets])

    monkeypatch.setattr(TokenLanes, "step", step)
    made._begin(1)
    made._step(1, 0)
    places = made._places(1, 0)
    rows = made.windows.stream.rows[0]
    for lane in range(2):
        for place, window, target in zip(places[lane], seen[0][lane], seen[1][lane], strict=True):
            origin = 7 + 3 * int(place)
            assert torch.equal(window, rows[origin - 7 : origin + 1])
            assert torch.equal(target, rows[origin + 1 : origin + 4])


def test_what_is_offered_later_leaves_what_was_kept():
    """The best is a copy, in memory and when it was restored from what a check-point held."""
    of = lanes([0, 1], spectral())
    state = of.init_state()
    best = Best(of, state)
    best.offer(1, torch.tensor([1.0, 1.0], dtype=torch.float64), of, state)
    was = of.weights.clone()
    kept = best.tensors()
    before = {name: tensor.clone() for name, tensor in kept.items()}
    again = Best(of, state)
    again.restore(kept)
    of.weights += 1
    running = "model.encoder.norm.running_var"
    of.buffers[running] = of.buffers[running] + torch.tensor([[1.0], [2.0]])
    after = {name: entry + 1 for name, entry in state.items()}
    again.offer(2, torch.tensor([0.5, 2.0], dtype=torch.float64), of, after)
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.items())
    assert again.epoch.tolist() == [2, 1]
    assert torch.equal(again.weights[0], of.weights[0])
    assert torch.equal(again.weights[1], was[1])
    assert again.buffers[running][:, 0].tolist() == [2, 1]
    again.into(of)
    assert of.buffers[running][:, 0].tolist() == [2, 1]
    assert again.trained["count"].tolist() == [1, 0]
    assert again.tensors().keys() == kept.keys()


def test_restored_weights_are_no_longer_those_of_the_best():
    """Steps write into what lanes hold."""
    of = lanes([0], Mean)
    best = Best(of, of.init_state())
    was = best.weights.clone()
    best.into(of)
    of.weights += 1
    assert torch.equal(best.weights, was)
