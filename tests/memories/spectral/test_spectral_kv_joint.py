"""Patterns of keys and values together: the posterior read, its gain and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memories.base import InvalidParameter, state_floats
from tests.memories.case import build
from tests.memories.spectral.kv import JOINT, PCR, directions, recall, relative_error, written


def errors(name: str, n: int, components: int, **params: object) -> float:
    """Relative error at D = 64, V = 32, random unit keys and values; the mean of 20 draws."""
    drawn = [(directions(draw, n, 64), directions(100 + draw, n, 32)) for draw in range(20)]
    return float(
        np.mean(
            [
                relative_error(recall(name, k, v, k, components=components, **params), v)
                for k, v in drawn
            ]
        )
    )


def test_values_steer_the_patterns_and_more_of_them_comes_back() -> None:
    """N = 32 events, K = 16: 0.36 against 1 - K/N = 0.50 of the spectrum of keys alone."""
    assert errors(JOINT, 32, 16) == pytest.approx(0.36, abs=0.03)
    assert errors(PCR, 32, 16) == pytest.approx(0.50, abs=0.02)


@pytest.mark.parametrize(("n", "components"), [(24, 6), (32, 16), (48, 40)])
def test_the_error_lies_between_the_energy_beyond_the_patterns_and_that_of_keys_alone(
    n: int, components: int
) -> None:
    """Below D events, by 0.03 from either: patterns hold more than the read gets from keys alone.

    The energy beyond them is that of the eigenvalues of [k; v] after the K largest.
    """
    left = []
    for draw in range(20):
        joint = torch.cat([directions(draw, n, 64), directions(100 + draw, n, 32)], 1)
        energy = torch.linalg.svdvals(joint).square()
        left.append(float(energy[components:].sum() / energy.sum()))
    error = errors(JOINT, n, components)
    assert np.mean(left) + 0.03 < error < 1 - components / n - 0.03


@pytest.mark.parametrize("n", [128, 512])
def test_far_more_events_than_dimensions_gain_by_patterns_only_while_k_is_below_d(n: int) -> None:
    """At K = D keys alone leave 1 - D/N, and the noise that the model allows for costs more."""
    assert errors(JOINT, n, 32) < errors(PCR, n, 32) - 0.02
    every = errors(PCR, n, 64)
    assert every == pytest.approx(1 - 64 / n, abs=0.01)
    assert every + 0.003 < errors(JOINT, n, 64) < every + 0.06


def test_the_posterior_read_is_the_conditional_mean_of_probabilistic_pca() -> None:
    """The model covariance of scikit-learn's PCA, of the events and their negatives: no mean.

    v given x: C_vx C_xx^-1 x. PCA counts 2N - 1 where moments count: a factor that cancels.
    """
    decomposition = pytest.importorskip(
        "sklearn.decomposition", reason="compares with scikit-learn, which is not installed"
    )
    keys, values, queries = directions(1, 60, 10), directions(2, 60, 6), directions(3, 7, 10)
    scale = 0.5
    joint = torch.cat([keys, scale * values], 1)
    model = decomposition.PCA(n_components=5).fit(torch.cat([joint, -joint]).numpy())
    covariance = torch.from_numpy(model.get_covariance())
    weights = torch.linalg.solve(covariance[:10, :10], covariance[:10, 10:]) / scale
    recalled = recall(JOINT, keys, values, queries, components=5, value_scale=scale)
    torch.testing.assert_close(recalled, queries @ weights, rtol=0, atol=1e-9)


def test_every_pattern_makes_it_the_least_squares_of_keys_alone() -> None:
    """K = D + V, sigma^2 = 1e-10 of the largest eigenvalue: 1e-8 away at this condition."""
    keys, values, queries = directions(1, 90, 12), directions(2, 90, 7), directions(3, 9, 12)
    joint = recall(JOINT, keys, values, queries, components=19)
    torch.testing.assert_close(joint, recall(PCR, keys, values, queries), rtol=0, atol=1e-8)


def test_the_projection_read_explodes_where_the_posterior_read_does_not() -> None:
    """60 of 64 key directions: key parts of patterns are nearly dependent and noise is fitted.

    Beyond D patterns any query is fitted in full.
    """
    projection = errors(JOINT, 512, 60, readout="projection")
    assert projection > 3
    assert errors(JOINT, 512, 60) < 1
    keys, values = directions(1, 100, 16), directions(2, 100, 12)
    memory, state = written(JOINT, keys, values, components=20, readout="projection")
    known = memory.read_info(state, directions(3, 9, 16))["familiarity"]
    torch.testing.assert_close(known, torch.ones(9).double(), rtol=0, atol=1e-9)


def test_the_projection_read_fits_the_query_by_the_key_parts_of_the_patterns() -> None:
    """c = argmin |q - W_k c|^2 and v = W_v c / g, by numpy's least squares."""
    keys, values, queries = directions(1, 40, 10), directions(2, 40, 6), directions(3, 7, 10)
    scale = 2.0
    joint = torch.cat([keys, scale * values], 1).numpy()
    patterns = np.linalg.svd(joint, full_matrices=False)[2][:4]
    fitted = np.linalg.lstsq(patterns[:, :10].T, queries.numpy().T, rcond=None)[0]
    recalled = recall(
        JOINT, keys, values, queries, components=4, value_scale=scale, readout="projection"
    )
    np.testing.assert_allclose(recalled.numpy(), fitted.T @ patterns[:, 10:] / scale, atol=1e-9)


def test_a_budget_counts_the_moments_of_values_too() -> None:
    """2 (m + V)^2 <= B at V = 64: 26 features in 16,384 floats, none in 8,192."""
    cls = type(build(JOINT))
    assert cls.from_budget(16384, 64, 64) == {"phi": "randproj", "features": 26}
    assert cls.from_budget(32768, 64, 64) == {"phi": "identity"}
    memory = build(JOINT, key_dim=64, value_dim=64)
    assert state_floats(memory.init_state()) == 32768
    assert cls.from_budget(4096, 64, 64, window=1) == {"window": 32}
    with pytest.raises(InvalidParameter, match="leaves room for 0 features"):
        cls.from_budget(8192, 64, 64)


def test_there_are_no_more_patterns_than_dimensions() -> None:
    assert build(JOINT).components == 6
    assert build(JOINT, components=11).components == 11
    with pytest.raises(InvalidParameter, match=r"must be <= 11, .* got 12"):
        build(JOINT, components=12)
