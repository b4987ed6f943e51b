"""What a memory holds in training, and that tokens of an empty one are zeros to the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.adam import flatten, unflatten
from memories.backbones.tokens import TokenModel
from memories.spectral.spectral_zero import SpectralZero
from memories.token_training.lanes import TokenLanes
from tasks.forecasting.recipes import OFFLINE
from tasks.longterm import training as module
from tasks.longterm.evaluation import before_test, passed, trained_pass
from tasks.longterm.training import JointTraining
from tests.memories.token_training.small_models import (
    HORIZON,
    WIDTH,
    Mean,
    batch,
    former,
    generator,
    spectral,
)
from tests.tasks.longterm.small_runs import Quiet, plan, training

RECIPE = replace(OFFLINE, batch=4, max_epochs=2)
V4 = plan(recipe=RECIPE, train_memory="trajectory", memory_eval="empty")


def watched(patch: pytest.MonkeyPatch, made: JointTraining) -> list[tuple[int, Any, Any, Tensor]]:
    """Per step its number, its snapshots, its picks and the weights before it."""
    seen: list[tuple[int, Any, Any, Tensor]] = []
    step = TokenLanes.step

    def noted(
        self: TokenLanes, windows: Tensor, targets: Tensor, snapshots: Any, picks: Any, **given: Any
    ) -> Any:
        seen.append((given["step"], snapshots, picks, self.weights.clone()))
        return step(self, windows, targets, snapshots, picks, **given)

    patch.setattr(TokenLanes, "step", noted)
    made.run(Quiet(), 0)
    return seen


def test_after_any_training_an_emptied_v4_forecasts_as_zero_tokens_do():
    """Marquez (2025) tests with an emptied memory: tokens of zeros, bit for bit, and so are the
    forecasts with the same encoder.
    """
    made = training([1, 2], spectral("spectral-v4"), V4)
    was = made.lanes.weights.clone()
    made.run(Quiet(), 0)
    assert not torch.equal(made.lanes.weights, was)
    state = before_test(made.lanes, made.windows, made.plan, made.best.into(made.lanes))
    seen = [p.forecasts for p in passed(made.lanes, made.windows, V4, V4.test, state)]
    for lane in range(2):
        drawn = generator(0)
        zero = TokenModel(former(drawn), SpectralZero(WIDTH, tokens=2), HORIZON, drawn)
        with torch.no_grad():
            for name, value in named_of(made.lanes, lane).items():
                if name.startswith("encoder."):
                    zero.get_parameter(name).copy_(value)
        zeros = TokenLanes([zero] * 2, 1.0, [])
        expected = passed(zeros, made.windows, V4, V4.test, zeros.init_state())
        for forecasts, other in zip(seen, expected, strict=True):
            assert torch.equal(forecasts[lane], other.forecasts[lane])


def named_of(lanes: TokenLanes, lane: int) -> dict[str, Tensor]:
    return {
        name.removeprefix("model."): value
        for name, value in unflatten(lanes.calls, lanes.weights[lane]).items()
    }


def test_a_trajectory_reads_the_rows_of_the_epochs_earlier_steps(monkeypatch):
    """Step s of an epoch reads s rows; after a reset the next epoch starts from none."""
    made = training([1, 2], spectral("spectral-v4"), V4)
    seen = watched(monkeypatch, made)
    assert made.per_epoch == 8
    counts = [snapshots["refreshed_at"].tolist() for _, snapshots, _, _ in seen]
    assert counts == [[s, s] for s in range(8)] * 2
    assert all(picks is None for _, _, picks, _ in seen)


def test_without_a_reset_a_trajectory_goes_on_through_all_epochs(monkeypatch):
    made = training([1, 2], spectral("spectral-v4"), replace(V4, resets=False))
    counts = [
        snapshots["refreshed_at"][0].item() for _, snapshots, _, _ in watched(monkeypatch, made)
    ]
    assert counts == list(range(16))


def test_snapshots_of_an_epoch_are_of_a_pass_with_its_first_weights(monkeypatch):
    """One pass before the first epoch; then the pass that ended an epoch serves the next."""
    made = training([1, 2], spectral(), plan(recipe=RECIPE, split=type(V4.split)(80, 90, 100)))
    passes: list[Tensor] = []
    real = module.trained_pass

    def counted(lanes: TokenLanes, *given: Any) -> Any:
        passes.append(lanes.weights.clone())
        return real(lanes, *given)

    monkeypatch.setattr(module, "trained_pass", counted)
    seen = watched(monkeypatch, made)
    assert made.per_epoch == 18
    assert len(passes) == 3
    assert torch.equal(passes[0], seen[0][3])
    assert torch.equal(passes[1], seen[18][3])
    for first in (0, 18):
        again = training([1, 2], spectral(), made.plan)
        again.lanes.weights = seen[first][3]
        expected = trained_pass(again.lanes, again.windows, again.plan)
        for _, held, picks, _ in seen[first : first + 18]:
            assert all(torch.equal(held[n], e) for n, e in expected.stacked.items())
            assert picks.shape[0] == 2
    places = torch.cat([made._places(2, b) for b in range(18)], dim=1)
    picked = torch.cat([picks for _, _, picks, _ in seen[18:]], dim=1)
    assert torch.equal(picked, places // 32)
    assert set(picked.unique().tolist()) == {0, 1, 2}


def test_lanes_that_stop_take_their_snapshots_and_their_memory_with_them():
    made = training([0, 1, 2], spectral(), plan(recipe=RECIPE))
    made._begin(1)
    made.state = {name: entry + torch.arange(3).view(-1, *[1] * (entry.dim() - 1))
                  for name, entry in made.state.items()}  # fmt: skip
    assert made.snapshots is not None
    before = made.snapshots.stacked
    made._select(torch.tensor([0, 2]))
    assert made.lanes.numbers.tolist() == [0, 2]
    assert made.state["count"].tolist() == [0, 2]
    assert all(torch.equal(e, before[n][[0, 2]]) for n, e in made.snapshots.stacked.items())
    same = made.snapshots
    made._select(torch.tensor([0, 1]))
    assert made.snapshots is same, "nothing is copied while all stay"


def test_pooling_weights_have_no_gradient_in_v4():
    """Stored rows are detached: the gradient of a whole step is exactly zero."""
    made = training([1], spectral("spectral-v4"), V4)
    state = made.lanes.init_state()
    for step in range(6):
        pair = batch(step, [1])
        hidden = made.lanes.step(*pair, made.lanes.snapshot(state), None, step=step, share=1.0)
        assert hidden is not None
        state = made.lanes.absorb(state, hidden)
    fresh = training([1], spectral("spectral-v4"), V4).lanes
    now, was = named_of(made.lanes, 0), named_of(fresh, 0)
    for name in ("memory.summary.scores.weight", "memory.summary.scores.bias"):
        assert torch.equal(now[name], was[name])
    assert not torch.equal(now["memory.head.expand.weight"], was["memory.head.expand.weight"])
    drawn = generator(1)
    model = TokenModel(former(drawn), spectral("spectral-v4")(drawn), HORIZON, drawn)
    own = {name: entry[0] for name, entry in made.lanes.snapshot(state).items()}
    model.forecast(batch(0, [1])[0][0], own)[0].square().mean().backward()
    assert model.memory.summary.scores.weight.grad is None
    assert float(model.memory.head.expand.weight.grad.abs().max()) > 0


def test_rows_of_validation_and_test_train_nothing():
    """With one epoch to choose from, weights are the same whatever comes after training."""
    chosen = plan(recipe=replace(RECIPE, max_epochs=1))
    rows = torch.randn(1, 95, 2, generator=generator(0)).cumsum(1) / 3
    other = rows.clone()
    other[:, chosen.split.a :] = 7.0
    kept = []
    for series in (rows, other):
        made = training([1], spectral(), chosen, series)
        made.run(Quiet(), 0)
        kept.append(made)
    assert torch.equal(kept[0].best.weights, kept[1].best.weights)
    assert not torch.equal(kept[0].best.error, kept[1].best.error)
    assert not torch.equal(kept[0].best.weights[0], flatten(kept[0].lanes.calls).detach())


def test_rows_of_the_test_choose_nothing():
    rows = torch.randn(1, 95, 2, generator=generator(0)).cumsum(1) / 3
    other = rows.clone()
    other[:, V4.split.b :] = 7.0
    kept = []
    for series in (rows, other):
        made = training([1], Mean, plan(recipe=replace(RECIPE, max_epochs=4)), series)
        made.run(Quiet(), 0)
        kept.append(made.best.tensors())
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
