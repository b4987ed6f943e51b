"""Initial weights: torch's distributions, drawn from the generator that is passed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from memories.sources.cross_attention import CrossAttention
from memories.sources.drift import ContextDrift, drift
from memories.sources.layers import linear, perceptron
from tests.memories.case import generator


@torch.no_grad()
def test_a_layer_has_torchs_distribution_and_leaves_the_global_generator_alone() -> None:
    """Uniform in +-1 / sqrt(inputs): the second moment of 40,000 draws is bound^2 / 3 to 3 %."""
    before = torch.random.get_rng_state()
    layer = linear(100, 400, generator(1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for parameter in (layer.weight, layer.bias):
        assert float(parameter.abs().max()) <= 0.1
    assert float(layer.weight.square().mean()) == pytest.approx(0.01 / 3, rel=0.03)
    assert not torch.equal(layer.weight, linear(100, 400, generator(2)).weight)
    assert torch.equal(layer.weight, linear(100, 400, generator(1)).weight)


def test_a_perceptron_has_relu_between_its_layers_and_the_output_behind_the_last() -> None:
    network = perceptron([3, 7, 5, 2], generator(1), nn.Tanh())
    x = torch.randn(4, 3, generator=generator(2))
    hidden = x
    for layer in (network[0], network[2]):
        hidden = (hidden @ layer.weight.mT + layer.bias).relu()
    expected = (hidden @ network[4].weight.mT + network[4].bias).tanh()
    torch.testing.assert_close(network(x), expected)
    assert len(network) == 6


@torch.no_grad()
def test_with_equal_widths_the_attention_is_torchs() -> None:
    """The same weights in torch.nn.MultiheadAttention; the masked pairs do not count."""
    ours = CrossAttention(16, 16, 16, 16, generator(1))
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    inputs = (ours.query_in, ours.key_in, ours.value_in)
    theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in inputs]))
    theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in inputs]))
    theirs.out_proj.weight.copy_(ours.out.weight)
    theirs.out_proj.bias.copy_(ours.out.bias.normal_(generator=generator(3)))
    queries = torch.randn(3, 2, 16, generator=generator(4))
    keys, values = torch.randn(2, 3, 9, 16, generator=generator(5))
    valid = torch.arange(9) < torch.tensor([[9], [4], [1]])
    expected, _ = theirs(queries, keys, values, key_padding_mask=~valid)
    found = ours(queries, keys, values, valid)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_attention_starts_as_torchs_does() -> None:
    """Bounds sqrt(6 / 4E) and 1 / sqrt(E), reached to 1 % by 4,096 draws; biases zero."""
    ours = CrossAttention(64, 64, 64, 64, generator(1))
    theirs = nn.MultiheadAttention(64, 4)
    for layer in (ours.query_in, ours.key_in, ours.value_in):
        assert float(layer.weight.abs().max()) == pytest.approx(math.sqrt(6 / 256), rel=0.01)
        assert not layer.bias.any()
    assert float(theirs.in_proj_weight.abs().max()) == pytest.approx(math.sqrt(6 / 256), rel=0.01)
    for out in (ours.out, theirs.out_proj):
        assert float(out.weight.abs().max()) == pytest.approx(1 / 8, rel=0.01)
        assert not out.bias.any()


@pytest.mark.parametrize("out_dim", [1, 4, 6])
def test_the_attention_takes_any_width(out_dim: int) -> None:
    """Inside it is as wide as the next multiple of its four heads."""
    attention = CrossAttention(7, 5, 3, out_dim, generator(1))
    assert attention.query_in.out_features == 4 * math.ceil(out_dim / 4)
    queries, keys, values = torch.ones(2, 3, 7), torch.ones(2, 9, 5), torch.ones(2, 9, 3)
    valid = torch.ones(2, 9, dtype=torch.bool)
    assert attention(queries, keys, values, valid).shape == (2, 3, out_dim)


@pytest.mark.parametrize("n", [0, 1, 64, 150])
@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_drift_equals_its_recurrence(n: int, decay: float) -> None:
    """Over blocks of 64, float64."""
    start = torch.randn(4, dtype=torch.float64, generator=generator(1))
    inputs = torch.randn(n, 4, dtype=torch.float64, generator=generator(2))
    after, context = drift(start, inputs, torch.tensor(decay, dtype=torch.float64)), start
    assert after.shape == (n, 4)
    for seen, x in zip(after, inputs, strict=True):
        context = decay * context + x
        torch.testing.assert_close(seen, context, rtol=0, atol=1e-12)


def test_a_drift_of_orthonormal_inputs_forgets_geometrically() -> None:
    """|c_t|^2 = (1 - decay^2t) / (1 - decay^2) -> 5.263, cos(c_t, c_(t-j)) -> decay^j."""
    after = drift(
        torch.zeros(100).double(), torch.eye(100).double(), torch.tensor(0.9, dtype=torch.float64)
    )
    assert float(after[-1] @ after[-1]) == pytest.approx(1 / (1 - 0.81), abs=1e-6)
    cosines = torch.cosine_similarity(after[-1:], after[-6:].flip(0))
    torch.testing.assert_close(cosines, 0.9 ** torch.arange(6.0).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("key_dim", "width", "expected"), [(64, None, 32), (6, None, 6), (6, 9, 9)]
)
def test_a_context_is_32_wide_unless_keys_are_narrower(
    key_dim: int, width: int | None, expected: int
) -> None:
    moved = ContextDrift(key_dim, width, generator(1))
    assert moved.width == expected
    assert moved.drift_in.shape == (key_dim, expected)
