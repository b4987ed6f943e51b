"""Components of data kernels against the T x T matrix, scikit-learn and numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.spectral.data_kernel import Conventions, spectrum_of_rows
from memories.spectral.eigen import leading, leading_of_rows
from tests.memories.spectral.rows import drawn, generator, same_up_to_sign
from tests.reference import spectral as reference

UNSCALED = Conventions("empirical", scale=False)
CROSS = torch.tensor([[1.0, 0], [-1, 0], [0, 2], [0, -2]], dtype=torch.float64)


def test_the_components_of_a_cross_are_its_arms() -> None:
    """Sums of squares 2 and 8 over 4 rows: lambda = (2, .5); C_k = sqrt(T lambda_k) w_k."""
    spectrum = spectrum_of_rows(CROSS, 2, UNSCALED)
    assert spectrum.eigenvalues.tolist() == pytest.approx([2, 0.5], abs=1e-12)
    expected = torch.tensor([[0, 8**0.5], [2**0.5, 0]], dtype=torch.float64)
    torch.testing.assert_close(spectrum.components, expected, rtol=0, atol=1e-12)
    scaled = spectrum_of_rows(CROSS, 2, Conventions()).components
    arms = torch.tensor([[0.0, 4], [1, 0]], dtype=torch.float64)
    torch.testing.assert_close(scaled, arms, rtol=0, atol=1e-11)


def test_the_cosine_patterns_of_three_rows() -> None:
    """Two rows share a direction: sigma^2 = (2, 1); P_1 = (1 + 3) / sqrt(2) along it, P_2 = 2."""
    rows = torch.tensor([[2.0, 0], [0, 1], [0, 3]], dtype=torch.float64)
    spectrum = spectrum_of_rows(rows, 2, Conventions("cosine", scale=False))
    assert spectrum.eigenvalues.tolist() == pytest.approx([2, 1], abs=1e-12)
    expected = torch.tensor([[0, 4 / 2**0.5], [2, 0]], dtype=torch.float64)
    torch.testing.assert_close(spectrum.components, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [300, 20])
@pytest.mark.parametrize("kernel", ["empirical", "unscaled", "cosine", "linear"])
def test_the_small_matrix_gives_what_the_t_by_t_matrix_gives(kernel: str, n: int) -> None:
    """Up to sign, 1e-9 of the largest entry; with 20 rows the other route is taken."""
    rows = drawn(1, n, 32, offset=0.5)
    if kernel in ("empirical", "unscaled"):
        scale = kernel == "empirical"
        values, components = reference.empirical(rows.numpy(), 8, scale=scale)
        seen = spectrum_of_rows(rows, 8, Conventions("empirical", scale=scale))
    else:
        values, components = getattr(reference, kernel)(rows.numpy(), 8)
        seen = spectrum_of_rows(rows, 8, Conventions(kernel, scale=False))
    np.testing.assert_allclose(seen.eigenvalues.numpy(), values, rtol=1e-9)
    assert same_up_to_sign(seen.components, components) < 1e-9


@pytest.mark.parametrize("n", [300, 20])
def test_scaled_components_are_principal_components_of_features(n: int) -> None:
    """sqrt(T) lambda_k w_k with signs by largest entry, against scikit-learn to 1e-9."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows = drawn(2, n, 32, offset=2.0)
    principal = decomposition.PCA(n_components=8, svd_solver="full").fit(rows.numpy())
    values = principal.explained_variance_ * (n - 1) / n  # scikit-learn divides by T - 1
    seen = spectrum_of_rows(rows, 8, Conventions())
    expected = np.sqrt(n) * values[:, None] * principal.components_
    scale = np.abs(expected).max()
    np.testing.assert_allclose(seen.components.numpy(), expected, rtol=0, atol=1e-9 * scale)


def test_signs_follow_the_feature_rule_of_scikit_learn() -> None:
    extmath = pytest.importorskip("sklearn.utils.extmath")
    basis = torch.linalg.qr(torch.randn(12, 12, generator=generator(3))).Q.double()
    from memories.spectral.signs import oriented

    _, expected = extmath.svd_flip(None, basis.numpy().copy(), u_based_decision=False)
    assert np.array_equal(oriented(basis, "maxabs").numpy(), expected)


