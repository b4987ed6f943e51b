"""Keys and queries with the similarities they promise."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from tasks.keys import at_cosine, correlated_keys, orthogonal_to, unit_keys

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
