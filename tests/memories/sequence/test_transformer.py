"""The window transformer against PyTorch's own layers, and its answer to one more token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memories.dense import Dense
from memories.sequence.transformer import Block, WindowTransformer

WINDOW, HEADS, HEAD_DIM = 6, 4, 3
DIM = HEADS * HEAD_DIM


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transformer(layers: int = 2) -> WindowTransformer:
    """With norms and positions away from where they start."""
    module = WindowTransformer(
        window=WINDOW, layers=layers, heads=HEADS, head_dim=HEAD_DIM, generator=generator(0)
    ).double()
    rng = generator(1)
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=rng, dtype=torch.float64))
    return module


@torch.no_grad()
def pytorch_layer(block: Block) -> nn.TransformerEncoderLayer:
    """`torch.nn`'s pre-LN layer with the block's weights; ours has no biases in attention."""
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, 4 * DIM, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    attention = layer.self_attn
    parts = [block.query.weight.mT, block.key.weight.mT, block.value.weight.mT]
    attention.in_proj_weight.copy_(torch.cat(parts))
    attention.in_proj_bias.zero_()
    attention.out_proj.weight.copy_(block.out.weight.mT)
    attention.out_proj.bias.zero_()
    layer.linear1.weight.copy_(block.up.weight.mT)
    layer.linear1.bias.copy_(block.up.bias)
    layer.linear2.weight.copy_(block.down.weight.mT)
    layer.linear2.bias.copy_(block.down.bias)
    layer.norm1.load_state_dict(block.attention_norm.state_dict())
    layer.norm2.load_state_dict(block.feed_norm.state_dict())
    return layer


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("padding", [0, 2, 5])
def test_the_newest_token_has_the_hidden_state_of_torchs_layers(layers: int, padding: int) -> None:
    """Causal layers of `torch.nn` on the tokens that are there; the padding holds garbage."""
    module = transformer(layers)
    tokens = torch.randn(3, WINDOW, DIM, generator=generator(2), dtype=torch.float64)
    real = (torch.arange(WINDOW) >= padding).expand(3, WINDOW)
    x = (tokens + module.positions)[:, padding:]
    causal = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=torch.float64)
    for block in module.blocks:
        x = pytorch_layer(block)(x, src_mask=causal, is_causal=True)
    expected = module.norm(x[:, -1])
    torch.testing.assert_close(module(tokens, real), expected, rtol=0, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("padding", [0, 2, 5])
def test_tokens_after_the_same_window_equal_as_many_whole_windows(padding: int) -> None:
    module = transformer()
    earlier = torch.randn(WINDOW - 1, DIM, generator=generator(3), dtype=torch.float64)
    newest = torch.randn(7, DIM, generator=generator(4), dtype=torch.float64)
    real = torch.arange(WINDOW) >= padding
    windows = torch.cat([earlier.expand(7, -1, -1), newest[:, None]], dim=1)
    torch.testing.assert_close(
        module.appended(earlier, real[:-1], newest),
        module(windows, real.expand(7, -1)),
        rtol=0,
        atol=1e-12,
    )


def test_layers_are_drawn_like_torchs_and_from_the_given_generator_alone() -> None:
    """U(-1/sqrt(n), 1/sqrt(n)) has variance 1/(3n); 40,000 draws give it within 2 %."""
    before = torch.get_rng_state()
    first, second = (Dense(200, 200, generator(5)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
    weights = first.weight.detach()
    assert float(weights.abs().max()) <= 200**-0.5
    assert float(weights.var()) == pytest.approx(1 / 600, rel=0.02)
    assert not Dense(3, 4, generator=None)(torch.ones(2, 3)).any()
    assert Dense(3, 4, generator(6), bias=False).bias is None
