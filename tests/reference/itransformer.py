"""iTransformer with torch's own encoder (Liu et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Weights = Mapping[str, Tensor]


def torch_layer(weights: Weights, name: str, heads: int) -> nn.TransformerEncoderLayer:
    """`torch.nn.TransformerEncoderLayer` with the weights of one of our encoder layers."""
    width = weights[f"{name}.expand.weight"].shape[1]
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        dim_feedforward=weights[f"{name}.expand.weight"].shape[0],
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=False,
        dtype=weights[f"{name}.expand.weight"].dtype,
    )
    roles = [f"{name}.attention.{role}" for role in ("query", "key", "value")]
    named = {
        "self_attn.in_proj_weight": torch.cat([weights[f"{role}.weight"] for role in roles]),
        "self_attn.in_proj_bias": torch.cat([weights[f"{role}.bias"] for role in roles]),
    }
    parts = {
        "self_attn.out_proj": "attention.output",
        "linear1": "expand",
        "linear2": "contract",
        "norm1": "attention_norm",
        "norm2": "feedforward_norm",
    }
    for theirs, ours in parts.items():
        for kind in ("weight", "bias"):
            named[f"{theirs}.{kind}"] = weights[f"{name}.{ours}.{kind}"]
    layer.load_state_dict(named)
    return layer


def forecast(weights: Weights, windows: Tensor, *, heads: int, layers: int) -> Tensor:
    """Forecasts [B, H, C] of windows [B, L, C] by the weights of a module."""
    mean = windows.mean(1, keepdim=True)
    spread = (((windows - mean) ** 2).mean(1, keepdim=True) + 1e-5).sqrt()
    inverted = ((windows - mean) / spread).permute(0, 2, 1)
    tokens = F.linear(inverted, weights["embedding.weight"], weights["embedding.bias"])
    for number in range(layers):
        tokens = torch_layer(weights, f"layers.{number}", heads)(tokens)
    norm = (weights["final_norm.weight"], weights["final_norm.bias"])
    tokens = F.layer_norm(tokens, tokens.shape[-1:], *norm)
    leads = F.linear(tokens, weights["projection.weight"], weights["projection.bias"])
    return leads.permute(0, 2, 1) * spread + mean
