"""Principal-component regression: leverages, capacity, interference, noise, windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from bench.lanes import Lanes
from memories.base import InvalidParameter, Memory, state_floats
from tests.memories.case import build, generator, orthonormal
from tests.memories.spectral.kv import ALL, PCR, directions, recall, relative_error, written


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("n", "components"), [(1, 1), (5, 5), (16, 16), (9, 14)])
def test_independent_keys_up_to_k_are_recalled_exactly(name: str, n: int, components: int) -> None:
    """N <= min(K, D), D = 16: the projector on N directions of N keys is the identity.

    1e-6 holds in float64; the joint form adds 1e-10 of the largest eigenvalue to the small ones.
    """
    keys, values = directions(1, n, 16), directions(2, n, 16)
    recalled = recall(name, keys, values, keys, components=components)
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_orthonormal_keys_are_recalled_exactly_in_float32(name: str) -> None:
    """Condition one: only the rounding of keys and values is left, a few 1e-7."""
    keys, values = orthonormal(1, 20, 32), directions(2, 20, 12).float()
    recalled = recall(name, keys, values, keys)
    assert recalled.dtype == torch.float32
    torch.testing.assert_close(recalled, values, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("others", [0, 3])
def test_a_key_written_twice_recalls_the_mean_of_its_values(name: str, others: int) -> None:
    """(v1 + v2)/2: least squares weighs both events alike, whatever is stored on other keys."""
    keys, values = directions(1, 1 + others, 8), directions(2, 2 + others, 8)
    events = torch.cat([keys, keys[:1]])
    recalled = recall(name, events, values, keys[:1])
    torch.testing.assert_close(recalled[0], (values[0] + values[-1]) / 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("at_once", [True, False])
def test_forgetting_tilts_the_mean_to_the_newer_value(name: str, at_once: bool) -> None:
    """Weights 1/2 and 1 give (v1/2 + v2)/1.5: forgetting acts on second moments in every form."""
    key, values = directions(1, 1, 8).expand(2, -1), directions(2, 2, 8)
    memory, state = written(
        name, key[: 2 if at_once else 1], values[: 2 if at_once else 1], decay=0.5
    )
    if not at_once:
        state = memory.write(state, key[1:], values[1:])
    expected = (0.5 * values[0] + values[1]) / 1.5
    torch.testing.assert_close(memory.read(state, key[:1])[0], expected, rtol=0, atol=1e-6)


def test_counts_weigh_the_values_of_a_repeated_key() -> None:
    """Three times v1 and once v2: (3 v1 + v2)/4."""
    key, values = directions(1, 1, 8).expand(4, -1), directions(2, 2, 8)[[0, 0, 1, 0]]
    recalled = recall(PCR, key, values, key[:1])[0]
    torch.testing.assert_close(recalled, (3 * values[0] + values[2]) / 4, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "dim", "components"), [(40, 12, 12), (40, 12, 5), (9, 12, 12), (9, 12, 4)]
)
def test_leverages_sum_to_the_number_of_directions(n: int, dim: int, components: int) -> None:
    """One-hot values: recall is the projector P itself, of rank r = min(K, rank X).

    Its trace is r, so the mean of its diagonal is r/N exactly; P P = P makes |v^_i|^2 = P_ii.
    """
    keys = directions(1, n, dim)
    projector = recall(PCR, keys, torch.eye(n, dtype=torch.float64), keys, components=components)
    rank = min(n, dim, components)
    assert float(projector.diagonal().mean()) == pytest.approx(rank / n, abs=1e-6)
    assert float(projector.diagonal().sum()) == pytest.approx(rank, abs=1e-6)
    torch.testing.assert_close(projector.square().sum(1), projector.diagonal(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "components", "error", "cosine", "within"),
    [(256, 64, 0.75, 0.50, 0.01), (64, 32, 0.50, math.sqrt(0.5), 0.02)],
)
def test_random_values_come_back_with_the_energy_of_the_projector(
    n: int, components: int, error: float, cosine: float, within: float
) -> None:
    """Error 1 - r/N, cosine about sqrt(r/N), at D = V = 64; the mean of 20 draws."""
    errors, cosines = [], []
    for draw in range(20):
        keys, values = directions(draw, n, 64), directions(100 + draw, n, 64)
        recalled = recall(PCR, keys, values, keys, components=components)
        errors.append(relative_error(recalled, values))
        cosines.append(float(torch.cosine_similarity(recalled, values).mean()))
    assert np.mean(errors) == pytest.approx(error, abs=within)
    assert np.mean(cosines) == pytest.approx(cosine, abs=0.02)


def decoding(n: int, components: int, value_dim: int) -> float:
    """Probability that a stored value is the nearest of all N to what its key recalls.

    The right score is N(rho, s^2) and the N - 1 others N(0, n^2), with rho = r/N,
    s^2 = rho (1 - rho)/V and n^2 = rho (1 - rho)(1/V + 1/N); for random unit values.
    """
    rho = components / n
    spread = math.sqrt(rho * (1 - rho) / value_dim)
    noise = math.sqrt(rho * (1 - rho) * (1 / value_dim + 1 / n))

    def density(x: float) -> float:
        return float(norm.pdf(x) * norm.cdf((rho + spread * x) / noise) ** (n - 1))

    return float(quad(density, -8, 8)[0])


@pytest.mark.parametrize(
    ("n", "dim", "components", "value_dim"),
    [(128, 64, 64, 64), (256, 64, 64, 64), (256, 64, 32, 64), (512, 64, 64, 64), (128, 32, 32, 32)],
)
def test_decoding_follows_the_gaussian_formula_within_its_error(
    n: int, dim: int, components: int, value_dim: int
) -> None:
    """Good to about 0.08 at V >= 32; it takes all leverages to be equal. 8 draws."""
    hits = []
    for draw in range(8):
        keys, values = directions(draw, n, dim), directions(100 + draw, n, value_dim)
        scores = recall(PCR, keys, values, keys, components=components) @ values.mT
        hits.append(float((scores.argmax(1) == torch.arange(n)).double().mean()))
    assert np.mean(hits) == pytest.approx(decoding(n, components, value_dim), abs=0.08)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(n=st.integers(1, 40), dim=st.integers(1, 12), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_recall_is_the_projection_of_the_values_by_numpy(
    n: int, dim: int, share: float, seed: int
) -> None:
    """U_K U_K^T V from numpy's singular value decomposition of the keys; generic keys, float64."""
    rng = np.random.default_rng(seed)
    keys, values = rng.standard_normal((n, dim)), rng.standard_normal((n, 7))
    components = 1 + round(share * (dim - 1))
    u, s, _ = np.linalg.svd(keys, full_matrices=False)
    kept = u[:, : int(np.sum(s[:components] > 1e-5 * s[0]))]
    recalled = recall(
        PCR, *map(torch.from_numpy, (keys, values, keys)), components=components, key_norm="none"
    )
    # the square of a condition of up to 1e4 costs eight of sixteen digits
    np.testing.assert_allclose(recalled.numpy(), kept @ (kept.T @ values), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_with_every_direction_it_is_least_squares(name: str) -> None:
    """N > D generic keys, K = D; the joint form with K = D + V, where sigma^2 goes to zero."""
    keys, values, queries = directions(1, 90, 20), directions(2, 90, 7), directions(3, 11, 20)
    expected = queries @ torch.linalg.lstsq(keys, values).solution
    params = {"components": 27} if name == "spectral-kv-joint" else {}
    recalled = recall(name, keys, values, queries, **params)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("components", "ridge"), [(64, 0.0), (24, 0.0), (64, 0.5), (24, 0.5)])
