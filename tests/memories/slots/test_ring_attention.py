"""The modern Hopfield memory: exact weights, deterministic bounds, capacity, recency."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tests.memories import theory
from tests.memories.case import build, events, orthonormal, unit_rows


def written(memory: object, keys: torch.Tensor, values: torch.Tensor) -> object:
    return memory.write(memory.init_state(), keys, values)


@pytest.mark.parametrize(("beta", "n", "expected"), [(5.0, 64, 0.702005), (16.0, 64, None)])
def test_orthonormal_keys_get_the_exact_weight(beta: float, n: int, expected: float | None) -> None:
    """Every other key has similarity 0: e^beta / (e^beta + N - 1)."""
    memory = build("ring-attention", key_dim=64, beta=beta, capacity=n).double()
    keys = orthonormal(1, n, 64).double()
    weights = memory.read_info(written(memory, keys, keys[:, :5]), keys)["weights"].diagonal()
    exact = theory.softmax_weight_orthonormal(n, beta)
    torch.testing.assert_close(weights, torch.full_like(weights, exact), rtol=0, atol=1e-6)
    if expected is not None:
        assert exact == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("beta", [1.0, 4.0, 16.0, 64.0])
def test_every_item_keeps_the_bounds_of_its_separation(beta: float) -> None:
    """1 - p_i <= (N-1) e^(-beta Delta_i) and |r - v_i| <= 2 M_v (N-1) e^(-beta Delta_i).

    Delta_i is the gap between an item's own similarity and its best competitor's. The bounds hold
    without exception; 1e-12 is float64 rounding of the left sides.
    """
    memory = build("ring-attention", key_dim=64, beta=beta, capacity=200).double()
    keys = torch.randn(200, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    values = torch.randn(200, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    state = written(memory, keys, values)
    info = memory.read_info(state, keys)
    competitors = info["sim"].masked_fill(torch.eye(200, dtype=torch.bool), -torch.inf)
    gap = info["sim"].diagonal() - competitors.amax(-1)
    bound = 199 * torch.exp(-beta * gap)
    assert (1 - info["weights"].diagonal() <= bound + 1e-12).all()
    error = (memory.read(state, keys) - values).norm(dim=-1)
    assert (error <= 2 * values.norm(dim=-1).max() * bound + 1e-12).all()


@pytest.mark.parametrize("distance", [0.02, 0.1, 0.2])
def test_every_pattern_is_retrieved_within_the_bounds_of_ramsauer(distance: float) -> None:
    """Ramsauer et al. (2020), theorem 5, for patterns x_i of length M = 1 and a start xi near x_i.

    One step ends within 2M(N-1) e^(-beta(Delta_i - 2M max(|xi - x_i|, |x_i* - x_i|))) of x_i, and
    the fixed point x_i* within 2e M(N-1) e^(-beta Delta_i), wherever Delta_i is large enough for
    one, as it is for all 50 here. 1e-12 is float64 rounding of the left sides.
    """
    n, beta = 50, 32.0
    patterns = torch.nn.functional.normalize(unit_rows(1, n, 64).double(), dim=-1)
    starts = patterns + distance * torch.nn.functional.normalize(
        unit_rows(2, n, 64).double(), dim=-1
    )
    sizes = {"key_dim": 64, "value_dim": 64, "capacity": n, "beta": beta, "key_norm": "none"}
    once, settled = (build("ring-attention", **sizes, steps=steps).double() for steps in (1, 30))
    state = written(once, patterns, patterns)
    fixed = settled.read(state, starts)
    torch.testing.assert_close(once.read(state, fixed), fixed, rtol=0, atol=1e-12)
    others = (patterns @ patterns.mT).masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf)
    gap = 1 - others.amax(-1)
    assert (gap >= 2 / (beta * n) + math.log(2 * (n - 1) * n * beta) / beta).all()
    to_fixed = (fixed - patterns).norm(dim=-1)
    assert (to_fixed <= 2 * math.e * (n - 1) * torch.exp(-beta * gap) + 1e-12).all()
    away = torch.maximum((starts - patterns).norm(dim=-1), to_fixed)
    error = (once.read(state, starts) - patterns).norm(dim=-1)
    assert (error <= 2 * (n - 1) * torch.exp(-beta * (gap - 2 * away)) + 1e-12).all()


@pytest.mark.parametrize(
    ("n", "beta", "query_cosine", "tolerance"),
    [(1024, 8.0, 1.0, 0.02), (1024, 16.0, 1.0, 0.002), (512, 16.0, 0.8, 0.005)],
)
def test_random_keys_get_the_expected_weight(
    n: int, beta: float, query_cosine: float, tolerance: float
) -> None:
    """1/(1 + (N-1) e^(beta^2/2D - beta rho)), the mean over keys of e^(beta k.q) being Gaussian."""
    memory = build("ring-attention", key_dim=64, beta=beta, capacity=n)
    keys = unit_rows(1, n, 64)
    noise = unit_rows(2, n, 64)
    noise = noise - (noise * keys).sum(-1, keepdim=True) * keys
    noise = noise / noise.norm(dim=-1, keepdim=True)
    queries = query_cosine * keys + (1 - query_cosine**2) ** 0.5 * noise
    weights = memory.read_info(written(memory, keys, keys[:, :5]), queries)["weights"].diagonal()
    expected = theory.softmax_weight_random(n, 64, beta, query_cosine)
    assert float(weights.mean()) == pytest.approx(expected, abs=tolerance)


def test_one_step_is_scaled_dot_product_attention() -> None:
    memory = build("ring-attention", beta=3.0, capacity=20, key_norm="none").double()
    keys, values = events(1, 20, dtype=torch.float64)
    queries = events(2, 7, dtype=torch.float64)[0]
    expected = scaled_dot_product_attention(queries[None], keys[None], values[None], scale=3.0)[0]
    recalled = memory.read(written(memory, keys, values), queries)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-12)


def test_a_cold_softmax_is_the_nearest_neighbour() -> None:
    keys, values = events(3, 30)
    queries = events(4, 50)[0]
    cold, knn = build("ring-attention", beta=1e5, capacity=30), build("exact-knn")
    recalled = cold.read(written(cold, keys, values), queries)
    expected = knn.read(written(knn, keys, values), queries)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


def test_further_steps_separate_what_one_step_mixes() -> None:
    """On orthonormal keys the similarities are the coordinates, so that p <- softmax(beta p).

    From (0.8, 0.6, 0, ...) and beta = 8 the right key has weight 0.83, then 0.99.
    """
    keys = orthonormal(3, 8, 8)
    query = torch.zeros(8)
    query[:2] = torch.tensor([0.8, 0.6])
    expected, on_right_key = query, []
    for steps in (1, 2, 3):
        memory = build("ring-attention", key_dim=8, capacity=8, beta=8.0, steps=steps)
        state = written(memory, keys, keys[:, :5])
        weights = memory.read_info(state, (query @ keys)[None])["weights"][0]
        expected = (8 * expected).softmax(0)
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-5)
        on_right_key.append(float(weights[0]))
    assert on_right_key[0] == pytest.approx(0.83, abs=0.01)
    assert on_right_key[1] == pytest.approx(0.99, abs=0.01)


@pytest.mark.parametrize("lag", [0, 30, 31, 32, 50])
def test_the_last_events_are_kept_and_older_ones_are_gone(lag: int) -> None:
    """Capacity 32, orthonormal keys: exact up to lag 31 and without a trace from lag 32 on."""
    memory = build("ring-attention", key_dim=64, value_dim=64, capacity=32, beta=40.0)
    keys = orthonormal(1, 64, 64)
    recalled = memory.read(written(memory, keys, keys), keys[63 - lag][None])[0]
    overlap = float(recalled @ keys[63 - lag])
    assert overlap == pytest.approx(1.0 if lag < 32 else 0.0, abs=1e-5)


def test_a_key_written_twice_returns_the_mean_of_its_values() -> None:
    memory = build("ring-attention", key_dim=8, value_dim=1, beta=60.0, capacity=16)
    keys = orthonormal(2, 8, 8)
    values = torch.cat([torch.zeros(8, 1), torch.ones(8, 1)])
    recalled = memory.read(written(memory, torch.cat([keys, keys]), values), keys)
    torch.testing.assert_close(recalled, torch.full((8, 1), 0.5), rtol=0, atol=1e-5)


def test_recency_turns_the_mean_of_two_values_towards_the_newer() -> None:
    """Ages 0 and 8 at rate 0.5: odds e^4 to 1."""
    memory = build("ring-attention", key_dim=8, value_dim=1, beta=60.0, capacity=16, recency=0.5)
    keys = orthonormal(2, 8, 8)
    values = torch.cat([torch.zeros(8, 1), torch.ones(8, 1)])
    recalled = memory.read(written(memory, torch.cat([keys, keys]), values), keys)
    expected = 1 / (1 + torch.tensor(-4.0).exp())
    torch.testing.assert_close(recalled, expected.expand(8, 1), rtol=0, atol=1e-5)
