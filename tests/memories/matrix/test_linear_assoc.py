"""The linear associator against its closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from tests.memories import theory
from tests.memories.case import build, generator, orthonormal, unit_rows


def recall(keys: Tensor, values: Tensor, queries: Tensor, **params: float) -> Tensor:
    memory = build("linear-assoc", key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def mean_cosine(recalled: Tensor, values: Tensor) -> float:
    return float(torch.cosine_similarity(recalled, values, dim=-1).mean())


@pytest.mark.parametrize("n", [16, 64, 128, 256])
def test_random_keys_leak_the_expected_energy_and_cosine(n: int) -> None:
    """E|r - v|^2 = (N-1)/D exactly; cosine 1/sqrt(1 + (N-1)/D) within 0.02; D = V = 64.

    The energy of one draw has a relative spread below 0.1; 40 draws leave 0.016, tested at 0.05.
    """
    energies, cosines = [], []
    for draw in range(40):
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        recalled = recall(keys, values, keys)
        energies.append(float(((recalled - values) ** 2).sum(-1).mean()))
        cosines.append(mean_cosine(recalled, values))
    assert sum(energies) / 40 == pytest.approx(theory.linear_error_energy(n, 64), rel=0.05)
    assert sum(cosines) / 40 == pytest.approx(theory.linear_cosine(n, 64), abs=0.02)


def test_a_noisy_query_scales_the_signal_and_not_the_leak() -> None:
    """Query cosine 0.8, N = 64: 0.8 / sqrt(0.64 + 63/64) = 0.628."""
    cosines = []
    for draw in range(20):
        keys, values = unit_rows(draw, 64, 64), unit_rows(500 + draw, 64, 64)
        noise = unit_rows(900 + draw, 64, 64)
        noise = noise - (noise * keys).sum(-1, keepdim=True) * keys
        queries = 0.8 * keys + 0.6 * noise / noise.norm(dim=-1, keepdim=True)
        cosines.append(mean_cosine(recall(keys, values, queries), values))
    assert theory.linear_cosine(64, 64, 0.8) == pytest.approx(0.628, abs=5e-4)
    assert sum(cosines) / 20 == pytest.approx(0.628, abs=0.02)


@pytest.mark.parametrize("lag", [0, 50, 100])
def test_decay_gives_the_expected_profile(lag: int) -> None:
    """D = 64, N = 400, decay 0.98; nine neighbouring lags of 40 draws, standard error < 0.01."""
    cosines = []
    around = [at for at in range(lag - 4, lag + 5) if at >= 0]
    for draw in range(40):
        keys, values = unit_rows(draw, 400, 64), unit_rows(500 + draw, 400, 64)
        events = [399 - at for at in around]
        cosines.append(mean_cosine(recall(keys, values, keys[events], decay=0.98), values[events]))
    expected = [theory.linear_decay_cosine(at, 400, 64, 0.98) for at in around]
    assert sum(cosines) / 40 == pytest.approx(sum(expected) / len(expected), abs=0.02)


def test_orthonormal_keys_are_recalled_exactly() -> None:
    keys, values = orthonormal(1, 64, 64), unit_rows(2, 64, 20)
    torch.testing.assert_close(recall(keys, values, keys), values, rtol=0, atol=1e-5)


def test_two_values_on_one_key_add_up() -> None:
    """Orthonormal values u, w: the read is u + w, at cosine 1/sqrt 2 to the newer."""
    keys, values = orthonormal(1, 32, 64), orthonormal(2, 64, 64)
    recalled = recall(torch.cat([keys, keys]), values, keys)
    torch.testing.assert_close(recalled, values[:32] + values[32:], rtol=0, atol=1e-5)
    assert mean_cosine(recalled, values[32:]) == pytest.approx(2**-0.5, abs=1e-5)


def test_overwriting_random_keys_costs_what_theory_says() -> None:
    """16 keys written twice: 1/sqrt(2 + 30/64) = 0.636."""
    cosines = []
    for draw in range(60):
        keys, values = unit_rows(draw, 16, 64), unit_rows(500 + draw, 32, 64)
        recalled = recall(torch.cat([keys, keys]), values, keys)
        cosines.append(mean_cosine(recalled, values[16:]))
    assert theory.linear_overwrite_cosine(16, 64) == pytest.approx(0.636, abs=5e-4)
    assert sum(cosines) / 60 == pytest.approx(0.636, abs=0.02)


@pytest.mark.parametrize("phi", ["relu", "dpfp", "taylor2"])
def test_a_normalised_read_is_a_weighted_mean_of_the_values(phi: str) -> None:
    """Equal values come back as they are, and no read leaves the range of the values."""
    params = {"phi": phi, "normalise": True} | ({"features": 40} if phi == "relu" else {})
    memory = build("linear-assoc", key_dim=8, value_dim=3, **params)
    keys = unit_rows(3, 30, 8)
    values = torch.rand(30, 3, generator=generator(4))
    state = memory.write(memory.init_state(), keys, values)
    recalled = memory.read(state, keys)
    assert (recalled <= values.amax(0) + 1e-5).all()
    assert (recalled >= values.amin(0) - 1e-5).all()
    same = memory.write(memory.init_state(), keys, torch.full((30, 3), 0.7))
    torch.testing.assert_close(memory.read(same, keys), torch.full((30, 3), 0.7), rtol=0, atol=1e-5)


@pytest.mark.parametrize("phi", ["identity", "rff", "randproj"])
def test_normalising_by_matches_of_either_sign_is_refused(phi: str) -> None:
    width = {} if phi == "identity" else {"features": 4}
    with pytest.raises(InvalidParameter, match="never negative") as caught:
        build("linear-assoc", phi=phi, normalise=True, **width)
    assert caught.value.parameter == "normalise"


def test_a_normaliser_is_part_of_the_budget() -> None:
    cls = type(build("linear-assoc"))
    assert cls.from_budget(650, 12, 64, phi="relu")["features"] == 10
    assert cls.from_budget(649, 12, 64, phi="relu", normalise=True)["features"] == 9
