"""Momentum and weight decay in closed form, against the recurrence event by event."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.networks.momentum import mixing
from tests.memories.case import generator

gate = st.sampled_from([0.0, 0.25, 0.6, 0.99, 1.0])


@settings(max_examples=60)
@given(gates=st.lists(st.tuples(gate, gate, gate), min_size=1, max_size=9), seed=st.integers(0, 9))
def test_contributions_add_up_to_the_recurrence(
    gates: list[tuple[float, float, float]], seed: int
) -> None:
    """S <- momentum S - step g, M <- keep M + S; gates of zero and one included."""
    weights, momentum, *gradients = torch.randn(
        2 + len(gates), dtype=torch.float64, generator=generator(seed)
    )
    columns = torch.tensor(gates, dtype=torch.float64).mT[:, None]
    (share,) = mixing(*columns)
    pull = -torch.stack(gradients)
    after = share.kept * weights + share.carried * momentum + (share.to_weights * pull).sum()
    velocity = share.sustained * momentum + (share.to_momentum * pull).sum()
    for (eta, step, keep), gradient in zip(gates, gradients, strict=True):
        momentum = eta * momentum - step * gradient
        weights = keep * weights + momentum
    torch.testing.assert_close(after, weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(velocity, momentum, rtol=0, atol=1e-12)


def test_chunks_do_not_meet() -> None:
    """Chunk c of many gives what chunk c gives alone."""
    gates = torch.rand(3, 5, 4, generator=generator(1))
    together = mixing(*gates)
    for chunk, share in enumerate(together):
        (alone,) = mixing(*gates[:, chunk : chunk + 1])
        for name, part in vars(alone).items():
            torch.testing.assert_close(getattr(share, name), part, rtol=0, atol=1e-7)


def test_gates_of_zero_have_a_finite_gradient() -> None:
    """A product of gates has one where a sum of their logarithms has none."""
    gates = torch.zeros(3, 1, 4, requires_grad=True)
    (share,) = mixing(*gates)
    (gradient,) = torch.autograd.grad(share.to_weights.sum() + share.carried + share.kept, gates)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0
