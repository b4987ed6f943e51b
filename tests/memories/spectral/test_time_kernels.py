"""Temporal filters: closed form, tables and published units against dense solvers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memories.spectral import time_kernel
from memories.spectral.kms import kms_eigenpairs
from memories.spectral.toeplitz import toeplitz_eigenpairs
from tests.memories.spectral.rows import build, drawn
from tests.reference import spectral as reference


def number(x: float) -> Tensor:
    return torch.tensor(float(x), dtype=torch.float64)


def closed_form(n: int, decay: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    positions = torch.arange(1, n + 1, dtype=torch.float64)
    values, vectors = kms_eigenpairs(number(n), number(decay), positions, k)
    return values.numpy(), vectors.numpy()


def dense(row: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = reference.leading(scipy.linalg.toeplitz(row), k)
    return values, vectors * np.where(vectors[:, :1] < 0, -1, 1)


def test_three_steps_that_halve() -> None:
    """[[1,.5,.25],[.5,1,.5],[.25,.5,1]]: (1, 0, -1) has 1 - .25; the rest solve
    x^2 - 2.25 x + .75 = 0, so (2.25 +- sqrt(2.0625)) / 2."""
    values, vectors = closed_form(3, math.log(2), 3)
    root = math.sqrt(2.0625)
    assert values.tolist() == pytest.approx([(2.25 + root) / 2, 0.75, (2.25 - root) / 2], abs=1e-12)
    assert vectors[1].tolist() == pytest.approx([0.5**0.5, 0, -(0.5**0.5)], abs=1e-12)
    assert vectors[2].tolist()[0] > 0


@settings(max_examples=25, deadline=None, derandomize=True)
@given(n=st.integers(1, 60), tau=st.floats(0.05, 5000))
def test_the_closed_form_is_what_a_dense_solver_finds(n: int, tau: float) -> None:
    """All eigenpairs of any size and time constant; the eigenvalues add up to the trace."""
    values, vectors = closed_form(n, 1 / tau, n)
    matrix = scipy.linalg.toeplitz(np.exp(-np.arange(n) / tau))
    np.testing.assert_allclose(values, scipy.linalg.eigvalsh(matrix)[::-1], rtol=1e-9, atol=1e-11)
    assert values.sum() == pytest.approx(n, rel=1e-10)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(n), atol=1e-8)
    np.testing.assert_allclose(matrix @ vectors.T, vectors.T * values, atol=1e-9 * n)
    assert bool((vectors[:, 0] > 0).all())


@pytest.mark.parametrize("n", [1, 2, 3, 16, 264, 3000])
@pytest.mark.parametrize("ratio", [1e-9, 1e-3, 0.1, 1.0, 30.0, 1e4, 1e9])
def test_the_roots_are_where_the_equation_vanishes(n: int, ratio: float) -> None:
    """sin((T+1) x) - 2 rho sin(T x) + rho^2 sin((T-1) x) = 0 for x from the eigenvalue.

    x comes back from lambda through 4 rho sin^2(x / 2) = (1 - rho^2) / lambda - (1 - rho)^2. The
    left side changes sign within 1e-6 of a spacing around it, and nowhere else in the interval.
    """
    from mpmath import cos, exp, mp, mpf, pi, sin

    mp.dps = 40
    decay = mpf(1) / (mpf(ratio) * n)
    k = min(n, 5)
    values, _ = closed_form(n, float(decay), k)
    rho = exp(-mpf(float(decay)))
    for order in range(1, k + 1):
        low, high = mpf(order - 1) * pi / (n + 1), mpf(order) * pi / (n + 1)
        for _ in range(110):
            middle = (low + high) / 2
            left = sin((n + 1) * middle) - 2 * rho * sin(n * middle)
            left += rho**2 * sin((n - 1) * middle)
            low, high = (middle, high) if left * (-1) ** order < 0 else (low, middle)
        expected = (1 - rho**2) / (1 - 2 * rho * cos(low) + rho**2)
        assert values[order - 1] == pytest.approx(float(expected), rel=1e-9)


def test_the_closed_form_at_200_rows_and_a_constant_of_64() -> None:
    values, vectors = closed_form(200, 1 / 64, 16)
    expected, basis = dense(np.exp(-np.arange(200) / 64), 16)
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    np.testing.assert_allclose(vectors, basis, atol=1e-9)


def test_the_closed_form_holds_for_a_different_length_in_every_lane() -> None:
    lengths = torch.tensor([3.0, 7.0, 20.0], dtype=torch.float64)
    positions = torch.arange(1, 21, dtype=torch.float64)
    values, vectors = torch.func.vmap(lambda n: kms_eigenpairs(n, number(0.3), positions, 5))(
        lengths
    )
    for lane, n in enumerate([3, 7, 20]):
        alone, basis = closed_form(n, 0.3, min(5, n))
        np.testing.assert_allclose(values[lane, : len(alone)], alone, rtol=1e-12)
        np.testing.assert_allclose(vectors[lane, : len(alone), :n], basis, atol=1e-12)
        assert bool((values[lane, n:] == 0).all())
        assert bool((vectors[lane, :, n:] == 0).all())


@pytest.mark.parametrize("n", [2, 3, 16, 17])
@pytest.mark.parametrize("kernel", ["exp", "gauss", "matern"])
def test_halving_a_toeplitz_matrix_keeps_its_eigenpairs(kernel: str, n: int) -> None:
    distance = torch.arange(n, dtype=torch.float64) / 2.5
    row = time_kernel.profile(kernel, distance)
    values, vectors = toeplitz_eigenpairs(row, n)
    matrix = scipy.linalg.toeplitz(row.numpy())
    np.testing.assert_allclose(values, scipy.linalg.eigvalsh(matrix)[::-1].clip(0), atol=1e-12)
    np.testing.assert_allclose(matrix @ vectors.numpy().T, vectors.T * values, atol=1e-12)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(n), atol=1e-12)


def test_the_units_of_the_first_version_make_the_kernel_the_identity() -> None:
    """exp(-4096 / 96) = 2.9e-19, where in steps neighbours correlate at exp(-1 / 96) = .98964."""
    tau, n = number(96), number(4096)
    wrong = time_kernel.neighbour_distance("v1-bug", tau, n)
    assert float(time_kernel.profile("exp", wrong)) < 1e-18
    right = time_kernel.neighbour_distance("steps", tau, n)
    assert float(time_kernel.profile("exp", right)) == pytest.approx(0.98964, abs=5e-6)
    ages = torch.arange(4096)
    values, _ = time_kernel.exponential_basis(ages, n, tau, "v1-bug", 16)
    np.testing.assert_allclose(values, 1 + 1e-6, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 40])
def test_the_published_time_kernel_by_its_entries(n: int) -> None:
    """A memory that holds n rows in a window of 50, against the loop over pairs of rows."""
    memory = build("spectral-v4-kernel", 6, components=4, window=50, tau=12.0)
    rows = drawn(1, n, 6)
    state = memory.write(memory.init_state(), rows)
    values, components = reference.exponential_v4(rows.numpy(), 4, 12.0)
    np.testing.assert_allclose(state["eigenvalues"], values, rtol=1e-9)
    np.testing.assert_allclose(state["components"], components, atol=1e-8)  # 1e-12 in tau


@pytest.mark.parametrize("kernel", ["exp", "gauss", "matern"])
def test_a_full_window_is_filtered_exactly_wherever_it_starts_in_the_ring(kernel: str) -> None:
    memory = build(
        "spectral-readme", 6, kernel=kernel, components=4, window=20, tau=3.0, centre=True
    )
    rows = drawn(2, 33, 6)
    state = memory.init_state()
    for block in rows.split(5):
        state = memory.write(state, block)
    profile = time_kernel.profile(kernel, torch.arange(20, dtype=torch.float64) / 3)
    values, phi = dense(profile.numpy(), 4)
    newest = rows[-20:].numpy()
    np.testing.assert_allclose(state["eigenvalues"], values, rtol=1e-9)
    np.testing.assert_allclose(state["components"], phi @ (newest - newest.mean(0)), atol=1e-8)


def test_a_tabulated_filter_sees_a_young_memory_as_its_mean_before() -> None:
    """The approximation that is documented: zeros after centring stand before the first row."""
    memory = build(
        "spectral-readme", 6, kernel="matern", components=4, window=20, tau=3.0, centre=True
    )
    rows = drawn(3, 12, 6)
    state = memory.write(memory.init_state(), rows)
    profile = time_kernel.profile("matern", torch.arange(20, dtype=torch.float64) / 3)
    _, phi = dense(profile.numpy(), 4)
    padded = np.zeros((20, 6))
    padded[8:] = rows.numpy() - rows.numpy().mean(0)
    np.testing.assert_allclose(state["components"], phi @ padded, atol=1e-9)


@pytest.mark.parametrize("n", [9, 27])
def test_irregular_times_agree_with_the_tridiagonal_inverse(n: int) -> None:
    """A Markov kernel has a tridiagonal inverse, whose smallest eigenpairs scipy finds in O(T)."""
    memory = build("spectral-readme", 5, components=4, window=16, tau=2.0, irregular=True)
    gaps = torch.rand(n, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    times, rows = (gaps + 0.1).cumsum(0), drawn(5, n, 5)
    state = memory.init_state()
    for block, at in zip(rows.split(4), times.split(4), strict=True):
        state = memory.write(state, block, at)
    kept = slice(max(0, n - 16), n)
    values, phi = reference.markov_eigenpairs(times[kept].numpy(), 2.0, 4)
    np.testing.assert_allclose(state["eigenvalues"], values, rtol=1e-9)
    np.testing.assert_allclose(state["components"], phi @ rows[kept].numpy(), atol=1e-8)


def test_irregular_times_that_are_equal_steps_are_the_closed_form() -> None:
    regular = build("spectral-readme", 5, components=4, window=10, tau=2.0)
    irregular = build("spectral-readme", 5, components=4, window=10, tau=2.0, irregular=True)
    rows = drawn(6, 7, 5)
    first = regular.write(regular.init_state(), rows)
    second = irregular.write(irregular.init_state(), rows, torch.arange(7.0))
    torch.testing.assert_close(second["components"], first["components"], rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="must be given with every row"):
        irregular.write(irregular.init_state(), rows)


def test_filters_depend_on_the_order_of_rows() -> None:
    memory = build("spectral-v4-kernel", 5, components=4, window=30)
    rows = drawn(7, 20, 5)
    forward = memory.write(memory.init_state(), rows)["components"]
    backward = memory.write(memory.init_state(), rows.flip(0))["components"]
    assert same_scale(forward, backward) > 0.1


@pytest.mark.parametrize("n", [6, 25])
def test_rows_are_recalled_by_their_age_as_the_filters_keep_them(n: int) -> None:
    """As many filters as rows keep all of them; fewer give the projection on the filters."""
    rows, ages = drawn(8, n, 5), torch.tensor([0, 2, 5, 30, -1])
    held = min(n, 10)
    for k in (10, 4):
        memory = build("spectral-readme", 5, components=k, window=10, tau=2.0)
        state = memory.write(memory.init_state(), rows)
        recalled = memory.recalled(state, ages)
        _, phi = dense(np.exp(-np.arange(held) / 2.0), k)
        projected = phi.T @ phi @ rows[-held:].numpy()
        np.testing.assert_allclose(recalled[:3], projected[[-1, -3, -6]], atol=1e-9)
        if k >= held:
            np.testing.assert_allclose(recalled[:3], rows[[-1, -3, -6]], atol=1e-9)
        assert bool((recalled[3:] == 0).all())
    with pytest.raises(NotImplementedError, match="knows no times"):
        build(width=5).recalled(build(width=5).init_state(), ages)


def same_scale(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max())
