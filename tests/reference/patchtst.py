"""PatchTST, channel by channel, patch by patch and head by head (Nie et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]


def affine(weights: Weights, name: str, x: Tensor) -> Tensor:
    """W x + b; without b where there is none."""
    mapped = weights[f"{name}.weight"] @ x
    return mapped + weights[f"{name}.bias"] if f"{name}.bias" in weights else mapped


def attention(
    weights: Weights, name: str, tokens: list[Tensor], heads: int, previous: list[Tensor] | None
) -> tuple[list[Tensor], list[Tensor]]:
    """What each of N tokens attends to, and per head the scores [N, N] before the softmax."""
    size = len(tokens[0]) // heads
    parts: list[list[Tensor]] = [[] for _ in tokens]
    all_scores = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        q, k, v = (
            torch.stack([affine(weights, f"{name}.{role}", x)[own] for x in tokens])
            for role in ("query", "key", "value")
        )
        scores = torch.stack([torch.stack([a @ b for b in k]) for a in q]) / math.sqrt(size)
        if previous is not None:
            scores = scores + previous[head]
        all_scores.append(scores)
        for i in range(len(tokens)):
            share = scores[i].exp() / scores[i].exp().sum()
            parts[i].append((share[:, None] * v).sum(0))
    return [affine(weights, f"{name}.output", torch.cat(p)) for p in parts], all_scores


def normalised(weights: Weights, name: str, x: Tensor) -> Tensor:
    """By the running statistics where there are some, else within the token."""
    mean = weights.get(f"{name}.running_mean", x.mean())
    var = weights.get(f"{name}.running_var", ((x - x.mean()) ** 2).mean())
    return (x - mean) / (var + 1e-5).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def encoder_layer(
    weights: Weights, name: str, tokens: list[Tensor], heads: int, previous: list[Tensor] | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Tokens after attention and feed-forward part, each added and normalised."""
    attended, scores = attention(weights, f"{name}.attention", tokens, heads, previous)
    refined = []
    for x, a in zip(tokens, attended, strict=True):
        z = normalised(weights, f"{name}.attention_norm", x + a)
        hidden = F.gelu(affine(weights, f"{name}.expand", z))
        out = affine(weights, f"{name}.contract", hidden)
        refined.append(normalised(weights, f"{name}.feedforward_norm", z + out))
    return refined, scores


def patches(series: Tensor, patch: int, stride: int, pad_end: bool) -> list[Tensor]:
    """Overlapping stretches of a series [L], the newest value repeated at the end if padded."""
    if pad_end:
        series = torch.cat([series, series[-1].repeat(stride)])
    return [series[i : i + patch] for i in range(0, len(series) - patch + 1, stride)]


def head_of(weights: Weights, channel: int) -> Weights:
    """The last linear map, of one channel where each has its own."""
    head = {name: w for name, w in weights.items() if name.startswith("projection")}
    individual = head["projection.weight"].dim() == 3
    return {name: w[channel] for name, w in head.items()} if individual else head


def forecast(
    weights: Weights,
    window: Tensor,
    *,
    heads: int,
    layers: int,
    patch: int,
    stride: int,
    pad_end: bool,
    res_attention: bool,
) -> Tensor:
    """Forecast [H, C] of a window [L, C] by the weights and buffers of a module, in evaluation."""
    columns = []
    for c, series in enumerate(window.T):
        mean = series.mean()
        spread = (((series - mean) ** 2).mean() + 1e-5).sqrt()
        tokens = [
            affine(weights, "embedding.projection", piece) + weights["embedding.position"][i]
            for i, piece in enumerate(patches((series - mean) / spread, patch, stride, pad_end))
        ]
        scores = None
        for number in range(layers):
            tokens, found = encoder_layer(weights, f"layers.{number}", tokens, heads, scores)
            scores = found if res_attention else None
        if "final_norm.weight" in weights:
            tokens = [normalised(weights, "final_norm", x) for x in tokens]
        leads = affine(head_of(weights, c), "projection", torch.cat(tokens))
        columns.append(leads * spread + mean)
    return torch.stack(columns, dim=1)
