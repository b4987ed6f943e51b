"""The delta rule: exactness, forgetting, chunks and passes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from memories.matrix.recurrence import delta_updates
from tests.memories import theory
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.reference import delta as loop


def recall(keys: Tensor, values: Tensor, queries: Tensor, **params: object) -> Tensor:
    memory = build("delta", key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    memory = memory.to(keys.dtype)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_chunks_of_any_size_equal_the_loop(chunk: int, strength: float) -> None:
    """150 events: several chunks and a torn one; 1e-10 is float64 rounding of 150 steps."""
    keys, values = events(1, 150, dtype=torch.float64)
    queries = events(2, 20, dtype=torch.float64)[0]
    expected = loop.recall(keys, values, queries, write_strength=strength)
    recalled = recall(keys, values, queries, write_strength=strength, chunk=chunk)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", [1, 5, 200])
@pytest.mark.parametrize(
    "phi",
    [{}, {"phi": "rff", "features": 32}, {"phi": "randproj", "features": 4}, {"phi": "taylor2"}],
)
def test_the_newest_event_is_recalled_exactly(n: int, phi: dict[str, object]) -> None:
    keys, values = events(3, n, key_dim=8)
    recalled = recall(keys, values, keys[-1:], **phi)
    torch.testing.assert_close(recalled, values[-1:], rtol=0, atol=2e-5)


def test_orthonormal_keys_are_recalled_exactly_up_to_their_number() -> None:
    keys, values = orthonormal(1, 64, 64), unit_rows(2, 64, 20)
    torch.testing.assert_close(recall(keys, values, keys), values, rtol=0, atol=1e-5)


def test_rewriting_a_key_replaces_its_value() -> None:
    keys, values = orthonormal(1, 32, 64), unit_rows(2, 64, 20)
    recalled = recall(torch.cat([keys, keys]), values, keys)
    torch.testing.assert_close(recalled, values[32:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("times", [1, 2, 5])
def test_repeating_an_event_shrinks_its_error_geometrically(times: int) -> None:
    """Residual (1 - strength)^j."""
    key, value = unit_rows(1, 1, 8), unit_rows(2, 1, 3)
    recalled = recall(key.repeat(times, 1), value.repeat(times, 1), key, write_strength=0.3)
    torch.testing.assert_close(value - recalled, 0.7**times * value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lag", [0, 16, 64, 128])
def test_random_keys_are_forgotten_at_rate_one_over_d(lag: int) -> None:
    """E[r.v] = (1 - 1/D)^L; seven neighbouring lags, 30 draws, within 0.05."""
    around = [at for at in range(lag - 3, lag + 4) if at >= 0]
    signals = []
    for draw in range(30):
        keys, values = unit_rows(draw, 200, 64), unit_rows(500 + draw, 200, 64)
        asked = [199 - at for at in around]
        recalled = recall(keys, values, keys[asked])
        signals.append(float((recalled * values[asked]).sum(-1).mean()))
    expected = [theory.delta_signal(at, 64) for at in around]
    assert sum(signals) / 30 == pytest.approx(sum(expected) / len(expected), abs=0.05)


@pytest.mark.parametrize(("n", "signal"), [(64, 0.635), (256, 0.246)])
def test_the_mean_signal_over_all_items_is_the_geometric_sum(n: int, signal: float) -> None:
    """(D/N)(1 - (1 - 1/D)^N) at D = 64; 30 draws, standard error below 0.005."""
    signals = []
    for draw in range(30):
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        signals.append(float((recall(keys, values, keys) * values).sum(-1).mean()))
    expected = sum(theory.delta_signal(lag, 64) for lag in range(n)) / n
    assert expected == pytest.approx(signal, abs=1e-3)
    assert sum(signals) / 30 == pytest.approx(expected, abs=0.02)


def test_errors_follow_the_recursion_of_the_norms() -> None:
    """D = N = 64: error 1 + E|r|^2 - 2 E[r.v] averages 0.598; 30 draws within 0.02."""
    n = 64
    signal = torch.tensor([theory.delta_signal(n - 1 - i, 64) for i in range(n)])
    energy = torch.from_numpy(theory.delta_energies(n, 64))
    expected = float((1 + energy - 2 * signal).mean())
    errors = []
    for draw in range(30):
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        errors.append(float(((recall(keys, values, keys) - values) ** 2).sum(-1).mean()))
    assert expected == pytest.approx(0.598, abs=1e-3)
    assert sum(errors) / 30 == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("n", [16, 64, 256])
def test_the_norm_of_the_weights_saturates_at_the_dimension(n: int) -> None:
    """E|W_N|^2 = D (1 - (1 - 1/D)^N): 14.3, 40.6 and 62.9 at D = 64; 20 draws within 3 %."""
    norms = []
    for draw in range(20):
        memory = build("delta", key_dim=64, value_dim=64)
        keys, values = unit_rows(draw, n, 64), unit_rows(500 + draw, n, 64)
        state = memory.write(memory.init_state(), keys, values)
        norms.append(float(state["fast_weights"].square().sum()))
    assert sum(norms) / 20 == pytest.approx(64 * (1 - (1 - 1 / 64) ** n), rel=0.03)


@pytest.mark.parametrize("lag", [16, 64, 128])
def test_in_the_steady_state_reads_have_length_one_and_turn_away_by_age(lag: int) -> None:
    """After 500 events, D = 64: E|r|^2 = 1, so cosine (1 - 1/D)^L and error 2 (1 - e^(-L/D)).

    Seven neighbouring lags of 30 draws: standard errors near .01 for cosines, twice for errors.
    """
    asked = [499 - at for at in range(lag - 3, lag + 4)]
    totals = torch.zeros(3)
    for draw in range(30):
        keys, values = unit_rows(draw, 500, 64), unit_rows(500 + draw, 500, 64)
        recalled, wanted = recall(keys, values, keys[asked]), values[asked]
        cosine = torch.cosine_similarity(recalled, wanted, dim=-1).mean()
        energy, error = recalled.square().sum(-1), (recalled - wanted).square().sum(-1)
        totals += torch.stack([energy.mean(), cosine, error.mean()]) / 30
    assert float(totals[0]) == pytest.approx(1, abs=0.05)
    assert float(totals[1]) == pytest.approx(theory.delta_signal(lag, 64), abs=0.03)
    assert float(totals[2]) == pytest.approx(2 * (1 - math.exp(-lag / 64)), abs=0.05)


def test_overwriting_random_keys_beats_the_linear_associator() -> None:
    """16 keys written twice, D = 64: cosine 0.895 to the new value against 0.636."""
    cosines = []
    for draw in range(60):
        keys, values = unit_rows(draw, 16, 64), unit_rows(500 + draw, 32, 64)
        recalled = recall(torch.cat([keys, keys]), values, keys)
        cosines.append(float(torch.cosine_similarity(recalled, values[16:], dim=-1).mean()))
    assert sum(cosines) / 60 == pytest.approx(0.895, abs=0.02)


def test_passes_converge_to_the_pseudo_inverse_whatever_the_chunk() -> None:
    """32 random keys, D = 64: the residual of all events vanishes, also over several chunks.

    Its root mean square after one pass follows the recursion of the norms: .541. The slowest
    direction, which passes shrink at a rate of their own in each draw, decides later: a factor of
    10 (draws from .01 to .06 measured) and of 1e5 (between 1e-9 and 4e-4) further down.
    """
    residuals = {}
    for passes in (1, 10, 50):
        squares = []
        for draw in range(20):
            keys, values = (unit_rows(s + draw, 32, 64).double() for s in (1, 101))
            recalled = [recall(keys, values, keys, passes=passes, chunk=chunk) for chunk in (64, 5)]
            torch.testing.assert_close(recalled[0], recalled[1], rtol=0, atol=1e-10)
            squares.append((recalled[0] - values).square().sum(-1).mean())
        residuals[passes] = float(torch.stack(squares).log().mean().exp().sqrt())
    signal = torch.tensor([theory.delta_signal(lag, 64) for lag in range(31, -1, -1)])
    energy = torch.from_numpy(theory.delta_energies(32, 64))
    expected = math.sqrt(float((1 + energy - 2 * signal).mean()))
    assert expected == pytest.approx(0.541, abs=1e-3)
    assert residuals[1] == pytest.approx(expected, abs=0.02)
    assert residuals[10] == pytest.approx(0.03, rel=0.4)
    assert 5e-7 < residuals[50] < 2e-5
    keys, values = unit_rows(1, 32, 64).double(), unit_rows(101, 32, 64).double()
    queries = unit_rows(3, 5, 64).double()
    exact = queries @ torch.linalg.pinv(keys) @ values
    recalled = recall(keys, values, queries, passes=400)
    torch.testing.assert_close(recalled, exact, rtol=0, atol=1e-6)


def test_a_zero_key_writes_nothing() -> None:
    keys, values = events(4, 6)
    memory = build("delta")
    state = memory.write(memory.init_state(), keys, values)
    after = memory.write(state, torch.zeros(1, 6), torch.ones(1, 5))
    assert torch.equal(after["fast_weights"], state["fast_weights"])


def test_the_update_ignores_what_comes_later_in_the_chunk() -> None:
    """The triangular system reads nothing above its diagonal: NaN in event 5 leaves 0..4 alone."""
    keys, values = events(5, 8)
    weights, strength = torch.zeros(6, 5), torch.tensor(1.0)
    clean = delta_updates(weights, keys, values, strength)
    values = values.clone()
    values[5] = torch.nan
    spoilt = delta_updates(weights, keys, values, strength)
    assert torch.equal(spoilt[:5], clean[:5])
    assert spoilt[5].isnan().all()
