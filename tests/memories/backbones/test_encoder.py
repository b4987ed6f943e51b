"""Attention and encoder layers against torch's own modules, by weight transfer."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.attention import MultiHeadAttention
from memories.backbones.base import Training
from memories.backbones.encoder import EncoderLayer
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, shaken
from tests.reference import itransformer, patchtst

GROUPS, LENGTH, WIDTH, HEADS = 3, 6, 8, 2


def tokens(groups: int = GROUPS) -> Tensor:
    shape = (groups, LENGTH, WIDTH)
    return torch.randn(shape, generator=generator(4), dtype=torch.float64)


def attention(**settings: float) -> MultiHeadAttention:
    module = MultiHeadAttention(WIDTH, HEADS, generator=generator(1), **settings)
    shaken(module)
    return module


def layer(norm: Literal["batch", "layer"], **rates: float) -> EncoderLayer:
    own = {"dropout": 0.0, "attention_dropout": 0.0, "attended_dropout": 0.0} | rates
    module = EncoderLayer(WIDTH, HEADS, 12, norm=norm, generator=generator(2), **own)
    shaken(module)
    return module


def torchs_attention(module: MultiHeadAttention) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    roles = (module.query, module.key, module.value)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([role.weight for role in roles]),
            "in_proj_bias": torch.cat([role.bias for role in roles]),
            "out_proj.weight": module.output.weight,
            "out_proj.bias": module.output.bias,
        }
    )
    return theirs


def test_attention_and_its_gradients_equal_torchs():
    ours = attention()
    theirs = torchs_attention(ours)
    x = tokens().requires_grad_()
    seen, _ = ours(x.flatten(0, 1), LENGTH)
    expected, _ = theirs(x, x, x, need_weights=False)
    torch.testing.assert_close(seen.view_as(x), expected, rtol=1e-12, atol=1e-12)
    probe = torch.randn(x.shape, generator=generator(9), dtype=torch.float64)
    inner = [w for role in (ours.query, ours.key, ours.value) for w in (role.weight, role.bias)]
    *slopes, into = torch.autograd.grad((seen.view_as(x) * probe).sum(), [*inner, x])
    weight, bias, wanted = torch.autograd.grad(
        (expected * probe).sum(), [theirs.in_proj_weight, theirs.in_proj_bias, x]
    )
    torch.testing.assert_close(torch.cat(slopes[::2]), weight, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(torch.cat(slopes[1::2]), bias, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(into, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("residual", [False, True])
def test_attention_equals_the_loop_over_heads_and_tokens(residual):
    ours = attention()
    shape = (GROUPS, HEADS, LENGTH, LENGTH)
    below = torch.randn(shape, generator=generator(8), dtype=torch.float64)
    seen, scores = ours(tokens().flatten(0, 1), LENGTH, below if residual else None)
    weights = {f"it.{name}": w for name, w in ours.state_dict().items()}
    for group, own in enumerate(tokens()):
        previous = list(below[group]) if residual else None
        expected, raw = patchtst.attention(weights, "it", list(own), HEADS, previous)
        rows = seen.view(GROUPS, LENGTH, WIDTH)[group]
        torch.testing.assert_close(rows, torch.stack(expected), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(scores[group], torch.stack(raw), rtol=1e-11, atol=1e-11)


def test_groups_do_not_see_each_other():
    ours = attention()
    x = tokens()
    changed = torch.cat([x[:2], 100 * x[2:]])
    seen, other = (ours(v.flatten(0, 1), LENGTH)[0].view_as(x) for v in (x, changed))
    assert torch.equal(seen[:2], other[:2])
    assert (seen[2] - other[2]).abs().max() > 1


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InvalidParameter, match="heads: must divide the width 8, got 3"):
        MultiHeadAttention(8, 3, generator=generator())


def test_a_layer_with_layer_norms_is_torchs_encoder_layer():
    ours = layer("layer")
    weights = {f"it.{name}": w for name, w in ours.state_dict().items()}
    theirs = itransformer.torch_layer(weights, "it", HEADS)
    expected = theirs(tokens())  # in training mode with no dropout: not its fused fast path
    seen, _ = ours(tokens().flatten(0, 1), LENGTH)
    torch.testing.assert_close(seen.view_as(expected), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("in_training", [False, True])
def test_a_layer_with_batch_norms_is_made_of_torchs_attention_and_batch_norm(in_training):
    ours = layer("batch")
    attend = torchs_attention(ours.attention)
    norms = []
    for own in (ours.attention_norm, ours.feedforward_norm):
        norm = nn.BatchNorm1d(WIDTH).double().train(in_training)
        norm.load_state_dict(own.state_dict(), strict=False)
        norms.append(norm)
    x = tokens()
    z = norms[0]((x + attend(x, x, x)[0]).transpose(1, 2)).transpose(1, 2)
    expected = norms[1]((z + ours.contract(F.gelu(ours.expand(z)))).transpose(1, 2))
    training = Training() if in_training else None
    seen, _ = ours(x.flatten(0, 1), LENGTH, None, training)
    torch.testing.assert_close(seen.view_as(x), expected.transpose(1, 2), rtol=1e-10, atol=1e-10)


def test_dropout_falls_on_weights_on_what_is_attended_and_twice_on_the_feed_forward_part():
    """One number for each element: heads N^2, d and d_ff + d per token."""
    parts = {
        "attention_dropout": GROUPS * HEADS * LENGTH**2,
        "attended_dropout": GROUPS * LENGTH * WIDTH,
        "dropout": GROUPS * LENGTH * (12 + WIDTH),
    }
    for rate, wanted in parts.items():
        training = Training()
        layer("layer", **{rate: 0.5})(tokens().flatten(0, 1), LENGTH, None, training)
        assert training.used == wanted, rate


def test_dropped_attention_is_what_zeroed_and_scaled_weights_give():
    ours = attention(dropout=0.25)
    shape = (GROUPS, HEADS, LENGTH, LENGTH)
    noise = torch.rand(shape, generator=generator(11))
    x = tokens()
    seen, scores = ours(x.flatten(0, 1), LENGTH, None, Training(noise.flatten()))
    weights = scores.softmax(-1) * (noise >= 0.25) / 0.75
    value = ours.value(x).view(GROUPS, LENGTH, HEADS, -1).transpose(1, 2)
    expected = ours.output((weights @ value).transpose(1, 2).reshape(x.shape))
    torch.testing.assert_close(seen.view_as(x), expected, rtol=1e-11, atol=1e-11)
