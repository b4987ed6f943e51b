"""Functions of a symmetric matrix: values, and gradients where eigenvectors have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from memories.spectral.matrix_function import decompose, matrix_function
from tests.memories.case import build, generator
from tests.memories.spectral.kv import ALL


def inverse(matrix: Tensor, components: int) -> Tensor:
    """The inverse on the strongest directions."""
    spectrum = decompose(matrix)
    kept = spectrum.principal(components)
    weights = torch.where(kept, 1 / torch.where(kept, spectrum.values, 1.0), 0.0)
    return matrix_function(spectrum, weights, kept, -torch.outer(weights, weights))


def difference(function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    """The central difference of a function, step 1e-5: exact to 1e-10 of its third derivative."""
    return (function(at + 1e-5 * along) - function(at - 1e-5 * along)) / 2e-5


def symmetric(seed: int, n: int) -> Tensor:
    drawn = torch.randn(n, n, generator=generator(seed), dtype=torch.float64)
    return drawn + drawn.mT


def test_eigenvalues_come_in_descending_order() -> None:
    spectrum = decompose(torch.diag(torch.tensor([1.0, 5.0, 0.0, 3.0])).double())
    assert spectrum.values.tolist() == pytest.approx([5, 3, 1, 0], abs=1e-12)
    assert spectrum.principal(9).tolist() == [True, True, True, False]
    assert spectrum.principal(2).tolist() == [True, True, False, False]
    assert spectrum.change is None


@pytest.mark.parametrize(
    ("diagonal", "components"),
    [((4.0, 3.0, 2.0, 1.0), 4), ((3.0, 3.0, 3.0, 1.0), 4), ((3.0, 3.0, 1.0, 1.0), 2)],
)
def test_the_gradient_is_right_where_eigenvalues_coincide(
    diagonal: tuple[float, ...], components: int
) -> None:
    """Against central differences along random symmetric directions, whatever the multiplicity."""
    basis = torch.linalg.qr(symmetric(1, 4)).Q
    matrix = basis @ torch.diag(torch.tensor(diagonal).double()) @ basis.mT
    towards = symmetric(2, 4)

    def score(matrix: Tensor) -> Tensor:
        return (inverse(matrix, components) * towards).sum()

    gradient = torch.autograd.grad(score(matrix.requires_grad_()), matrix)[0]
    for seed in range(3, 6):
        along = symmetric(seed, 4)
        expected = float(difference(score, matrix.detach(), along))
        assert float((gradient * along).sum()) == pytest.approx(expected, abs=1e-7)


def test_a_function_that_cuts_through_equal_eigenvalues_has_a_finite_gradient() -> None:
    matrix = torch.eye(4).double().requires_grad_()
    gradient = torch.autograd.grad(inverse(matrix, 2).square().sum(), matrix)[0]
    assert gradient.isfinite().all()


def test_a_matrix_that_is_not_finite_gives_nan_and_zero_gives_zero() -> None:
    broken = torch.eye(3).double()
    broken[1, 2] = torch.inf
    assert inverse(broken, 3).isnan().all()
    assert not inverse(torch.zeros(3, 3).double(), 3).any()
    many = vmap(lambda a: inverse(a, 3))(torch.stack([torch.eye(3).double(), broken]))
    assert torch.equal(many[0], torch.eye(3).double())
    assert many[1].isnan().all()


SHORT: dict[str, list[dict[str, Any]]] = {
    "spectral-kv": [{}, {"components": 2}, {"ridge": "auto"}, {"window": 3}],
    "spectral-kv-joint": [{}, {"components": 3}, {"components": 11}, {"readout": "projection"}],
    "spectral-kv-strict": [{}, {"components": 5}, {"components": 3}, {"ridge": 0.25}],
}


@pytest.mark.parametrize(("name", "params"), [(n, p) for n in ALL for p in SHORT[n]])
def test_gradients_reach_keys_and_values_of_fewer_events_than_dimensions(
    name: str, params: dict[str, Any]
) -> None:
    """Four events in R^6 leave moments with equal zero eigenvalues; lane by lane, by differences.

    The last key is the first again, and changes with it: the rank is three before and after. A
    window has no such pair, and a fit by patterns needs as many of them as the rank: there only
    the values change.
    """
    memory = build(name, key_norm="none", **params).double()
    drawn = torch.randn(2, 4, 11, generator=generator(1), dtype=torch.float64)
    drawn[:, 3, :6] = drawn[:, 0, :6]
    values_alone = "window" in params or "readout" in params
    if values_alone:
        drawn[:, 3, :6] += 1
    queries = torch.randn(5, 6, generator=generator(2), dtype=torch.float64)

    def score(events: Tensor) -> Tensor:
        start = memory.init_state()
        middle = memory.write(start, events[:2, :6], events[:2, 6:])
        state = memory.write(middle, events[2:, :6], events[2:, 6:])
        return memory.read(state, queries).square().sum()

    gradients = vmap(grad(score))(drawn)
    for lane in range(2):
        alone = drawn[lane].clone().requires_grad_()
        own = torch.autograd.grad(score(alone), alone)[0]
        torch.testing.assert_close(gradients[lane], own, rtol=1e-9, atol=1e-9)
        along = torch.randn(4, 11, generator=generator(3), dtype=torch.float64)
        along[:, :6] *= not values_alone
        along[3, :6] = along[0, :6]
        expected = float(difference(score, drawn[lane], along))
        assert float((own * along).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-6)
