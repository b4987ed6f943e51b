"""Least squares: exact below m keys, the cliff above, averages of what was written twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from memories.matrix import least_squares
from tests.memories import theory
from tests.memories.case import build, events, generator, orthonormal, unit_rows


def recall(keys: Tensor, values: Tensor, queries: Tensor, **params: Any) -> Tensor:
    memory = build("ridge-assoc", key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    memory = memory.to(keys.dtype)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def mean_cosine(recalled: Tensor, values: Tensor) -> float:
    return float(torch.cosine_similarity(recalled, values, dim=-1).mean())


@pytest.mark.parametrize("form", ["information", "covariance"])
def test_fewer_keys_than_dimensions_are_recalled_exactly(form: str) -> None:
    """N = D/2 = 32, ridge 1e-8, float64: the error is of the order of ridge / smallest eigenvalue.

    That eigenvalue is about (1 - sqrt(1/2))^2 = 0.086.
    """
    keys, values = unit_rows(1, 32, 64).double(), unit_rows(2, 32, 20).double()
    recalled = recall(keys, values, keys, ridge=1e-8, form=form)
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [96, 128, 256])
def test_above_d_keys_the_values_are_projected_on_a_space_of_rank_d(n: int) -> None:
    """Cosine sqrt(D/N), error energy 1 - D/N; 20 draws leave standard errors below 0.003."""
    cosines, energies = [], []
    for draw in range(20):
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        recalled = recall(keys, values, keys)
        cosines.append(mean_cosine(recalled, values))
        energies.append(float((recalled - values).square().sum(-1).mean()))
    assert sum(cosines) / 20 == pytest.approx(theory.pseudo_inverse_cosine(n, 64), abs=0.01)
    assert sum(energies) / 20 == pytest.approx(1 - 64 / n, abs=0.01)


@pytest.mark.parametrize(("n", "draws"), [(32, 40), (48, 60), (56, 300)])
def test_noise_in_the_queries_is_amplified_near_d_keys(n: int, draws: int) -> None:
    """sigma^2 N D / (D - N - 1): 0.165, 0.512, 1.280 at D = 64, sigma = 0.05; within 10 %.

    Keys have variance 1/D per coordinate and are not normalised; the smallest eigenvalues make the
    tail heavy, so more draws nearer to D.
    """
    total = 0.0
    for draw in range(draws):
        rng = generator(draw)
        keys = torch.randn(n, 64, generator=rng).double() / 8
        values, noise = unit_rows(5000 + draw, n, 8).double(), torch.randn(n, 64, generator=rng)
        recalled = recall(keys, values, keys + 0.05 * noise, key_norm="none", ridge=1e-10)
        total += float((recalled - values).square().sum(-1).mean())
    expected = theory.pseudo_inverse_noise(n, 64, 0.05)
    assert total / draws == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("n", [32, 128])
def test_a_ridge_shrinks_the_signal_by_the_expected_amount(n: int) -> None:
    """ridge = 1, D = 64: 0.438 and 0.293; 20 draws within 0.01."""
    signals = []
    for draw in range(20):
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        signals.append(float((recall(keys, values, keys, ridge=1.0) * values).sum(-1).mean()))
    assert sum(signals) / 20 == pytest.approx(theory.ridge_signal(n, 64, 1.0), abs=0.01)


@pytest.mark.parametrize("n", [3, 64, 150])
def test_both_forms_are_one_memory(n: int) -> None:
    """Without decay; 150 events are two blocks and a torn one of the covariance form."""
    keys, values = events(1, n, dtype=torch.float64)
    queries = events(2, 9, dtype=torch.float64)[0]
    forms = [recall(keys, values, queries, form=f) for f in ("information", "covariance")]
    torch.testing.assert_close(forms[0], forms[1], rtol=0, atol=1e-8)


def test_the_covariance_form_lets_its_ridge_decay() -> None:
    """It equals the information form whose ridge is ridge decay^N; 100 events, decay 31/32."""
    keys, values = events(1, 100, dtype=torch.float64)
    decay, ridge = 31 / 32, 0.5
    recursive = recall(keys, values, keys, form="covariance", ridge=ridge, decay=decay)
    # the scalar is stored in float32: decay^100 needs 11 of its digits at most
    faded = recall(keys, values, keys, ridge=ridge * decay**100, decay=decay)
    torch.testing.assert_close(recursive, faded, rtol=0, atol=1e-7)


def test_values_written_to_one_key_are_averaged() -> None:
    """Orthonormal keys and values: the mean of both, at cosine 1/sqrt 2 to the newer."""
    keys, values = orthonormal(1, 32, 64), orthonormal(2, 64, 64)
    recalled = recall(torch.cat([keys, keys]), values, keys)
    torch.testing.assert_close(recalled, (values[:32] + values[32:]) / 2, rtol=0, atol=1e-4)
    assert mean_cosine(recalled, values[32:]) == pytest.approx(2**-0.5, abs=1e-5)


def test_decay_tilts_the_average_to_the_newer_value() -> None:
    """(old decay^n + new) / (1 + decay^n), n = 32 keys in between; ridge 1e-8."""
    keys, values = orthonormal(1, 32, 64).double(), orthonormal(2, 64, 64).double()
    decay = 31 / 32
    recalled = recall(torch.cat([keys, keys]), values, keys, decay=decay, ridge=1e-8)
    expected = (decay**32 * values[:32] + values[32:]) / (1 + decay**32)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-6)


def test_a_feature_map_lifts_the_cliff() -> None:
    """128 keys in 64 dimensions: 256 random Fourier features hold them all."""
    keys, values = unit_rows(1, 128, 64), unit_rows(2, 128, 64)
    assert mean_cosine(recall(keys, values, keys), values) < 0.75
    assert mean_cosine(recall(keys, values, keys, phi="rff", features=256), values) > 0.99


def test_a_small_ridge_gives_the_least_squares_solution() -> None:
    keys, values = unit_rows(1, 100, 20).double(), unit_rows(2, 100, 7).double()
    queries = unit_rows(3, 11, 20).double()
    expected = queries @ torch.linalg.lstsq(keys, values).solution
    recalled = recall(keys, values, queries, ridge=1e-10, key_norm="none")
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("decay", [1.0, 0.9375])
def test_it_is_the_ridge_regression_of_scikit_learn(decay: float) -> None:
    """Decay weights the sample written L events ago by decay^L."""
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="compares with scikit-learn, which is not installed"
    )
    keys, values = unit_rows(1, 90, 20).double(), unit_rows(2, 90, 7).double()
    queries = unit_rows(3, 11, 20).double()
    model = linear_model.Ridge(fit_intercept=False, solver="cholesky", alpha=0.125)
    weights = decay ** torch.arange(89, -1, -1).double()
    model.fit(keys.numpy(), values.numpy(), sample_weight=weights.numpy())
    recalled = recall(keys, values, queries, ridge=0.125, decay=decay, key_norm="none")
    expected = torch.from_numpy(model.predict(queries.numpy()))
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_keys", [1, 8])
def test_rounding_of_a_long_stream_in_float32_does_not_reach_a_read(n_keys: int) -> None:
    """2,000 events, one by one, on few keys: rounding pushes eigenvalues of the sum below -1e-4.

    Only the raised ridge keeps the system definite. Rank one is recalled as the mean of its values,
    and a query across all keys finds hardly anything.
    """
    keys = unit_rows(1, n_keys, 64)[torch.arange(2000) % n_keys]
    values = unit_rows(2, 2000, 8)
    memory = build("ridge-assoc", key_dim=64, value_dim=8)
    state = memory.init_state()
    for k, v in zip(keys.split(1), values.split(1), strict=True):
        state = memory.write(state, k, v)
    assert float(torch.linalg.eigvalsh(state["gram"].double())[0]) < -1e-4
    means = torch.stack([values[i::n_keys].mean(0) for i in range(n_keys)])
    torch.testing.assert_close(memory.read(state, keys[:n_keys]), means, rtol=0, atol=2e-3)
    assert memory.read(state, unit_rows(3, 20, 64)).norm(dim=-1).max() < 0.2


def test_a_system_that_is_not_positive_definite_gives_nan_and_no_made_up_numbers() -> None:
    weights = least_squares.solve(
        -torch.eye(3), torch.ones(3, 2), torch.tensor(1e-4), torch.float64
    )
    assert weights.isnan().all()


@pytest.mark.parametrize(("solve_dtype", "digits"), [("float32", 1e-3), ("float64", 1e-5)])
def test_the_precision_of_the_solve_can_be_chosen(solve_dtype: str, digits: float) -> None:
    """60 of 64 dimensions: the condition number is about 1e3. The state stays float32."""
    keys, values = unit_rows(1, 60, 64), unit_rows(2, 60, 8)
    recalled = recall(keys, values, keys, solve_dtype=solve_dtype, ridge=1e-3)
    gram = (keys.mT @ keys).double() + float(torch.tensor(1e-3)) * torch.eye(64).double()
    exact = keys.double() @ torch.linalg.solve(gram, (keys.mT @ values).double())
    assert recalled.dtype == torch.float32
    assert float((recalled - exact).abs().max()) < digits


def test_a_budget_counts_both_matrices() -> None:
    """m^2 + m V <= B at V = 64: 39 features in 4,096 floats, all 64 dimensions in 8,192."""
    cls = type(build("ridge-assoc"))
    assert cls.from_budget(4096, 64, 64) == {"phi": "randproj", "features": 39}
    assert cls.from_budget(8192, 64, 64) == {"phi": "identity"}
    assert cls.from_budget(8191, 64, 64) == {"phi": "randproj", "features": 63}
    assert cls.from_budget(16384, 64, 64) == {"phi": "rff", "features": 98}
    with pytest.raises(InvalidParameter, match="leaves room for 0 features"):
        cls.from_budget(64, 64, 64)