def test_noise_in_a_query_adds_what_the_small_eigenvalues_let_through(
    components: int, ridge: float
) -> None:
    """sigma^2 sum_(k <= K) |B q_k|^2 / (l_k + ridge)^2, the mean over 4,000 noisy queries, 5 %."""
    keys, values, sigma = directions(1, 128, 64), directions(2, 128, 32), 0.2
    levels, vectors = torch.linalg.eigh(keys.mT @ keys)
    top = levels.argsort(descending=True)[:components]
    through = (vectors[:, top].mT @ keys.mT @ values).square().sum(1)
    expected = sigma**2 * float((through / (levels[top] + ridge) ** 2).sum())
    query = keys[:1].expand(4000, -1)
    noise = torch.randn(4000, 64, generator=generator(4), dtype=torch.float64)
    params = {"components": components, "ridge": ridge, "key_norm": "none"}
    clean, noisy = (recall(PCR, keys, values, q, **params) for q in (query, query + sigma * noise))
    assert float((noisy - clean).square().sum(1).mean()) == pytest.approx(expected, rel=0.05)


def test_fewer_components_damp_the_noise_that_all_of_them_amplify() -> None:
    """60 keys in 64 dimensions: the weakest of their directions are 1e-3 of the strongest."""
    keys, values = directions(1, 60, 64), directions(2, 60, 32)
    noise = 0.1 * torch.randn(60, 64, generator=generator(3), dtype=torch.float64)
    every, some = (
        relative_error(recall(PCR, keys, values, keys + noise, components=k), values)
        for k in (64, 40)
    )
    assert some < 0.7 < 1 < every


