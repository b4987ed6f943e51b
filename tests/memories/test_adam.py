"""The pure Adam step against torch's optimiser and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memories.adam import Packing, adam_step, adamw_step, flatten, unflatten


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
    """6 weights and 10 zeros, 2 biases and 14 zeros, 16 weights and none, 3 and 13."""
    module = nn.Sequential(
        nn.Linear(3, 2), nn.Linear(2, 8, bias=False), nn.LayerNorm(3, bias=False)
    )
    vector = flatten(module)
    assert vector.shape == (16 + 16 + 16 + 16,)
    parts = unflatten(module, vector)
    assert list(parts) == [name for name, _ in module.named_parameters()]
    for start, (name, parameter) in zip((0, 16, 32, 48), module.named_parameters(), strict=True):
        assert torch.equal(parts[name], parameter)
        assert parts[name].data_ptr() == vector[start:].data_ptr()
    assert vector.count_nonzero() == 6 + 2 + 16 + 3


def test_a_packing_takes_scalars_and_puts_zeros_where_nothing_lies():
    packing = Packing([(), (4, 4), (17,)])
    assert packing.size == 16 + 16 + 32
    given = [torch.tensor(2.0), torch.ones(4, 4), torch.ones(17)]
    vector = packing.pack(given)
    assert all(map(torch.equal, packing.unpack(vector), given))
    assert vector.sum() == 2 + 16 + 17


def test_what_lies_between_has_no_gradient_and_stays_zero():
    packing = Packing([(3,), (5,)])
    vector = packing.pack([torch.ones(3), torch.ones(5)])
    gradient = torch.func.grad(lambda v: sum(p.exp().sum() for p in packing.unpack(v)))(vector)
    assert gradient.count_nonzero() == 8
    zeros, step = torch.zeros_like(vector), torch.tensor(0)
    rate = torch.tensor(0.1)
    for moved in (
        adam_step(vector, gradient, zeros, zeros, step, 0.1),
        adamw_step(vector, gradient, zeros, zeros, step, rate, 0.5),
    ):
        for entry in moved[:3]:
            assert (entry[gradient == 0] == 0).all()
            assert (entry[gradient != 0] != 0).all()


def noisy_gradients(weights: torch.Tensor, steps: int) -> list[torch.Tensor]:
    rng = generator(7)
    return [
        torch.randn(weights.shape, generator=rng, dtype=weights.dtype) * 10.0 ** (-3 * (n % 4))
        for n in range(steps)
    ]


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.5])
def test_ten_steps_of_one_group_equal_torchs_adamw(decay):
    """Random gradients of sizes from 1e-9 to 1; float32, hence 1e-6."""
    start = torch.randn(30, generator=generator(5))
    theirs = nn.Parameter(start.clone())
    optimiser = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=decay)
    ours, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    rate = torch.tensor(1e-2)
    for taken, gradient in enumerate(noisy_gradients(start, 10)):
        theirs.grad = gradient.clone()
        optimiser.step()
        ours, first, second = adamw_step(
            ours, gradient, first, second, torch.tensor(taken), rate, decay
        )
        torch.testing.assert_close(ours, theirs.data, rtol=0, atol=1e-6)
    assert (ours - start).abs().median() > 1e-2


def test_weights_may_have_rates_decays_and_step_counts_of_their_own():
    """The second group starts three steps late: torch's optimiser gives it no gradient before."""
    sizes, rates, decays = (4, 6, 5), [1e-2, 3e-3, 1e-1], [0.01, 0.0, 0.3]
    lengths = torch.tensor(sizes)
    start = torch.randn(15, generator=generator(6))
    theirs = [nn.Parameter(part.clone()) for part in start.split(sizes)]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p], "lr": rate, "weight_decay": decay}
            for p, rate, decay in zip(theirs, rates, decays, strict=True)
        ]
    )
    ours, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    for n, gradient in enumerate(noisy_gradients(start, 10)):
        parts = gradient.split(sizes)
        for i, (parameter, part) in enumerate(zip(theirs, parts, strict=True)):
            parameter.grad = part.clone() if n >= 3 or i != 1 else None
        optimiser.step()
        ours, first, second = adamw_step(
            ours,
            gradient,
            first,
            second,
            torch.tensor([n, max(0, n - 3), n]).repeat_interleave(lengths),
            torch.tensor(rates).repeat_interleave(lengths),
            torch.tensor(decays).repeat_interleave(lengths),
            enable=torch.tensor([True, n >= 3, True]).repeat_interleave(lengths),
        )
        expected = torch.cat([p.data for p in theirs])
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_where_it_is_not_enabled_nothing_changes_whatever_the_gradient_holds():
    weights, first = torch.randn(2, 6, generator=generator(8)).unbind()
    second = torch.rand(6, generator=generator(9))
    gradient = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e30, 0.0, 1.0])
    after = adamw_step(
        weights,
        gradient,
        first,
        second,
        torch.tensor(4),
        torch.tensor(0.1),
        0.01,
        enable=torch.tensor(False),
    )
    for new, old in zip(after, (weights, first, second), strict=True):
        assert torch.equal(new, old)


def test_lanes_of_an_adamw_step_are_independent():
    weights, gradient, first = torch.randn(3, 4, 8, generator=generator(10)).unbind()
    second = torch.rand(4, 8, generator=generator(11))
    steps, rates = torch.tensor([0, 1, 5, 9]), torch.tensor([0.1, 0.0, 1e-3, 1.0])
    enable = torch.tensor([True, True, False, True])

    def one(w, g, m, v, n, rate, on):
        return adamw_step(w, g, m, v, n, rate, 0.01, enable=on)

    args = (weights, gradient, first, second, steps, rates, enable)
    together = torch.func.vmap(one)(*args)
    for lane in range(4):
        alone = one(*(arg[lane] for arg in args))
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[lane], b, rtol=1e-6, atol=1e-7)
