"""Sparse distributed memory: shared locations, the noise they carry, and the bits it flips."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from tests.memories import theory
from tests.memories.case import build, events, generator, orthonormal, unit_rows


def signs(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(seed)).sign()


def recall(keys: Tensor, values: Tensor, queries: Tensor, seed: int = 0, **params: Any) -> Tensor:
    memory = build("sdm", seed, key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def active(memory: Any, keys: Tensor) -> Tensor:
    """z(k) [N, M] as what a write of each key alone hits."""
    empty = memory.init_state()
    blank = torch.zeros(1, memory.value_dim)
    return torch.stack([memory.write(empty, k[None], blank)["hits"] for k in keys])


@pytest.mark.parametrize(("dim", "square"), [(64, 0.665), (256, 0.574)])
def test_random_keys_share_as_many_locations_as_theory_says(dim: int, square: float) -> None:
    """k = 40 of 4,096: mean 0.39, mean square 0.665 and 0.574; 45,000 pairs, within 3 and 5 %."""
    memory = build("sdm", key_dim=dim, locations=4096, top_k=40)
    z = active(memory, unit_rows(1, 300, dim))
    assert torch.equal(z.sum(-1), torch.full((300,), 40.0))
    shared = (z @ z.mT)[~torch.eye(300, dtype=torch.bool)]
    mean, expected = theory.sdm_overlap(4096, 40, dim)
    assert expected == pytest.approx(square, abs=1e-3)
    assert float(shared.mean()) == pytest.approx(mean, rel=0.03)
    assert float(shared.square().mean()) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("dim", "cosine"), [(64, 0.9512), (256, 0.9574)])
def test_the_leak_of_other_events_gives_the_expected_cosine(dim: int, cosine: float) -> None:
    """1/sqrt(1 + (N-1) E2/k^2), N = 256, k = 40 of 4,096; three memories, within 0.01."""
    assert theory.sdm_cosine(256, 4096, 40, dim) == pytest.approx(cosine, abs=1e-3)
    cosines = []
    for draw in range(3):
        keys, values = unit_rows(1000 + draw, 256, dim), unit_rows(2000 + draw, 256, 64)
        recalled = recall(keys, values, keys, draw, locations=4096, top_k=40)
        cosines.append(float(torch.cosine_similarity(recalled, values, dim=-1).mean()))
    assert sum(cosines) / 3 == pytest.approx(cosine, abs=0.01)


def radius_share(key_dim: int, radius: int) -> float:
    return sum(comb(key_dim, i) for i in range(radius + 1)) / 2**key_dim


def test_within_a_radius_bits_flip_as_often_as_gaussian_noise_says() -> None:
    """T = 400 pairs of 1,000 and 100 bits, M = 2,000; a radius of 465 bits holds 1.45 % of them.

    3.3 % of 40,000 bits, all of an item's bits sharing its noise: four memories within 15 %.
    """
    share = radius_share(1000, 465)
    assert share == pytest.approx(0.0145, abs=2e-4)
    wrong = 0.0
    for draw in range(4):
        keys, values = signs(1000 + draw, 400, 1000), signs(2000 + draw, 400, 100)
        recalled = recall(keys, values, keys, draw, locations=2000, activation="radius", radius=465)
        wrong += float((recalled.sign() != values).double().mean()) / 4
    assert wrong == pytest.approx(theory.sdm_bit_error(400, 2000, share, 1000), rel=0.15)


def test_near_addresses_carry_near_data_when_keys_are_their_own_values() -> None:
    """Auto-association adds (T-1) M phi(tau)^2 / n = 2.9 to the signal p M = 52.5.

    n = 256 bits, M = 2,000, T = 100; a radius of 112 holds 2.6 %. Values independent of the keys
    add nothing. Four memories of 25,600 bits, standard error 0.0015, within 0.01.
    """
    share = radius_share(256, 112)
    extra = theory.sdm_near_data(100, share, 256)
    assert 2000 * share == pytest.approx(52.5, abs=0.1)
    assert 2000 * share * extra == pytest.approx(2.9, abs=0.05)
    signals = {"auto": 0.0, "hetero": 0.0}
    for draw in range(4):
        keys, others = signs(1000 + draw, 100, 256), signs(2000 + draw, 100, 256)
        for mode, values in (("auto", keys), ("hetero", others)):
            recalled = recall(
                keys, values, keys, draw, locations=2000, activation="radius", radius=112
            )
            signals[mode] += float((recalled * values).mean()) / 4
    assert signals["auto"] == pytest.approx(1 + extra, abs=0.01)
    assert signals["hetero"] == pytest.approx(1.0, abs=0.01)


def test_the_default_radius_is_the_smallest_that_holds_enough_locations() -> None:
    memory = build("sdm", key_dim=256, locations=2000, activation="radius")
    assert memory.top_k == 20
    assert radius_share(256, memory.radius) >= 0.01 > radius_share(256, memory.radius - 1)


@pytest.mark.parametrize(
    ("locations", "top_k"), [(63, 4), (252, 4), (400, 4), (450, 4), (1008, 10), (3, 3)]
)
def test_one_percent_of_the_locations_is_active_and_never_fewer_than_four(
    locations: int, top_k: int
) -> None:
    memory = build("sdm", locations=locations)
    assert memory.top_k == top_k
    z = active(memory, events(1, 10)[0])
    assert torch.equal(z.sum(-1), torch.full((10,), float(top_k)))
    torch.testing.assert_close(memory.addresses.norm(dim=-1), torch.ones(locations))


def test_a_single_event_is_recalled_exactly_and_its_length_does_not_matter() -> None:
    keys, values = events(1, 1)
    torch.testing.assert_close(recall(keys, values, 3 * keys), values, rtol=0, atol=1e-6)


def test_two_values_on_one_key_add_up_or_are_averaged() -> None:
    """Norm ``active`` sums like a matrix memory, ``hits`` divides by the number of writes."""
    keys, values = unit_rows(1, 1, 64), orthonormal(2, 2, 8)
    twice = keys.expand(2, -1)
    summed = recall(twice, values, keys)
    torch.testing.assert_close(summed, values.sum(0, keepdim=True), rtol=0, atol=1e-6)
    averaged = recall(twice, values, keys, norm="hits")
    torch.testing.assert_close(averaged, values.mean(0, keepdim=True), rtol=0, atol=1e-6)


def test_reads_divided_by_hits_stay_within_the_range_of_the_values() -> None:
    """Clustered keys, equal values: the value itself comes back wherever anything was written."""
    keys = unit_rows(1, 1, 16) + 0.05 * torch.randn(200, 16, generator=generator(2))
    values = torch.full((200, 3), 0.7)
    recalled = recall(keys, values, keys, norm="hits")
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-5)
    assert recall(keys, values, keys).min() > 5 * 0.7


@pytest.mark.parametrize(
    ("params", "parameter", "message"),
    [
        ({"locations": 5, "top_k": 6}, "top_k", "<= locations"),
        ({"radius": 2}, "radius", "not used"),
        ({"radius": 7, "activation": "radius"}, "radius", "<= key_dim"),
        ({"radius": 2, "top_k": 4, "activation": "radius"}, "top_k", "not used"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    params: dict[str, Any], parameter: str, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        build("sdm", **params)
    assert caught.value.parameter == parameter


def test_a_budget_counts_the_hits() -> None:
    """65 floats a location at V = 64."""
    cls = type(build("sdm"))
    assert cls.from_budget(4096, 64, 64) == {"locations": 63}
    assert cls.from_budget(16384, 64, 64) == {"locations": 252}
    with pytest.raises(InvalidParameter, match="must be >= 65"):
        cls.from_budget(64, 64, 64)
    with pytest.raises(InvalidParameter, match="must be >= 650"):
        cls.from_budget(649, 64, 64, top_k=10)
