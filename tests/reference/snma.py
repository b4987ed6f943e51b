"""The surprise-driven memory row by row, in plain arithmetic on tensors and floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

Slow = Mapping[str, Tensor]


@dataclass
class Step:
    """What one update left behind."""

    flat: Tensor
    memories: list[Tensor]
    read: Tensor
    encoding: Tensor
    rho: float
    surprise: float
    mean: float
    variance: float


def affine(slow: Slow, name: str, x: Tensor) -> Tensor:
    return slow[f"{name}.weight"] @ x + slow[f"{name}.bias"]


def norm(slow: Slow, name: str, x: Tensor) -> Tensor:
    return layer_norm(x, x.shape, slow[f"{name}.weight"], slow[f"{name}.bias"], 1e-5)


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def inner(slow: Slow, name: str, x: Tensor) -> Tensor:
    """W2 GELU(LN(W1 x))."""
    return affine(slow, f"{name}.3", gelu(norm(slow, f"{name}.1", affine(slow, f"{name}.0", x))))


def encode(slow: Slow, kind: str, rows: Tensor, error: Tensor) -> tuple[Tensor, float]:
    """Encoding and raw surprise of the rows."""
    if kind == "ar":
        steps = [inner(slow, "encoder.encoder", x) for x in rows]
        guesses = [affine(slow, "encoder.predictor", u) for u in steps[:-1]]
        misses = [float(((g - x) ** 2).mean()) for g, x in zip(guesses, rows[1:], strict=True)]
        rho = math.sqrt(sum(misses) / len(misses) + 1e-8) if misses else 0.0
        return torch.stack(steps).mean(0), rho
    name = "encoder.encoder"
    steps = [gelu(norm(slow, f"{name}.1", affine(slow, f"{name}.0", x))) for x in rows]
    encoding = torch.stack(steps).mean(0)
    if kind == "forecast":
        return encoding, math.sqrt(float((error**2).mean()) + 1e-8)
    name = "encoder.reconstruction"
    again = affine(slow, f"{name}.2", gelu(affine(slow, f"{name}.0", encoding)))
    return encoding, float((again - encoding).abs().sum())


def normalised(rho: float, mean: float, variance: float, beta: float) -> tuple[float, float, float]:
    """Surprise, and the statistics after it."""
    new_mean = beta * mean + (1 - beta) * rho
    new_variance = beta * variance + (1 - beta) * (rho - mean) ** 2
    spread = max(math.sqrt(new_variance), 1e-4 * (1 + abs(new_mean)))
    return max(0.0, (rho - new_mean) / spread), new_mean, new_variance


def factor(rule: str, form: str, surprise: float) -> float:
    """What the gate of an interpolating rule is multiplied by."""
    if rule == "surprise-lerp":
        return surprise
    if rule == "clamped":
        return min(surprise, 1.0)
    sigmoid = 1 / (1 + math.exp(-min(surprise, 2.0)))
    return 0.1 + 0.9 * (sigmoid if form == "sigmoid" else 2 * sigmoid - 1)


def moved(
    slow: Slow, rule: str, form: str, momentum: float, m: Tensor, e: Tensor, s: float
) -> Tensor:
    """One memory after one update."""
    if rule == "gated-momentum":
        forget = torch.sigmoid(affine(slow, "update.forget", torch.cat([m, e])))
        seen = torch.cat([m, e, torch.full((1,), s, dtype=m.dtype)])
        update = torch.sigmoid(affine(slow, "update.update", seen))
        candidate = torch.tanh(inner(slow, "update.candidate", e))
        m = momentum * m + (1 - momentum) * (forget * m + update * candidate)
    else:
        if len(e) != len(m):
            e = affine(slow, "update.projection", e)
        a = torch.sigmoid(inner(slow, "update.gate", m)) * factor(rule, form, s)
        m = (1 - a) * m + a * e
    return m.clamp(-10, 10)


def moved_scales(
    slow: Slow, form: str, memories: list[Tensor], e: Tensor, s: float
) -> list[Tensor]:
    """The short, middle and long memory after one update."""
    after, start = [], 0
    for i, (m, constant) in enumerate(zip(memories, (10, 100, 1000), strict=True)):
        rows = slice(start, start + len(m))
        target = slow["update.projection.weight"][rows] @ e + slow["update.projection.bias"][rows]
        rate = 1 - math.exp(-1 / constant)
        a = torch.sigmoid(inner(slow, f"update.gates.{i}", m)) * factor("smoothed", form, s) * rate
        after.append(((1 - a) * m + a * target).clamp(-10, 10))
        start += len(m)
    return after


def read_scales(slow: Slow, combine: str, memories: list[Tensor], e: Tensor, age: int) -> Tensor:
    """One memory from three, each corrected for its start at zero."""
    full = [
        m / (1 - math.exp(-age / constant))
        for m, constant in zip(memories, (10, 100, 1000), strict=True)
    ]
    if combine == "concat":
        return norm(slow, "read.mix.1", affine(slow, "read.mix.0", torch.cat(full)))
    slots = [affine(slow, f"read.slots.{i}", m) for i, m in enumerate(full)]
    query = affine(slow, "read.query", e).chunk(4)
    heads = []
    for h in range(4):
        keys = [affine(slow, "read.key", slot).chunk(4)[h] for slot in slots]
        values = [affine(slow, "read.value", slot).chunk(4)[h] for slot in slots]
        scores = torch.stack([k @ query[h] for k in keys]) / math.sqrt(len(query[h]))
        weights = scores.exp() / scores.exp().sum()
        heads.append(sum(w * v for w, v in zip(weights, values, strict=True)))
    return affine(slow, "read.out", torch.cat(heads))


def generated(slow: Slow, hypernet: str, m: Tensor) -> Tensor:
    """The flat vector of low-rank weights."""
    hidden = gelu(inner(slow, "hypernetwork.encoder", m))
    flat = affine(slow, "hypernetwork.generators", hidden)
    return torch.tanh(flat) if hypernet == "per-layer" else flat


def run(
    slow: Slow,
    stream: list[tuple[Tensor, Tensor]],
    *,
    memory_dim: int,
    surprise: str = "recon",
    update: str = "smoothed",
    hypernet: str = "per-layer",
    momentum: float = 0.9,
    smooth_form: str = "sigmoid",
    reset_each_step: bool = False,
    frozen_memory: bool = False,
    scales: bool = False,
    combine: str = "concat",
) -> list[Step]:
    """One update per pair of rows [P, C] and errors [P, C], from an empty memory."""
    widths = [memory_dim // 2, memory_dim, 2 * memory_dim] if scales else [memory_dim]
    dtype = stream[0][0].dtype
    empty = [torch.zeros(width, dtype=dtype) for width in widths]
    memories, mean, variance, age, steps = empty, 0.0, 1.0, 0, []
    for rows, error in stream:
        encoding, rho = encode(slow, surprise, rows, error)
        s = rho
        if surprise != "ar":
            s, mean, variance = normalised(rho, mean, variance, momentum)
        if reset_each_step:
            memories, age = empty, 0
        if not frozen_memory:
            age += 1
            if scales:
                memories = moved_scales(slow, smooth_form, memories, encoding, s)
            else:
                before = memories[0]
                memories = [moved(slow, update, smooth_form, momentum, before, encoding, s)]
        read = memories[0]
        if scales:
            read = read_scales(slow, combine, memories, encoding, max(1, age))
        flat = generated(slow, hypernet, read)
        steps.append(Step(flat, memories, read, encoding, rho, s, mean, variance))
    return steps
