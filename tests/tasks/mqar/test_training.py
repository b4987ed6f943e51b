"""Training: lanes are single runs of torch's AdamW, however their work is cut up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.nn import functional as F

from memories.adam import flatten, unflatten
from memories.base import AssociativeMemory
from memories.matrix.delta import Delta
from memories.matrix.linear_assoc import LinearAssociator
from tasks.mqar import training
from tasks.mqar.generator import SequenceFormat, Sequences
from tasks.mqar.model import RecallModel
from tasks.mqar.training import CLIP, WEIGHT_DECAY, Training
from tests.tasks.mqar.layers import Gained

FORMAT = SequenceFormat(32, 16, 3)
WIDTH = 8
RATES = (3e-3, 1e-2, 3e-3)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def delta(seed: int) -> AssociativeMemory:
    return Delta(WIDTH, WIDTH, generator=generator(seed))


def linear(seed: int) -> AssociativeMemory:
    return LinearAssociator(WIDTH, WIDTH, generator=generator(seed))


def gained(seed: int) -> AssociativeMemory:
    return Gained(WIDTH, WIDTH)


def models(of: Callable[[int], AssociativeMemory] = delta, lanes: int = 3) -> list[RecallModel]:
    return [
        RecallModel(of(seed), FORMAT.vocabulary, WIDTH, generator=generator(seed))
        for seed in range(lanes)
    ]


def batch(step: int, lanes: int = 3, count: int = 10) -> Sequences:
    drawn = [FORMAT.draw(count, generator(100 * step + lane)) for lane in range(lanes)]
    names = ("tokens", "at", "answers", "gaps")
    return Sequences(*(torch.stack([getattr(d, name) for d in drawn]) for name in names))


def single_run(model: RecallModel, lane: int, steps: int, whole: int) -> tuple[Tensor, list[float]]:
    """Weights and losses under torch's own optimiser, schedule and clipping, nothing stacked."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATES[lane], weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, whole)
    losses = []
    for step in range(steps):
        drawn = batch(step)
        logits = model(drawn.tokens[lane], drawn.at[lane])
        loss = F.cross_entropy(logits.flatten(0, 1), drawn.answers[lane].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return flatten(model).detach(), losses


@pytest.mark.parametrize("of", [delta, linear])
def test_lanes_trained_together_are_single_runs_of_torchs_adamw(of):
    """Twenty of forty steps at two learning rates; float32 rounding grows over them, hence 1e-4."""
    run = Training(models(of), RATES, steps=40)
    for step in range(20):
        run.step(batch(step))
    for lane, model in enumerate(models(of)):
        weights, losses = single_run(model, lane, 20, 40)
        torch.testing.assert_close(run.weights[lane], weights, rtol=0, atol=1e-4)
        assert run.losses[lane, :20].tolist() == pytest.approx(losses, abs=1e-4)
    assert (run.losses[:, 20:] == 0).all()


def test_gradients_above_the_limit_are_clipped_lane_by_lane(monkeypatch):
    """A fresh model's gradient is about 2 long; that of the lane with the large unembedding, 30."""
    monkeypatch.setattr(training, "CLIP", 3.0)
    wild = models()
    with torch.no_grad():
        wild[1].unembedding.mul_(1000)
    run = Training(wild, RATES, steps=10)
    norms = run.gradient(batch(0))[1].norm(dim=1)
    assert norms[0] < 3 < 30 < norms[1]
    run.step(batch(0))
    # the first moment after one step is a tenth of what was used
    used = 10 * run.first.norm(dim=1)
    torch.testing.assert_close(used, norms.clamp(max=3.0), rtol=1e-4, atol=0)


@pytest.mark.parametrize("of", [delta, gained])
def test_gradients_are_those_of_torch_func(of):
    run = Training(models(of), RATES, steps=10)
    drawn = batch(0)
    buffers = {
        name: torch.stack([dict(m.named_buffers())[name] for m in models(of)])
        for name, _ in models(of)[0].named_buffers()
    }
    expected, losses = vmap(grad_and_value(run._loss))(
        run.weights, buffers, drawn.tokens, drawn.at, drawn.answers
    )
    torch.testing.assert_close(run.gradient(drawn), (losses, expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("elements", [1, 3 * 16 * 8, 25 * 16 * 8, 2**30])
def test_loss_gradient_and_logits_do_not_depend_on_how_a_batch_is_cut(monkeypatch, elements):
    """Into single sequences, threes of a batch of ten, two lanes at once, not at all."""
    drawn = batch(0)
    whole = Training(models(), RATES, steps=10)
    expected = whole.gradient(drawn), whole.logits(drawn.tokens, drawn.at)
    monkeypatch.setattr(training, "CHUNK_ELEMENTS", elements)
    calls = []

    class Counting(Training):
        def _forward(self, *args):
            calls.append(args[2].shape[0])
            return super()._forward(*args)

    cut = Counting(models(), RATES, steps=10)
    found = cut.gradient(drawn), cut.logits(drawn.tokens, drawn.at)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert len(calls) == 2 * {1: 30, 384: 12, 3200: 2, 2**30: 1}[elements]


def test_a_lane_that_breaks_leaves_the_others_as_they_were():
    broken = models()
    with torch.no_grad():
        broken[1].embedding.fill_(torch.nan)
    run, sound = Training(broken, RATES, steps=10), Training(models(), RATES, steps=10)
    for step in range(3):
        run.step(batch(step))
        sound.step(batch(step))
    assert run.losses[1, :3].isnan().all()
    for lane in (0, 2):
        torch.testing.assert_close(run.weights[lane], sound.weights[lane], rtol=0, atol=0)


def test_slow_weights_of_the_memory_are_trained_and_its_scalars_are_not():
    run = Training(models(gained), RATES, steps=10)
    before = dict(zip(*_memory_weights(run), strict=True))
    run.step(batch(0))
    after = dict(zip(*_memory_weights(run), strict=True))
    assert (before["memory.gain"] != after["memory.gain"]).any(1).all()
    # a weight that nothing depends on only decays
    decayed = 1 - torch.tensor(RATES)[:, None] * WEIGHT_DECAY
    torch.testing.assert_close(after["memory.unused"], before["memory.unused"] * decayed)
    assert [float(m.memory.sign) for m in models(gained)] == [1.0] * 3


def _memory_weights(run: Training) -> tuple[list[str], list[Tensor]]:
    lanes = [unflatten(run.model, weights) for weights in run.weights.clone()]
    return list(lanes[0]), [torch.stack([lane[name] for lane in lanes]) for name in lanes[0]]


def test_training_leaves_the_models_it_was_given_as_they_were():
    given = models(gained)
    before = [flatten(model).clone() for model in given]
    run = Training(given, RATES, steps=10)
    run.step(batch(0))
    for model, weights in zip(given, before, strict=True):
        assert torch.equal(flatten(model), weights)


def test_training_goes_on_bit_equal_from_its_tensors():
    run = Training(models(), RATES, steps=12)
    for step in range(5):
        run.step(batch(step))
    kept = {name: tensor.clone() for name, tensor in run.tensors().items()}
    again = Training(models(), RATES, steps=12)
    again.restore(kept, 5)
    for step in range(5, 12):
        run.step(batch(step))
        again.step(batch(step))
    for name, tensor in run.tensors().items():
        assert torch.equal(tensor, again.tensors()[name]), name


def test_the_last_steps_hardly_move_the_weights():
    """The rate of step t is (1 + cos(pi t/T))/2 of the first: .6 % in the last of 20 steps."""
    run = Training(models(), RATES, steps=20)
    moved = []
    for step in range(20):
        before = run.weights
        run.step(batch(step))
        moved.append((run.weights - before).abs().amax(1))
    assert (moved[-1] < 0.01 * torch.tensor(RATES)).all()
    # a first step of Adam moves every weight by its rate, and decay adds a tenth of the weight
    assert (moved[0] > 0.99 * torch.tensor(RATES)).all()
