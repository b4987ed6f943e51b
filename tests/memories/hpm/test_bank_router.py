"""The sparse router: k weights that sum to one, ties, masks, what teaches it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, vmap

from memories.hpm.bank_router import BankRouter
from tests.memories.case import generator
from tests.memories.hpm.built import codes
from tests.reference import hpm


def router(banks: int, top_k: int, seed: int = 0, single: Any = "prob") -> BankRouter:
    return BankRouter(16, banks, top_k, single=single, generator=generator(seed)).double()


def biased(*logits: float, top_k: int = 2, single: Any = "prob") -> BankRouter:
    """A router with the same logits for every code."""
    made = router(len(logits), top_k, single=single)
    with torch.no_grad():
        made.out.weight.zero_()
        made.out.bias.copy_(torch.tensor(logits))
    return made


def test_the_temperature_starts_at_one_point_four() -> None:
    """softplus(1) + 0.1 = log(1 + e) + 0.1 = 1.41326."""
    assert float(router(3, 2).temperature.detach()) == pytest.approx(1.413262, abs=1e-6)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    there=st.lists(st.booleans(), min_size=1, max_size=6),
    top_k=st.integers(1, 4),
    single=st.sampled_from(["prob", "one"]),
)
def test_weights_and_probabilities_equal_their_definition(seed, there, top_k, single) -> None:
    made = router(len(there), min(top_k, len(there)), seed, single)
    z = codes(seed, 3).double()
    routing = made(z, torch.tensor(there))
    for code, weights, shares in zip(z, routing.weights, routing.probabilities, strict=True):
        expected, probabilities = hpm.routed(made, code, there)
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(shares, probabilities, rtol=0, atol=1e-12)


@pytest.mark.parametrize("top_k", [2, 3, 6])
def test_each_query_has_exactly_k_weights_that_sum_to_one(top_k: int) -> None:
    routing = router(6, top_k)(codes(1, 200).double())
    assert torch.equal((routing.weights > 0).sum(-1), torch.full((200,), top_k))
    assert torch.equal(routing.weights > 0, routing.selected)
    torch.testing.assert_close(
        routing.weights.sum(-1), torch.ones(200, dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_ties_go_to_the_first_bank() -> None:
    routing = biased(1.0, 2.0, 2.0, 2.0)(codes(1, 1).double())
    assert routing.selected[0].tolist() == [False, True, True, False]


def test_banks_that_are_not_there_have_no_weight_unless_too_few_are() -> None:
    made, z = biased(0.0, 1.0, 2.0, 3.0), codes(1, 1).double()
    routing = made(z, torch.tensor([True, True, False, False]))
    assert routing.selected[0].tolist() == [True, True, False, False]
    assert routing.probabilities[0, 2:].tolist() == [0, 0]
    routing = made(z, torch.tensor([True, False, False, False]))
    assert routing.selected[0].tolist() == [False, False, True, True]
    torch.testing.assert_close(routing.probabilities, made(z).probabilities)


def test_where_no_bank_is_there_every_weight_is_zero() -> None:
    routing = biased(0.0, 1.0)(codes(1, 1).double(), torch.tensor([False, False]))
    assert not routing.weights.any()
    assert not routing.probabilities.any()
    assert not routing.selected.any()


@pytest.mark.parametrize(("single", "learns"), [("prob", True), ("one", False)])
def test_one_bank_teaches_the_router_only_by_its_probability(single: str, learns: bool) -> None:
    """softmax over one element is the constant one: a task loss gives its router no gradient."""
    made = router(4, 1, single=single)
    routing = made(codes(1, 8).double())
    assert torch.equal(routing.weights.amax(-1) == 1, torch.full((8,), not learns))
    values = torch.arange(4, dtype=torch.float64)
    (routing.weights @ values).sum().backward()
    moved = max(float(weights.grad.abs().max()) for weights in made.parameters())
    assert (moved > 1e-6) is learns
    assert learns or moved == 0


def test_routers_of_several_seeds_route_as_one_call() -> None:
    made, z = router(5, 2), codes(1, 9).double()
    there = torch.tensor([True, True, True, False, True])
    drawn = torch.randn(3, 5, generator=generator(4), dtype=torch.float64)

    def spread(bias: torch.Tensor) -> torch.Tensor:
        named = {**dict(made.named_parameters()), "out.bias": bias}
        routing = torch.func.functional_call(made, named, (z, there))
        return (routing.weights * torch.arange(5)).square().sum()

    together = vmap(grad(spread))(drawn)
    alone = torch.stack([grad(spread)(bias) for bias in drawn])
    assert alone.abs().max() > 1e-3
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
