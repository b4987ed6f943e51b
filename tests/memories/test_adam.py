"""The pure Adam step against torch's optimiser and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memories.adam import adam_step, flatten, unflatten


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_first_step_moves_each_weight_by_the_learning_rate_against_its_gradient():
    """Bias correction makes both moments exact at first: g / (|g| + eps)."""
    weights = torch.tensor([1.0, -2.0, 3.0])
    gradient = torch.tensor([0.5, -1e-3, 0.0])
    zeros = torch.zeros(3)
    step = torch.tensor(0)
    moved, first, second, taken = adam_step(weights, gradient, zeros, zeros, step, 0.1)
    torch.testing.assert_close(moved, torch.tensor([0.9, -1.9, 3.0]), rtol=0, atol=2e-6)
    torch.testing.assert_close(first, 0.1 * gradient)
    torch.testing.assert_close(second, 1e-3 * gradient**2)
    assert int(taken) == 1
    assert torch.equal(zeros, torch.zeros(3))


@pytest.mark.parametrize("learning_rate", [1e-4, 1e-2])
def test_fifty_steps_equal_torchs_adam(learning_rate):
    """On a quadratic with random curvature, float64."""
    start = torch.randn(20, generator=generator(), dtype=torch.float64)
    curvature = torch.rand(20, generator=generator(1), dtype=torch.float64)
    theirs = nn.Parameter(start.clone())
    optimiser = torch.optim.Adam([theirs], lr=learning_rate)
    ours, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    taken = torch.tensor(0)
    for _ in range(50):
        optimiser.zero_grad()
        (curvature * theirs.square()).sum().backward()
        optimiser.step()
        gradient = 2 * curvature * ours
        ours, first, second, taken = adam_step(ours, gradient, first, second, taken, learning_rate)
    torch.testing.assert_close(ours, theirs.data, rtol=1e-10, atol=1e-12)
    assert int(taken) == 50


def test_stacked_vectors_are_independent_optimisers():
    weights = torch.randn(3, 8, generator=generator(2))
    gradient = torch.randn(3, 8, generator=generator(3))
    zeros, step = torch.zeros(3, 8), torch.tensor(0)
    rates = torch.tensor([[1e-3], [1e-1], [0.0]])
    together = adam_step(weights, gradient, zeros, zeros, step, rates)[0]
    for lane in range(3):
        alone = adam_step(
            weights[lane], gradient[lane], zeros[0], zeros[0], step, float(rates[lane])
        )[0]
        torch.testing.assert_close(together[lane], alone, rtol=0, atol=1e-7)
    assert torch.equal(together[2], weights[2])


def test_a_module_is_its_vector_cut_into_named_shapes():
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4, bias=False))
    vector = flatten(module)
    assert vector.shape == (3 * 2 + 2 + 2 * 4,)
    parts = unflatten(module, vector)
    assert list(parts) == [name for name, _ in module.named_parameters()]
    for name, parameter in module.named_parameters():
        assert torch.equal(parts[name], parameter)