def test_a_row_with_two_largest_entries_follows_the_first() -> None:
    from memories.spectral.signs import oriented

    rows = torch.tensor([[-0.5, 0.5, 0.1], [0.5, -0.5, 0.1]])
    assert torch.equal(oriented(rows, "maxabs"), torch.stack([-rows[0], rows[1]]))


def test_aligned_signs_go_on_from_the_previous_basis() -> None:
    from memories.spectral.signs import oriented

    basis = torch.linalg.qr(torch.randn(5, 5, generator=generator(4))).Q
    assert torch.equal(oriented(-basis, "align", basis), basis)
    first = oriented(basis, "align", torch.zeros_like(basis))
    assert torch.equal(first, oriented(basis, "maxabs"))
    assert torch.equal(oriented(basis, "raw"), basis)
    with pytest.raises(ValueError, match="needs the basis to align with"):
        oriented(basis, "align")


def test_a_constant_added_to_every_row_changes_nothing() -> None:
    rows = drawn(5, 60, 6)
    first = spectrum_of_rows(rows, 4, Conventions()).components
    moved = spectrum_of_rows(rows + 7.0, 4, Conventions()).components
    torch.testing.assert_close(moved, first, rtol=0, atol=1e-9 * float(first.abs().max()))


@pytest.mark.parametrize("kernel", ["empirical", "cosine", "linear"])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), n=st.integers(5, 30))
def test_the_order_of_rows_does_not_matter(kernel: str, seed: int, n: int) -> None:
    rows = drawn(seed, n, 6)
    order = torch.randperm(n, generator=generator(seed))
    conventions = Conventions(kernel, scale=False)
    first = spectrum_of_rows(rows, 3, conventions).components
    second = spectrum_of_rows(rows[order], 3, conventions).components
    assert same_up_to_sign(second, first) < 1e-7  # vectors of close eigenvalues feel rounding


@pytest.mark.parametrize("width", [4, 12])
def test_patterns_beyond_the_rank_are_exactly_zero(width: int) -> None:
    """Five rows span four directions about their mean."""
    spectrum = spectrum_of_rows(drawn(6, 5, width), 8, Conventions())
    for part in spectrum:
        assert part is not None
        assert bool((part[4:] == 0).all())
    assert bool((spectrum.components[:4] != 0).any(1).all())


def test_both_routes_agree_on_values_and_directions() -> None:
    rows = drawn(7, 9, 9)
    values, basis = leading(rows.mT @ rows, 6)
    others, directions = leading_of_rows(rows, 6)
    torch.testing.assert_close(others, values, rtol=1e-10, atol=0)
    assert same_up_to_sign(directions, basis) < 1e-9


def test_a_matrix_that_is_not_finite_leaves_the_others_alone() -> None:
    good = drawn(8, 30, 5)
    good = good.mT @ good
    bad = good.clone()
    bad[1, 2] = torch.nan
    values, basis = leading(torch.stack([bad, good]), 3)
    assert bool(values[0].isnan().all())
    assert bool(basis[0].isnan().all())
    alone = leading(good, 3)
    torch.testing.assert_close(values[1], alone[0])
    torch.testing.assert_close(basis[1], alone[1])


@pytest.mark.parametrize(
    ("normalise", "norms"),
    [
        ("none", [4.0, 1.0]),
        ("sqrt-t", [2.0, 0.5]),
        ("whiten", [1.0, 1.0]),
        ("lam1", [1.0, 0.25]),
    ],
)
def test_what_components_are_divided_by(normalise: str, norms: list[float]) -> None:
    """T = 4 and lambda = (2, .5), so that sqrt(T) lambda_k = (4, 1)."""
    conventions = Conventions(normalise=normalise)
    components = spectrum_of_rows(CROSS, 2, conventions).components
    assert components.norm(dim=1).tolist() == pytest.approx(norms, abs=1e-11)
