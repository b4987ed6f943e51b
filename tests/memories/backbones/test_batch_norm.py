"""Batch normalisation without hidden updates against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from memories.backbones.base import Training
from memories.backbones.layers import BatchNorm
from tests.memories.backbones.drawn import generator, shaken

FEATURES = 5


def pair() -> tuple[BatchNorm, nn.BatchNorm1d]:
    """Ours and torch's with the same weights and statistics."""
    ours = BatchNorm(FEATURES)
    shaken(ours)
    theirs = nn.BatchNorm1d(FEATURES).double()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    return ours, theirs


def batches(n: int) -> list[torch.Tensor]:
    rng = generator(5)
    return [
        3 + 2 * torch.randn(4, 6, FEATURES, generator=rng, dtype=torch.float64) for _ in range(n)
    ]


def test_in_evaluation_it_is_torchs():
    ours, theirs = pair()
    (x,) = batches(1)
    expected = theirs.eval()(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


def test_over_several_training_steps_outputs_gradients_and_statistics_are_torchs():
    ours, theirs = pair()
    buffers = dict(ours.named_buffers())
    for x in batches(5):
        training = Training()
        seen = functional_call(ours, buffers, (x, training))
        buffers = training.statistics[ours]
        expected = theirs(x.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(seen, expected, rtol=1e-11, atol=1e-11)
        for name in ("running_mean", "running_var"):
            torch.testing.assert_close(buffers[name], getattr(theirs, name), rtol=1e-12, atol=0)
        probe = torch.randn(x.shape, generator=generator(6), dtype=torch.float64)
        slopes = torch.autograd.grad((seen * probe).sum(), list(ours.parameters()))
        wanted = torch.autograd.grad((expected * probe).sum(), list(theirs.parameters()))
        for got, want in zip(slopes, wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_training_leaves_the_modules_own_statistics_alone():
    ours, _ = pair()
    before = {name: buffer.clone() for name, buffer in ours.named_buffers()}
    ours(batches(1)[0], Training())
    assert all(torch.equal(before[name], buffer) for name, buffer in ours.named_buffers())


@pytest.mark.parametrize("rows", [1, 2])
def test_the_running_variance_is_unbiased_where_a_batch_has_two_rows(rows):
    """torch refuses a single row; here its variance of 0 is averaged in."""
    ours = BatchNorm(1)
    training = Training()
    ours(torch.tensor([[1.0], [5.0]])[:rows], training)
    expected = 0.9 + 0.1 * (8.0 if rows == 2 else 0.0)
    assert float(training.statistics[ours]["running_var"]) == pytest.approx(expected)


def test_lanes_in_training_each_get_their_own_statistics_and_gradients():
    ours, _ = pair()
    x = torch.stack(batches(3))
    params = dict(ours.named_parameters())

    def loss(weights, batch):
        training = Training()
        out = functional_call(ours, weights, (batch, training))
        return (out**3).mean(), training.statistics[ours]

    slopes, statistics = vmap(grad(loss, has_aux=True), in_dims=(None, 0))(params, x)
    for lane, batch in enumerate(x):
        own, kept = grad(loss, has_aux=True)(params, batch)
        for name in own:
            torch.testing.assert_close(slopes[name][lane], own[name], rtol=1e-11, atol=1e-11)
        for name in kept:
            torch.testing.assert_close(statistics[name][lane], kept[name], rtol=1e-12, atol=0)
