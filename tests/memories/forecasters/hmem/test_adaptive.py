"""Learned attention over a learned number of retrieved errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from memories.forecasters.hmem.adaptive import AdaptiveRetrieval, spread
from memories.slots.bank_search import Recalled
from tests.reference import chrc as loop

K, DIM = 10, 6
T = torch.tensor(0.1, dtype=torch.float64)
FILLED = torch.tensor(0.25, dtype=torch.float64)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


Z = drawn(1, DIM)


def module(seed: int = 0, *, trained: bool = False) -> AdaptiveRetrieval:
    made = AdaptiveRetrieval(K, DIM, rng(seed)).double()
    if trained:
        with torch.no_grad():
            for i, parameter in enumerate(made.parameters()):
                parameter.add_(0.3 * drawn(10 * seed + i, *parameter.shape))
    return made


def recalled(valid: int, seed: int = 2) -> Recalled:
    """So many valid entries, best first."""
    known = torch.arange(K) < valid
    near = torch.rand(K, generator=rng(seed), dtype=torch.float64).sort(descending=True).values
    keys = torch.nn.functional.normalize(drawn(seed, K, DIM), dim=-1)
    return Recalled(
        slots=torch.arange(K),
        similarity=torch.where(known, near, 0.0),
        valid=known,
        keys=torch.where(known[:, None], keys, 0.0),
        values=torch.zeros(K, 1),
        age=torch.ones(K),
    )


def test_it_starts_as_the_softmax_over_about_five():
    """k = 1 + 9 * 4/9 = 5; of ranks 4, 5, 6 sigmoid(6), sigmoid(2), sigmoid(-2)."""
    found, made = recalled(K), module().requires_grad_(False)
    assert float(made.counted(found.similarity, found.valid, Z, FILLED)) == pytest.approx(5)
    gate = torch.sigmoid((5 - torch.arange(1.0, 11.0, dtype=torch.float64) + 0.5) / 0.25)
    raw = gate * (found.similarity / 0.1).exp()
    torch.testing.assert_close(made(found, Z, FILLED, T), raw / raw.sum(), rtol=0, atol=1e-9)
    assert gate[4:6].tolist() == pytest.approx([0.880797, 0.119203], abs=1e-6)


@pytest.mark.parametrize("valid", [1, 2, 7, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_weights_are_the_equation_entry_by_entry(valid, seed):
    made, found = module(seed, trained=True), recalled(valid)
    weights = made(found, Z, FILLED, T)
    near = found.similarity[:valid].tolist()
    expected = loop.adaptive_weights(
        near, found.keys[:valid], Z, 0.25, made.state_dict(), k_max=K, t=0.1
    )
    torch.testing.assert_close(weights[:valid], torch.tensor(expected).double(), rtol=0, atol=2e-6)
    assert (weights[valid:] == 0).all()


def test_nothing_valid_weighs_nothing_and_has_a_finite_gradient():
    made = module(trained=True)
    weights = made(recalled(0), Z, FILLED, T)
    assert torch.equal(weights, torch.zeros(K).double())
    weights.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


def test_the_number_that_counts_has_a_gradient():
    """Through the rank gate: the loss can learn to look at fewer or more."""
    made, found = module(), recalled(K)
    (made(found, Z, FILLED, T) * torch.arange(10.0)).sum().backward()
    assert made.number.bias.grad.abs() > 1e-4
    assert made.query.weight.grad.abs().max() > 1e-6


def test_lanes_have_the_gradients_of_single_runs():
    modules = [module(seed, trained=True) for seed in range(3)]
    found = [recalled(valid, seed) for seed, valid in enumerate((10, 4, 0))]
    weights = [dict(m.named_parameters()) for m in modules]
    towards = torch.arange(10.0, dtype=torch.float64)

    def score(own: dict[str, Tensor], seen: Recalled) -> Tensor:
        return (functional_call(modules[0], own, (seen, Z, FILLED, T)) * towards).sum()

    stacked = {name: torch.stack([w[name].detach() for w in weights]) for name in weights[0]}
    together = vmap(grad(score))(stacked, Recalled(*map(torch.stack, zip(*found, strict=True))))
    for lane in range(3):
        alone = grad(score)({n: w.detach() for n, w in weights[lane].items()}, found[lane])
        for name, gradient in alone.items():
            torch.testing.assert_close(together[name][lane], gradient, rtol=1e-9, atol=1e-12)
            assert gradient.isfinite().all()


def test_the_spread_is_over_valid_entries_alone():
    near = torch.tensor([0.9, 0.5, 0.1, -3.0])
    known = torch.tensor([True, True, True, False])
    mean, std, largest, gap = (float(x) for x in spread(near, known))
    assert (mean, largest, gap) == pytest.approx((0.5, 0.9, 0.8))
    assert std == pytest.approx((2 * 0.16 / 3) ** 0.5, abs=1e-6)
    assert [float(x) for x in spread(near, known & False)] == [0, 0, 0, 0]
