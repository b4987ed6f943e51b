"""Fast weights in the form that works, and in the form that was first sketched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from memories.base import InvalidParameter, param_floats, state_floats
from tests.memories import theory
from tests.memories.case import build, orthonormal, unit_rows


@torch.no_grad()
def recall(memory: object, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def fast_weights(dim: int = 64, **params: object) -> object:
    return build("ar-fast-weights", key_dim=dim, value_dim=dim, **params)


@pytest.mark.parametrize("rule", ["hebb", "delta"])
@pytest.mark.parametrize("proj", ["identity", "orthonormal", "learned"])
def test_orthonormal_keys_are_recalled_exactly(rule: str, proj: str) -> None:
    """Projections start orthonormal or as the identity, so that P_O undoes P_V."""
    keys, values = orthonormal(1, 64, 64), unit_rows(2, 64, 64)
    recalled = recall(fast_weights(rule=rule, proj=proj), keys, values, keys)
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("dim", "n"), [(64, 64), (64, 16), (128, 64)])
def test_hebb_on_random_keys_has_the_cosine_of_the_linear_associator(dim: int, n: int) -> None:
    """1/sqrt(1 + (N-1)/D) within 0.02; 0.9 at N = 16, D = 64."""
    cosines = []
    for draw in range(40):
        keys, values = unit_rows(draw, n, dim), unit_rows(500 + draw, n, dim)
        recalled = recall(fast_weights(dim), keys, values, keys)
        cosines.append(float(torch.cosine_similarity(recalled, values, dim=-1).mean()))
    assert sum(cosines) / 40 == pytest.approx(theory.linear_cosine(n, dim), abs=0.02)


@pytest.mark.parametrize(("rule", "share_of_first"), [("hebb", 1.0), ("delta", 0.0)])
def test_a_key_written_twice(rule: str, share_of_first: float) -> None:
    """delta returns the second value, hebb the sum of both."""
    key, values = unit_rows(1, 1, 64), unit_rows(2, 2, 64)
    recalled = recall(fast_weights(rule=rule), key.repeat(2, 1), values, key)
    expected = share_of_first * values[:1] + values[1:]
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


def test_a_learned_decay_weighs_events_by_their_age() -> None:
    """Orthonormal keys: event i of 20 comes back scaled by sigmoid(6)^(19 - i)."""
    keys, values = orthonormal(1, 20, 64), unit_rows(2, 20, 64)
    recalled = recall(fast_weights(learn_decay=True), keys, values, keys)
    decay = torch.sigmoid(torch.tensor(6.0))
    expected = decay ** torch.arange(19.0, -1, -1)[:, None] * values
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("strength", [1e-3, 0.5, 1.0, 8.0])
def test_the_initial_strength_is_the_one_asked_for(strength: float) -> None:
    memory = fast_weights(write_strength=strength)
    assert float(softplus(memory.strength_logit.detach())) == pytest.approx(strength, rel=1e-5)


def test_linear_attention_returns_a_weighted_mean() -> None:
    """elu + 1 is positive, so that equal values come back as they are up to the floor of 1e-6."""
    keys = unit_rows(1, 30, 64)
    recalled = recall(fast_weights(feature="elu1"), keys, torch.full((30, 64), 0.7), keys)
    torch.testing.assert_close(recalled, torch.full((30, 64), 0.7), rtol=0, atol=1e-5)


def test_linear_attention_refuses_the_delta_rule() -> None:
    with pytest.raises(InvalidParameter, match="'elu1' cannot be combined") as caught:
        fast_weights(rule="delta", feature="elu1")
    assert caught.value.parameter == "feature"


def test_only_what_is_learned_is_a_parameter() -> None:
    """The strength always; the decay and the projections where they are learned."""
    names = {
        case: {name for name, _ in fast_weights(8, **params).named_parameters()}
        for case, params in {
            "plain": {},
            "fixed": {"proj": "orthonormal"},
            "learned": {"proj": "learned", "learn_decay": True},
        }.items()
    }
    assert names["plain"] == names["fixed"] == {"strength_logit"}
    assert names["learned"] - names["plain"] == {"decay_logit", "key_in", "value_in", "value_out"}
    assert param_floats(fast_weights(8, proj="orthonormal")) == 1 + 3 * 64


def test_the_state_has_d_times_v_floats_whatever_is_written() -> None:
    memory = build("ar-fast-weights", key_dim=12, value_dim=7)
    assert state_floats(memory.init_state()) == 12 * 7


def test_flipping_two_matrices_of_the_sketch_negates_every_read() -> None:
    """The scores see W_V and W_Q only through their product."""
    memory = build("ar-fast-weights-src", key_dim=32, value_dim=32)
    keys, values = unit_rows(1, 20, 32), unit_rows(2, 20, 32)
    before = recall(memory, keys, values, keys)
    with torch.no_grad():
        memory.value_in.neg_()
        memory.query_in.neg_()
    after = recall(memory, keys, values, keys)
    assert float(before.abs().max()) > 1e-6
    torch.testing.assert_close(after, -before, rtol=0, atol=1e-5 * float(before.abs().max()))


@torch.no_grad()
def test_the_sketch_recalls_nothing_on_average_and_the_same_for_every_query() -> None:
    """200 initialisations, D = 32, N = 20: mean cosine below 0.02, reads parallel."""
    cosines, parallel = [], []
    for seed in range(200):
        memory = build("ar-fast-weights-src", seed, key_dim=32, value_dim=32)
        keys, values = torch.randn(2, 20, 32, generator=torch.Generator().manual_seed(seed))
        recalled = recall(memory, keys, values, keys)
        cosines.append(float(torch.cosine_similarity(recalled, values, dim=-1).mean()))
        parallel.append(float(torch.cosine_similarity(recalled[:1], recalled, dim=-1).min()))
    assert abs(sum(cosines) / 200) < 0.02
    assert sum(parallel) / 200 > 0.99


def test_keys_and_values_of_different_widths_fit_the_sketch() -> None:
    memory = build("ar-fast-weights-src", key_dim=6, value_dim=3)
    keys, values = unit_rows(1, 5, 6), unit_rows(2, 5, 3)
    assert recall(memory, keys, values, keys).shape == (5, 3)
    assert memory.query_in.shape == (6, 3)
