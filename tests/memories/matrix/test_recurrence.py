"""The chunked recurrence under strong decay, where powers of it leave the range of floats."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from memories.matrix import recurrence
from tests.memories.case import events

DECAY = 1e-3


def looped(keys: Tensor, values: Tensor, queries: Tensor, decay: Tensor, delta: bool) -> Tensor:
    """Reads after each event, from the recurrence itself."""
    weights, reads = torch.zeros(keys.shape[1], values.shape[1]), []
    for k, v, q in zip(keys, values, queries, strict=True):
        target = v - k @ weights if delta else v
        weights = decay * weights + torch.outer(k, target)
        reads.append(q @ weights)
    return torch.stack(reads)


@pytest.mark.parametrize("delta", [False, True])
def test_strong_decay_keeps_reads_and_gradients_finite(delta: bool) -> None:
    """1e-3 to the power -63 overflows float32, and 0 * inf in a gradient would be NaN.

    Keys have length 0.1, so that what the delta rule corrects stays small.
    """
    drawn, values = events(1, 64)
    keys = (0.1 * drawn / drawn.norm(dim=-1, keepdim=True)).requires_grad_()
    queries, decay = events(2, 64)[0], torch.tensor(DECAY, requires_grad=True)
    rule: recurrence.WriteRule = (
        partial(recurrence.delta_updates, strength=torch.tensor(1.0), decay=decay)
        if delta
        else lambda _weights, _keys, values: values
    )
    start = torch.zeros(6, 5)
    reads, _ = recurrence.scan(start, keys, values, queries, rule, decay)
    expected = looped(keys, values, queries, decay, delta)
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-5)
    ours = torch.autograd.grad(reads.square().sum(), (keys, decay))
    theirs = torch.autograd.grad(expected.square().sum(), (keys, decay))
    for gradient, exact in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, exact, rtol=1e-4, atol=1e-4)


def test_a_torn_last_chunk_is_written_in_full() -> None:
    keys, values = events(3, 10)

    def rule(_weights: Tensor, _keys: Tensor, values: Tensor) -> Tensor:
        return values

    weights = recurrence.write(torch.zeros(6, 5), keys, values, rule, chunk=4)
    torch.testing.assert_close(weights, keys.mT @ values, rtol=0, atol=1e-5)
