"""H-Mem's correction, row by row and entry by entry, from named weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def norm(x: Tensor, w: Weights, name: str) -> Tensor:
    centred = x - x.mean()
    scaled = centred / torch.sqrt((centred**2).mean() + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def affine(x: Tensor, w: Weights, name: str) -> Tensor:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def part(w: Weights, prefix: str) -> Weights:
    """The weights of one part, without its name."""
    return {k.removeprefix(f"{prefix}."): v for k, v in w.items() if k.startswith(f"{prefix}.")}


def pooled_key(rows: Tensor, w: Weights, pos: str, pooling: str) -> Tensor:
    steps = []
    for i, row in enumerate(rows):
        projected = affine(row, w, "first")
        if pos == "input":
            projected = projected + w["table"][i]
        a = gelu(affine(gelu(norm(projected, w, "normalise")), w, "second"))
        steps.append(a + w["table"][i] if pos == "post" else a)
    stacked = torch.stack(steps)
    if pooling == "mean":
        pooled = sum(steps) / len(steps)
    elif pooling == "max":
        pooled = stacked.max(0).values
    elif pooling == "last":
        pooled = steps[-1]
    else:
        weights = torch.stack([a.mean() for a in steps]).softmax(0)
        pooled = sum(weight * a for weight, a in zip(weights, steps, strict=True))
    return norm(affine(pooled, w, "last"), w, "finish")


def flat_key(rows: Tensor, w: Weights, width: int) -> Tensor:
    x = torch.zeros(width, dtype=rows.dtype)
    for i, number in enumerate(rows.flatten().tolist()[:width]):
        x[i] = number
    hidden = gelu(norm(affine(x, w, "layers.0"), w, "layers.1"))
    return norm(affine(hidden, w, "layers.3"), w, "layers.4")


def quality(near: Tensor, z: Tensor, w: Weights) -> Tensor:
    hidden = gelu(affine(torch.cat([near, z]), w, "layers.0"))
    return torch.sigmoid(affine(hidden, w, "layers.2"))[0]


def refined(error: Tensor, z: Tensor, rho: Tensor | None, w: Weights) -> Tensor:
    """By the guide where there is no quality, else by the first version."""
    flat = error.flatten()
    if rho is None:
        hidden = gelu(affine(flat, w, "layers.0"))
        return affine(hidden, w, "layers.2").reshape(error.shape)
    hidden = gelu(norm(affine(torch.cat([flat, z]), w, "layers.0"), w, "layers.1"))
    out = affine(hidden, w, "layers.3").reshape(error.shape)
    return rho * out + (1 - rho) * error


def confidence(
    prediction: Tensor, correction: Tensor, z: Tensor, w: Weights, *, stats: bool, deep: bool
) -> Tensor:
    seen = [prediction.flatten(), correction.flatten()]
    if stats:
        seen = [torch.stack([x.abs().mean(), x.std(correction=0)]) for x in seen]
    x = gelu(norm(affine(torch.cat([z, *seen]), w, "layers.0"), w, "layers.1"))
    if deep:
        x = gelu(affine(x, w, "layers.3"))
    return torch.sigmoid(affine(x, w, "layers.5" if deep else "layers.3"))[0]


def mask(horizon: int, kind: str) -> list[float]:
    if kind == "exp":
        return [max(0.2, 0.98**h) for h in range(horizon)]
    if kind == "linear":
        return [max(0.2, 1 - h / max(horizon - 1, 1)) for h in range(horizon)]
    if kind == "learned":
        return [1 / (1 + math.exp(-1.0))] * horizon
    return [1.0] * horizon


def adaptive_weights(
    near: list[float], keys: Tensor, z: Tensor, filled: float, w: Weights, *, k_max: int, t: float
) -> list[float]:
    """Weights of the valid entries, best first."""
    mean = sum(near) / len(near)
    std = math.sqrt(sum((s - mean) ** 2 for s in near) / len(near))
    features = torch.tensor([mean, std, max(near), max(near) - min(near), filled], dtype=z.dtype)
    share = torch.sigmoid(affine(torch.cat([z, features]), w, "number"))[0]
    counted = 1 + (k_max - 1) * float(share)
    query = w["query.weight"] @ z
    raw = []
    for j, (s, key) in enumerate(zip(near, keys, strict=True), start=1):
        logit = float(query @ (w["key.weight"] @ key)) / math.sqrt(len(z)) + s / t
        raw.append(math.exp(logit) / (1 + math.exp(-(counted - j + 0.5) / 0.25)))
    return [x / sum(raw) for x in raw]
