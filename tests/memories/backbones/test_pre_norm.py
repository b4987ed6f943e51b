"""The layer that normalises first, against torch's own, by weight transfer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.base import Training
from memories.backbones.pre_norm import PreNormLayer
from memories.base import InvalidParameter
from tests.memories.backbones.drawn import generator, shaken
from tests.reference import spectral_former

GROUPS, LENGTH, WIDTH, HEADS, HIDDEN = 3, 6, 8, 2, 12


def tokens() -> Tensor:
    return torch.randn(GROUPS, LENGTH, WIDTH, generator=generator(4), dtype=torch.float64)


def layer(dropout: float = 0.0) -> PreNormLayer:
    module = PreNormLayer(WIDTH, HEADS, HIDDEN, dropout=dropout, generator=generator(2))
    shaken(module)
    return module


def torchs(module: PreNormLayer) -> nn.TransformerEncoderLayer:
    weights = {f"it.{name}": w for name, w in module.state_dict().items()}
    return spectral_former.pre_norm_layer(weights, "it", HEADS)


def test_outputs_and_gradients_are_torchs():
    """In torch's training mode with no dropout, which is not its fused fast path."""
    ours = layer()
    theirs = torchs(ours)
    x = tokens().requires_grad_()
    seen, expected = ours(x.flatten(0, 1), LENGTH).view_as(x), theirs(x)
    torch.testing.assert_close(seen, expected, rtol=1e-11, atol=1e-11)
    probe = torch.randn(x.shape, generator=generator(9), dtype=torch.float64)
    shared = (ours.expand.weight, ours.attention_norm.weight, ours.attention.output.weight)
    wanted = (theirs.linear1.weight, theirs.norm1.weight, theirs.self_attn.out_proj.weight)
    slopes = torch.autograd.grad((seen * probe).sum(), [x, *shared])
    expected_slopes = torch.autograd.grad((expected * probe).sum(), [x, *wanted])
    for got, want in zip(slopes, expected_slopes, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)


def test_in_torchs_evaluation_mode_they_are_the_same_too():
    ours = layer()
    with torch.no_grad():
        expected = torchs(ours).eval()(tokens())
        seen = ours(tokens().flatten(0, 1), LENGTH).view_as(expected)
    torch.testing.assert_close(seen, expected, rtol=1e-11, atol=1e-11)


def test_a_published_layer_has_3152384_parameters():
    """d = 512, d_ff = 2048: 4 (d^2 + d) + 2 d d_ff + d_ff + d + 4 d."""
    module = PreNormLayer(512, 8, 2048, dropout=0.1, generator=generator())
    assert sum(p.numel() for p in module.parameters()) == 3_152_384


@pytest.mark.parametrize("noisy", [False, True])
def test_skipped_tokens_are_attended_to_and_left_out(noisy: bool):
    """The rest is what the whole layer makes of them, with no noise taken for what is left out."""
    ours = layer(dropout=0.3 if noisy else 0.0)
    rows = tokens().flatten(0, 1)
    counted = Training()
    whole = ours(rows, LENGTH, 0, counted).view(GROUPS, LENGTH, WIDTH)
    part = ours(rows, LENGTH, 2, fewer := Training()).view(GROUPS, LENGTH - 2, WIDTH)
    torch.testing.assert_close(part, whole[:, 2:], rtol=1e-12, atol=1e-12)
    assert fewer.used * LENGTH == counted.used * (LENGTH - 2)
    changed = tokens()
    changed[:, :2] *= -1
    other = ours(changed.flatten(0, 1), LENGTH, 2).view_as(part)
    assert (part - other).abs().amax(dim=(1, 2)).min() > 1e-3


def test_dropout_falls_on_weights_on_what_is_attended_and_twice_on_the_feed_forward_part():
    """One number per element, in that order; by hand, from the module's own maps."""
    ours = layer(dropout=0.25)
    rows = tokens().flatten(0, 1)
    shapes = [(GROUPS, HEADS, LENGTH, LENGTH), rows.shape, (len(rows), HIDDEN), rows.shape]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    noise = torch.rand(sum(sizes), generator=generator(11), dtype=torch.float64)
    training = Training(noise)
    seen = ours(rows, LENGTH, 0, training)
    assert training.used == len(noise)
    keeps = [
        (part.view(shape) >= 0.25).double() / 0.75
        for part, shape in zip(noise.split(sizes), shapes, strict=True)
    ]
    attention, normal = ours.attention, ours.attention_norm(rows)
    query, key, value = (
        part(normal).view(GROUPS, LENGTH, HEADS, -1).transpose(1, 2)
        for part in (attention.query, attention.key, attention.value)
    )
    weights = (query @ key.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5).softmax(-1)
    mixed = ((weights * keeps[0]) @ value).transpose(1, 2).reshape(rows.shape)
    z = rows + attention.output(mixed) * keeps[1]
    hidden = F.gelu(ours.expand(ours.feedforward_norm(z))) * keeps[2]
    expected = z + ours.contract(hidden) * keeps[3]
    torch.testing.assert_close(seen, expected, rtol=1e-11, atol=1e-11)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InvalidParameter, match="heads: must divide the width 8, got 3"):
        PreNormLayer(8, 3, 12, dropout=0.0, generator=generator())
