"""Weights and medians of what was retrieved, with some of it not valid."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memories.slots import aggregation

T = torch.tensor(0.1)
KINDS = ("softmax", "weighted-mean", "max", "blend")
entries = st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), min_size=1, max_size=8)


def split(drawn: list[tuple[float, bool]]) -> tuple[torch.Tensor, torch.Tensor]:
    similarity, valid = zip(*drawn, strict=True)
    return torch.tensor(similarity, dtype=torch.float64), torch.tensor(valid)


@given(drawn=entries)
def test_the_guides_weighted_mean_and_attention_are_the_softmax(drawn):
    """The guide softmaxes zeros in place of invalid entries, masks and renormalises.

    Every exponential is divided by one sum, which cancels: equal up to the floor of 1e-8 in its
    division. The least sum of valid shares is that of one e^-10 among 7 e^0: 6e-6, hence 2e-3.
    """
    similarity, valid = split(drawn)
    everything = (torch.where(valid, similarity, 0.0) / 0.1).softmax(0) * valid
    guide = everything / (everything.sum() + 1e-8)
    ours = aggregation.softmax_weights(similarity, valid, T.double())
    torch.testing.assert_close(ours, guide, rtol=0, atol=2e-3)


@given(drawn=entries)
@pytest.mark.parametrize("how", KINDS)
def test_weights_are_of_valid_entries_and_sum_to_one_or_nothing(how, drawn):
    """The weighted mean has nothing to weigh where no similarity is above zero."""
    similarity, valid = split(drawn)
    weights = aggregation.weights(similarity, valid, how, T.double())
    assert (weights >= 0).all()
    assert (weights[~valid] == 0).all()
    if not valid.any():
        assert torch.equal(weights, torch.zeros_like(weights))
    elif how in ("softmax", "max"):
        assert float(weights.sum()) == pytest.approx(1, abs=1e-9)
    else:
        assert float(weights.sum()) <= 1 + 1e-9


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("valid", [[True] * 4, [True, False, True, False], [False] * 4])
def test_gradients_are_finite_with_equal_similarities_and_without_valid_ones(how, valid):
    similarity = torch.full((4,), 0.7, requires_grad=True)
    weights = aggregation.weights(similarity, torch.tensor(valid), how, T)
    total = (weights * torch.arange(4.0)).sum() + 0 * similarity.sum()  # `max` has no gradient
    (gradient,) = torch.autograd.grad(total, similarity)
    assert gradient.isfinite().all()


def test_an_exact_match_among_four_orthogonal_keys_has_nearly_all_the_weight():
    """e^10 / (e^10 + 4) at T = 0.1: 0.999818."""
    similarity = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    weights = aggregation.softmax_weights(similarity, torch.ones(5, dtype=torch.bool), T)
    expected = math.exp(10) / (math.exp(10) + 4)
    assert expected == pytest.approx(0.999818, abs=5e-7)
    assert float(weights[1]) == pytest.approx(expected, abs=1e-6)


def test_the_weighted_mean_is_by_similarities_above_zero():
    """0.6 and 0.2 of 0.8 in all; the negative one and the invalid one count nothing."""
    similarity = torch.tensor([0.6, 0.2, -0.5, 0.9])
    valid = torch.tensor([True, True, True, False])
    weights = aggregation.similarity_weights(similarity, valid)
    expected = torch.tensor([0.75, 0.25, 0, 0])
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-7)


def test_the_blend_goes_from_the_weighted_mean_to_the_softmax():
    """Share sigmoid(max/sd - 5): (1, 0) has sd 1/2, sigmoid(-3); equal ones have sd 1e-4, 1."""
    valid = torch.ones(2, dtype=torch.bool)

    def blended(*similarity: float) -> list[float]:
        return aggregation.blended_weights(torch.tensor(similarity), valid, T).tolist()

    share, soft = 1 / (1 + math.exp(3)), math.exp(10) / (math.exp(10) + 1)
    assert blended(1.0, 0.0)[0] == pytest.approx(share * soft + (1 - share), abs=1e-6)
    assert blended(0.9, 0.9) == pytest.approx([0.5, 0.5], abs=1e-6)


@given(drawn=st.lists(st.booleans(), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_the_median_is_numpys_lower_median_of_the_valid_rows(drawn, seed):
    values = torch.randn(len(drawn), 3, generator=torch.Generator().manual_seed(seed))
    valid = torch.tensor(drawn)
    seen = aggregation.lower_median(torch.where(valid[:, None], values, torch.nan), valid)
    if not valid.any():
        assert torch.equal(seen, torch.zeros(3))
        return
    kept = values[valid].numpy()
    lower = np.percentile(kept, 50, axis=0, method="lower")
    assert torch.equal(seen, torch.from_numpy(lower))


def test_a_median_has_no_weights():
    with pytest.raises(NotImplementedError, match="no weighting"):
        aggregation.weights(torch.ones(2), torch.ones(2, dtype=torch.bool), "median", T)
