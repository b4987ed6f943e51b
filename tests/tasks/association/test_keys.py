"""Keys and queries with the similarities they promise."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from tasks.association.keys import (
    at_cosine,
    correlated_keys,
    draw_keys,
    noisy,
    orthogonal_to,
    orthonormal_keys,
    unit_keys,
)

ROUNDING = 1e-6
"""A few units of float32's rounding, 6e-8, over sums of up to 256 products."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dim", [2, 3, 64, 256])
def test_keys_have_length_one(dim):
    norms = unit_keys(generator(), 100, dim).norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(100), rtol=0, atol=ROUNDING)


def test_keys_are_uniform_on_the_sphere():
    """E(k k')^2 = 1/D between two keys: 1/64 within 5 standard errors of 124,750 pairs.

    The square of a cosine has standard deviation sqrt(2)/D here: 5 sqrt(2) / 64 / 353 = 3e-4.
    """
    keys = unit_keys(generator(1), 500, 64)
    cosines = (keys @ keys.T)[*torch.triu_indices(500, 500, offset=1)]
    assert cosines.square().mean().item() == pytest.approx(1 / 64, abs=3e-4)
    assert cosines.mean().item() == pytest.approx(0, abs=5 / 8 / 353)


@pytest.mark.parametrize("dim", [2, 16, 256])
@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.8, 0.9, 0.99, 1.0])
def test_a_partner_has_exactly_the_cosine_asked_for(dim, cosine):
    keys = unit_keys(generator(2), 50, dim)
    beside = orthogonal_to(generator(3), keys)
    partner = at_cosine(keys, beside, cosine)
    assert (keys * beside).sum(-1).abs().max() < ROUNDING
    torch.testing.assert_close(
        (keys * partner).sum(-1), torch.full((50,), cosine), rtol=0, atol=ROUNDING
    )
    torch.testing.assert_close(partner.norm(dim=-1), torch.ones(50), rtol=0, atol=ROUNDING)


def test_at_cosine_one_the_partner_is_the_key_itself():
    keys = unit_keys(generator(2), 9, 16)
    assert torch.equal(at_cosine(keys, orthogonal_to(generator(3), keys), 1.0), keys)


@pytest.mark.parametrize("cosine", [0.3, 0.6])
def test_correlated_keys_have_about_the_expected_cosine(cosine):
    """At D = 1024 the cross terms shrink to 1/32: the mean over pairs and ten means is within .01.

    k = sqrt(c) mu + sqrt(1-c) u with mu, u nearly orthogonal: k.k' = c + O(1/sqrt D).
    """
    means = []
    for seed in range(10):
        keys = correlated_keys(generator(seed), 60, 1024, cosine)
        pairs = cosine_similarity(keys[:, None], keys[None], dim=-1)
        means.append(pairs[*torch.triu_indices(60, 60, offset=1)].mean())
    assert torch.stack(means).mean().item() == pytest.approx(cosine, abs=0.01)
    torch.testing.assert_close(keys.norm(dim=-1), torch.ones(60), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    "make",
    [
        lambda g: unit_keys(g, 5, 8),
        lambda g: correlated_keys(g, 5, 8, 0.3),
        lambda g: orthogonal_to(g, torch.eye(8)[:5]),
    ],
)
def test_the_same_generator_draws_the_same_keys_and_another_does_not(make):
    assert torch.equal(make(generator(7)), make(generator(7)))
    assert not torch.equal(make(generator(7)), make(generator(8)))


@pytest.mark.parametrize("n", [1, 5, 16])
def test_orthonormal_keys_are_at_right_angles(n):
    keys = orthonormal_keys(generator(), n, 16)
    torch.testing.assert_close(keys @ keys.T, torch.eye(n), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("kind", ["unit", "gauss", "orthonormal", "correlated"])
def test_keys_of_a_kind_have_its_length_and_its_similarity(kind):
    """Only Gaussian keys have another length, sqrt(D) within a few times 1/sqrt 2."""
    keys = draw_keys(kind, generator(4), 40, 256, 0.3)
    norms = keys.norm(dim=-1)
    if kind == "gauss":
        assert (norms - 16).abs().max() < 3.5
    else:
        torch.testing.assert_close(norms, torch.ones(40), rtol=0, atol=ROUNDING)
    pairs = cosine_similarity(keys[:, None], keys[None], dim=-1)
    off = pairs[*torch.triu_indices(40, 40, offset=1)]
    expected = {"correlated": 0.3}.get(kind, 0.0)
    assert off.mean().item() == pytest.approx(expected, abs=0.05)
    assert (off.abs().max() < ROUNDING) == (kind == "orthonormal")


@pytest.mark.parametrize("kind", ["unit", "gauss"])
@pytest.mark.parametrize("noise", [0.1, 0.2, 0.5, 1.0])
def test_a_noisy_query_has_the_cosine_that_its_noise_stands_for(kind, noise):
    """cos(k, k + s n) averages 1/sqrt(1 + s^2) at D = 1024, within .005: 50 keys whose cosines
    vary by about s/sqrt(D) = .03 at most.
    """
    keys = draw_keys(kind, generator(5), 50, 1024, 0.0)
    queries = noisy(generator(6), keys, noise)
    seen = cosine_similarity(keys, queries, dim=-1).mean().item()
    assert seen == pytest.approx((1 + noise**2) ** -0.5, abs=0.005)
    torch.testing.assert_close(queries.norm(dim=-1), keys.norm(dim=-1), rtol=1e-5, atol=0)


def test_queries_without_noise_are_the_keys():
    keys = unit_keys(generator(), 3, 8)
    assert torch.equal(noisy(generator(1), keys, 0.0), keys)
