"""Both encoders of spectral memory with torch's own encoder layers (Marquez 2025)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.reference import itransformer

Weights = Mapping[str, Tensor]


def pre_norm_layer(weights: Weights, name: str, heads: int) -> nn.TransformerEncoderLayer:
    """`torch.nn.TransformerEncoderLayer` with norms first and the weights of one of our layers."""
    layer = itransformer.torch_layer(weights, name, heads)
    layer.norm_first = True
    return layer


def normalised(windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Windows [B, L, C] at mean 0 and variance 1; their means and spreads [B, 1, C]."""
    mean = windows.mean(1, keepdim=True)
    spread = (((windows - mean) ** 2).mean(1, keepdim=True) + 1e-5).sqrt()
    return (windows - mean) / spread, mean, spread


def forecast(
    weights: Weights, windows: Tensor, memory: Tensor, *, heads: int, layers: int, patch: int
) -> tuple[Tensor, Tensor]:
    """Forecasts [B, H, C] and hidden states [B, N, C, d], one channel of a window at a time.

    Args:
        weights: Of a module.
        windows: [B, L, C].
        memory: [B, M, d].
        heads: Attention heads.
        layers: Encoder layers.
        patch: Rows of a patch.
    """
    encoder = [pre_norm_layer(weights, f"layers.{n}", heads) for n in range(layers)]
    normal, mean, spread = normalised(windows)
    every_lead, every_hidden = [], []
    for window, tokens in zip(normal, memory, strict=True):
        leads, hidden = [], []
        for channel in range(window.shape[1]):
            patches = window[:, channel].split(patch)
            own = [
                weights["embedding.weight"] @ rows + weights["embedding.bias"] + position
                for rows, position in zip(patches, weights["position"], strict=True)
            ]
            sequence = torch.cat([tokens, torch.stack(own)])[None]
            for layer in encoder:
                sequence = layer(sequence)
            hidden.append(sequence[0, len(tokens) :])
            flat = hidden[-1].reshape(-1)
            leads.append(weights["projection.weight"] @ flat + weights["projection.bias"])
        every_lead.append(torch.stack(leads, dim=1))
        every_hidden.append(torch.stack(hidden, dim=1))
    return torch.stack(every_lead) * spread + mean, torch.stack(every_hidden)


def positions(count: int, width: int, offset: int) -> Tensor:
    """sin and cos of (offset + i) / 10000^(2j / width), for i < count, side by side."""
    code = torch.zeros(count, width, dtype=torch.float64)
    for i in range(count):
        for j in range(0, width, 2):
            angle = (offset + i) / 10_000 ** (j / width)
            code[i, j], code[i, j + 1] = math.sin(angle), math.cos(angle)
    return code


def forecast_v1(
    weights: Weights,
    windows: Tensor,
    memory: Tensor,
    *,
    heads: int,
    layers: int,
    label_len: int,
    horizon: int,
) -> tuple[Tensor, Tensor]:
    """Forecasts [B, H, C] and hidden states [B, L, d] of the first published encoder.

    Args:
        weights: Of a module.
        windows: [B, L, C].
        memory: [B, M, d].
        heads: Attention heads.
        layers: Encoder layers.
        label_len: Newest states that are repeated.
        horizon: H.
    """
    normal, mean, spread = normalised(windows)
    own = F.linear(normal, weights["embedding.weight"], weights["embedding.bias"])
    own = own + positions(own.shape[1], own.shape[2], memory.shape[1])
    sequence = torch.cat([memory, own], dim=1)
    mask = nn.Transformer.generate_square_subsequent_mask(sequence.shape[1], dtype=torch.float64)
    for number in range(layers):
        sequence = itransformer.torch_layer(weights, f"layers.{number}", heads)(sequence, mask)
    hidden = sequence[:, memory.shape[1] :]
    newest = list(hidden[:, -label_len:].unbind(1))
    repeated = torch.stack((newest * math.ceil(horizon / label_len))[:horizon], dim=1)
    leads = F.linear(repeated, weights["projection.weight"], weights["projection.bias"])
    return leads * spread + mean, hidden