@pytest.mark.parametrize("name", [PCR, "spectral-kv-strict"])
def test_an_automatic_ridge_is_a_thousandth_of_the_mean_eigenvalue(name: str) -> None:
    """Unit keys have trace N: the mean over all D = 16 is N/16, zeros included."""
    keys, values = directions(1, 24, 16), directions(2, 24, 5)
    automatic, given_ = (
        recall(name, keys, values, keys, ridge=ridge) for ridge in ("auto", 1e-3 * 24 / 16)
    )
    # the given ridge is kept in single precision
    torch.testing.assert_close(automatic, given_, rtol=0, atol=1e-7)
    assert (automatic - recall(name, keys, values, keys)).abs().max() > 1e-4


@pytest.mark.parametrize("name", [PCR, "spectral-kv-joint"])
def test_a_window_recalls_as_if_only_its_events_had_been_written(name: str) -> None:
    keys, values = directions(1, 30, 16), directions(2, 30, 5)
    memory, state = written(name, keys, values, window=8, decay=0.9375)
    alone = recall(name, keys[-8:], values[-8:], keys, decay=0.9375)
    torch.testing.assert_close(memory.read(state, keys), alone, rtol=0, atol=1e-9)
    assert memory.slot_state == ("keys", "values")
    assert state_floats(memory.double().init_state()) == 2 * 8 * (16 + 5)


