"""Balance losses by hand, and that the corrected one balances."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.hpm.bank_router import BankRouter
from memories.hpm.load_balance import accumulated_balance, batch_balance
from tests.memories.case import generator
from tests.memories.hpm.built import codes


def chosen(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def test_equal_use_of_all_banks_costs_one() -> None:
    """f = P = 1/4: 4 (4/16) = 1."""
    selected = chosen([[1, 1, 0, 0], [0, 0, 1, 1]])
    assert float(batch_balance(torch.full((2, 4), 0.25), selected, 2)) == 1


def test_two_banks_of_four_cost_two() -> None:
    """f = P = (1/2, 1/2, 0, 0): 4 (1/4 + 1/4) = 2."""
    probabilities = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).expand(3, 4)
    assert float(batch_balance(probabilities, chosen([[1, 1, 0, 0]] * 3), 2)) == 2


def test_one_bank_for_all_costs_the_number_of_banks() -> None:
    probabilities = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(5, 4)
    assert float(batch_balance(probabilities, chosen([[1, 0, 0, 0]] * 5), 1)) == 4


def test_no_bank_at_all_costs_nothing() -> None:
    assert float(batch_balance(torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.bool), 2)) == 0


def test_the_published_sums_halve_the_loss_at_k_2() -> None:
    """Weights of 1/2 add up to one per query: f = 1/8, P = 1/4, 4 (4/32) = 1/2."""
    sums = torch.tensor([6.0] * 4), torch.tensor([6.0] * 4), torch.tensor(24.0)
    assert float(accumulated_balance(*sums, 2)) == 0.5
    assert float(accumulated_balance(torch.zeros(4), torch.zeros(4), torch.tensor(0.0), 2)) == 0


def test_descending_the_loss_balances_a_biased_router() -> None:
    """Four banks, k = 2, the first with a head start of 3: 200 steps of Adam at 0.01.

    The loss falls from above 1.5 to below 1.05; it may dip below one, for the shares f are those
    of hard choices and need not equal P.
    """
    router = BankRouter(64, 4, 2, single="prob", generator=generator(0))
    with torch.no_grad():
        router.out.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    z = codes(1, 256, 64)
    optimiser = torch.optim.Adam(router.parameters(), lr=1e-2)

    def loss() -> Tensor:
        routing = router(z)
        return batch_balance(routing.probabilities, routing.selected, 2)

    assert float(loss().detach()) > 1.5
    for _ in range(200):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert float(loss().detach()) < 1.05
    shares = router(z).selected.float().mean(0) / 2
    assert float(shares.max()) < 0.35


def test_shares_carry_no_gradient_and_probabilities_do() -> None:
    """d(nB sum f P) / d p[q, b] = nB f_b / Q."""
    probabilities = torch.full((2, 4), 0.25, requires_grad=True)
    selected = chosen([[1, 1, 0, 0], [1, 0, 1, 0]])
    batch_balance(probabilities, selected, 2).backward()
    expected = 4 * torch.tensor([0.5, 0.25, 0.25, 0.0]) / 2
    torch.testing.assert_close(probabilities.grad, expected.expand(2, 4))


def test_the_published_loss_has_no_gradient() -> None:
    sums = [torch.ones(4, requires_grad=True) for _ in range(2)]
    loss = accumulated_balance(*sums, torch.tensor(4.0), 2)
    assert not loss.requires_grad
    assert float(loss) == pytest.approx(4 * 4 * (1 / 8) * (1 / 4))
