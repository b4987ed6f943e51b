"""Factors of a few rows against the sums they stand for, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.spectral.low_rank import shrunk_factor
from memories.spectral.subspace import iterated
from tests.memories.spectral.rows import build, drawn, generator, same_up_to_sign


@pytest.mark.parametrize("kernel", ["empirical", "linear"])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, 15), min_size=1, max_size=5))
def test_a_factor_of_full_rank_is_exact_in_any_blocks(kernel: str, cuts: list[int]) -> None:
    params = {"kernel": kernel, "window": None, "components": 4, "normalise": "none"}
    exact = build(width=6, **params)
    factor = build(width=6, solver="incremental-svd", rank=6, **params)
    rows = drawn(sum(cuts), sum(cuts), 6, offset=2.0)
    first, second = exact.init_state(), factor.init_state()
    for block in rows.split(cuts):
        first, second = exact.write(first, block), factor.write(second, block)
    scale = float(first["eigenvalues"][0])
    torch.testing.assert_close(
        second["eigenvalues"], first["eigenvalues"], rtol=0, atol=1e-10 * scale
    )
    if kernel == "empirical":
        torch.testing.assert_close(second["mean"], rows.mean(0), rtol=0, atol=1e-12)
    outer, expected = (s["components"].mT @ s["components"] for s in (second, first))
    torch.testing.assert_close(outer, expected, rtol=0, atol=1e-8 * float(expected.abs().max()))


def test_a_truncated_factor_is_the_incremental_pca_of_scikit_learn() -> None:
    """Rank 5 of 12 directions in blocks of 10: the same truncation at the same moments."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows = drawn(1, 60, 12, offset=1.0)
    principal = decomposition.IncrementalPCA(n_components=5)
    memory = build(width=12, solver="incremental-svd", rank=5, window=None, components=5,
                   normalise="none", sign="maxabs")  # fmt: skip
    state = memory.init_state()
    for block in rows.split(10):
        principal.partial_fit(block.numpy())
        state = memory.write(state, block)
    np.testing.assert_allclose(state["eigenvalues"], principal.singular_values_**2 / 60, rtol=1e-9)
    np.testing.assert_allclose(state["mean"], principal.mean_, atol=1e-12)
    assert same_up_to_sign(state["basis"], principal.components_) < 1e-8


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), size=st.integers(3, 9), block=st.integers(1, 20))
def test_frequent_directions_keep_their_bound(seed: int, size: int, block: int) -> None:
    """|A^T A - B^T B| <= |A - A_k|_F^2 / (l - k) for every k < l, and B never exceeds A."""
    rows = drawn(seed, 50, 10)
    sketch = torch.zeros(size, 10, dtype=torch.float64)
    for part in rows.split(block):
        sketch = shrunk_factor(sketch, part)
    gap = torch.linalg.eigvalsh(rows.mT @ rows - sketch.mT @ sketch)
    tail = torch.linalg.svdvals(rows) ** 2
    assert float(gap[0]) >= -1e-9 * float(tail[0])
    for k in range(size):
        assert float(gap[-1]) <= float(tail[k:].sum()) / (size - k) * (1 + 1e-9)


def test_frequent_directions_lose_nothing_below_their_size() -> None:
    memory = build(solver="frequent-directions", kernel="linear", window=None, components=4, rank=8,
                   normalise="none", scale=False)  # fmt: skip
    rows = drawn(3, 4, 8)  # 4 rows span 4 of 8 directions: nothing is shrunk
    state = memory.write(memory.init_state(), rows)
    expected = torch.linalg.svdvals(rows) ** 2
    torch.testing.assert_close(state["eigenvalues"], expected, rtol=1e-9, atol=0)


def test_one_sweep_shrinks_the_error_by_the_ratio_of_eigenvalues() -> None:
    """diag(1, .1, .01), two directions from a start that mixes all three: the sine of the angle
    to the exact plane falls by a factor of lambda_3 / lambda_2 = .1 per sweep."""
    matrix = torch.diag(torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64))
    start = torch.linalg.qr(torch.randn(3, 2, generator=generator(4)).double()).Q.mT
    errors = [float(iterated(matrix, start, n)[1][:, 2].norm()) for n in (3, 4, 5)]
    assert errors[1] / errors[0] == pytest.approx(0.1, rel=0.05)
    assert errors[2] / errors[1] == pytest.approx(0.1, rel=0.05)
