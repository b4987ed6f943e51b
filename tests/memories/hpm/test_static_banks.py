"""Banks of primitives: levels, padding, values of their own, guidance, frozen rows."""

from __future__ import annotations

import pytest
import torch

from memories.base import InvalidParameter
from memories.hpm.settings import level_sizes
from memories.hpm.static_banks import StaticBanks
from tests.memories.case import generator
from tests.memories.hpm.built import codes
from tests.reference import hpm


def banks(*sizes: int, moved: float = 0.5, **given: object) -> StaticBanks:
    made = StaticBanks(16, 2, sizes, generator=generator(1), **given)
    rng = generator(2)
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(moved * torch.randn(weights.shape, generator=rng))
    return made.double()


@pytest.mark.parametrize(
    ("primitives", "levels", "sizes"),
    [(16, 2, (8, 8)), (32, 3, (10, 10, 12)), (5, 1, (5,)), (3, 3, (1, 1, 1))],
)
def test_the_last_level_takes_what_the_others_cannot_share(primitives, levels, sizes) -> None:
    assert level_sizes(primitives, levels) == sizes


def test_a_level_without_a_primitive_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="primitives_per_bank: must be >= levels_per_bank"):
        level_sizes(2, 3)


@pytest.mark.parametrize("sizes", [(8, 8), (2, 2, 3), (5,)])
@pytest.mark.parametrize("value_width", [None, 5])
@pytest.mark.parametrize("guided", [False, True])
def test_answers_equal_the_sum_over_levels_and_primitives(sizes, value_width, guided) -> None:
    made = banks(*sizes, value_width=value_width, guided=guided)
    z = codes(3, 6).double()
    answers, attention = made(z)
    expected = [
        torch.stack([hpm.static_answer(made, bank, code, sizes) for bank in range(2)]) for code in z
    ]
    torch.testing.assert_close(answers, torch.stack(expected), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        attention.sum(-1), torch.ones(6, 2, len(sizes), dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert (attention[..., made.padding] == 0).all()


def test_what_pads_a_level_is_never_read() -> None:
    made = banks(2, 2, 3)
    z = codes(3, 4).double()
    before = made(z)[0]
    with torch.no_grad():
        made.primitives[:, made.padding] = 1e6
    assert torch.equal(made(z)[0], before)


def test_levels_count_alike_before_training() -> None:
    made = StaticBanks(8, 1, (4, 4), generator=generator(0))
    assert torch.equal(made.level_logits, torch.full((1, 2), 0.5))
    assert torch.equal(made.query_maps[0], torch.eye(8))
    # 64 draws: the standard error of a standard deviation is 0.02 / sqrt(128)
    assert float(made.primitives.detach().std()) == pytest.approx(0.02, abs=0.006)


def test_a_parent_that_is_attended_to_raises_its_children() -> None:
    """Sizes (2, 4): children 0 and 1 belong to parent 0, children 2 and 3 to parent 1.

    With equal logits in the fine level, its attention is the parents' halved.
    """
    made = StaticBanks(4, 1, (2, 4), guided=True, generator=generator(0))
    with torch.no_grad():
        made.primitives.zero_()
        made.primitives[0, 0, 0] = torch.tensor([2.0, 0.0, 0.0, 0.0])
    _, attention = made(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    coarse = torch.tensor([1.0, 0.0]).softmax(0)  # <q, p> / sqrt(4) = 1 and 0
    torch.testing.assert_close(attention[0, 0, 0, :2], coarse, rtol=0, atol=1e-6)
    fine = torch.stack([coarse[0], coarse[0], coarse[1], coarse[1]]) / 2
    torch.testing.assert_close(attention[0, 0, 1], fine, rtol=0, atol=1e-6)


def test_frozen_rows_have_no_gradient_and_the_same_answer() -> None:
    made = banks(4, 4, value_width=3)
    frozen = torch.zeros(2, 2, 4, dtype=torch.bool)
    frozen[0, 1, 2] = frozen[1, 0, 0] = True
    z = codes(3, 5).double()
    answers, _ = made(z, frozen)
    assert torch.equal(answers, made(z)[0])
    answers.square().sum().backward()
    for weights in (made.primitives, made.values):
        assert (weights.grad[frozen] == 0).all()
        assert (weights.grad[~frozen].abs().amax(-1) > 0).all()