def test_what_left_the_window_is_known_by_its_likeness_to_newer_keys_alone() -> None:
    """Orthonormal keys have none: the old ones recall zero, the new ones all."""
    keys, values = orthonormal(1, 12, 16).double(), directions(2, 12, 5)
    recalled = recall(PCR, keys, values, keys, window=5)
    # orthonormal in single precision
    torch.testing.assert_close(recalled[:7], torch.zeros(7, 5).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(recalled[7:], values[7:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("components", [16, 6])
def test_order_and_blocks_do_not_matter(components: int) -> None:
    """Sums commute; two orders round differently by 1e-16 of the sum."""
    keys, values, queries = directions(1, 40, 16), directions(2, 40, 5), directions(3, 9, 16)
    memory, whole = written(PCR, keys, values, components=components)
    order = torch.randperm(40, generator=generator(4))
    state = memory.init_state()
    for part in order.split(7):
        state = memory.write(state, keys[part], values[part])
    torch.testing.assert_close(
        memory.read(state, queries), memory.read(whole, queries), rtol=0, atol=1e-10
    )


def test_familiarity_is_the_share_of_a_query_within_the_directions() -> None:
    """Three of six orthonormal keys stored: 1 within, 0 across, 3/5 for a 3-4-5 mixture."""
    basis, values = torch.eye(6, dtype=torch.float64), directions(2, 3, 5)
    queries = torch.cat([basis, 3 * basis[:1] + 4 * basis[5:], 0 * basis[:1]])
    memory, state = written(PCR, basis[:3], values)
    info = memory.read_info(state, queries)
    expected = torch.tensor([1, 1, 1, 0, 0, 0, 0.6, 0]).double()
    torch.testing.assert_close(info["familiarity"], expected, rtol=0, atol=1e-7)
    assert torch.equal(info["values"], memory.read(state, queries))
    empty = memory.read_info(memory.init_state(), queries)
    assert not empty["familiarity"].any()
    ridged, state = written(PCR, basis[:3], values, ridge=0.25)
    known = ridged.read_info(state, queries)["familiarity"]
    assert float(known[0]) == pytest.approx(math.sqrt(1 / 1.25), abs=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_familiarity_tells_stored_keys_from_new_ones(name: str) -> None:
    keys = directions(1, 12, 64)
    memory, state = written(name, keys, directions(2, 12, 8))
    known = memory.read_info(state, keys)["familiarity"]
    strange = memory.read_info(state, directions(3, 50, 64))["familiarity"]
    assert known.min() > 0.999
    assert strange.max() < 0.75


def reinstated(**params: object) -> float:
    """Relative error of the values of ten keys in each of two contexts."""
    keys, values = directions(1, 10, 16).repeat(2, 1), directions(2, 20, 1000)
    contexts = torch.eye(4, dtype=torch.float64)[[0] * 10 + [1] * 10]
    memory = build(PCR, key_dim=16, value_dim=1000, context_dim=4, **params).double()
    state = memory.write(memory.init_state(), keys, values, None, contexts)
    return relative_error(memory.read(state, keys, None, contexts), values)


def test_a_context_is_added_to_a_key_and_takes_a_feature_map_to_be_bound_to_it() -> None:
    """Linear in [k; c], 20 events have rank 10 + 2 - 1: an error of 1 - 11/20.

    Random features have rank 20. 1,000 dimensions leave the energy a deviation of 0.01.
    """
    assert reinstated() == pytest.approx(1 - 11 / 20, abs=0.03)
    assert reinstated(phi="rff", features=256, length_scale=1.0) < 1e-6


def test_contexts_left_out_are_zeros_and_their_width_is_checked() -> None:
    keys, values = directions(1, 9, 8), directions(2, 9, 5)
    memory = build(PCR, key_dim=8, value_dim=5, context_dim=3).double()
    plain = memory.write(memory.init_state(), keys, values)
    zeros = memory.write(memory.init_state(), keys, values, None, torch.zeros(9, 3).double())
    assert torch.equal(plain["gram"], zeros["gram"])
    assert memory.init_state()["gram"].shape == (11, 11)
    with pytest.raises(InvalidParameter, match="is 3, but contexts of width 4 were given"):
        memory.write(memory.init_state(), keys, values, None, torch.zeros(9, 4))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ALL)
def test_a_lane_that_is_not_finite_stays_so_alone(name: str, bad: float) -> None:
    """An eigensolver raises for all lanes; here the others are bit-equal to their clean run."""
    lanes = Lanes([build(name, seed, key_norm="none") for seed in range(3)])
    keys, values = (torch.stack([directions(s, 9, d).float() for s in range(3)]) for d in (6, 5))
    broken = keys.clone()
    broken[1, 4, 2] = bad
    clean, reads = (
        lanes.read(lanes.write(lanes.init_state(), x, values), keys) for x in (keys, broken)
    )
    assert reads[1].isnan().all()
    assert torch.equal(reads[[0, 2]], clean[[0, 2]])
    after = lanes.write(lanes.write(lanes.init_state(), broken, values), keys, values)
    assert lanes.read(after, keys)[1].isnan().all()


def words(memory: Memory) -> float:
    return state_floats(memory.init_state())


def test_a_budget_counts_float64_twice() -> None:
    """2 m^2 + 2 m V <= B at V = 64: all 64 dimensions fit into 16,384 floats exactly."""
    cls = type(build(PCR))
    assert cls.from_budget(16384, 64, 64) == {"phi": "identity"}
    assert words(build(PCR, key_dim=64, value_dim=64)) == 16384
    assert cls.from_budget(16383, 64, 64) == {"phi": "randproj", "features": 63}
    assert cls.from_budget(4096, 64, 64) == {"phi": "randproj", "features": 23}
    assert cls.from_budget(65536, 64, 64) == {"phi": "rff", "features": 150}
    assert cls.from_budget(16384, 64, 64, context_dim=8)["features"] == 64
    assert cls.from_budget(4096, 64, 64, window=1) == {"window": 32}
    with pytest.raises(InvalidParameter, match="leaves room for 0 features"):
        cls.from_budget(64, 64, 64)


def test_there_are_no_more_components_than_features() -> None:
    with pytest.raises(InvalidParameter, match=r"must be <= 6, .* got 7") as refused:
        build(PCR, components=7)
    assert refused.value.parameter == "components"
    assert build(PCR, components=7, phi="rff", features=8).components == 7


def test_rounding_of_a_long_stream_does_not_reach_a_read() -> None:
    """20,000 events, a call each, on five keys in 32 dimensions: rank five to the last digit."""
    keys, values = directions(1, 5, 32).float(), directions(2, 5, 8).float()
    memory, state = written(PCR, keys[:0], values[:0])
    order = torch.randint(5, (400, 50), generator=generator(3))
    for part in order:
        state = memory.write(state, keys[part], values[part])
    torch.testing.assert_close(memory.read(state, keys), values, rtol=0, atol=1e-5)
    strange = memory.read(state, directions(4, 200, 32).float())
    assert float(strange.norm(dim=1).max()) < 3
