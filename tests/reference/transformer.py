"""A pre-LN transformer over one window, token by token and head by head."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Slow = Mapping[str, Tensor]


def layernorm(x: Tensor, slow: Slow, name: str) -> Tensor:
    centred = x - x.mean()
    normed = centred / torch.sqrt((centred * centred).mean() + 1e-5)
    return normed * slow[f"{name}.weight"] + slow[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def block(tokens: list[Tensor], slow: Slow, name: str, heads: int) -> list[Tensor]:
    """All tokens after causal attention and the feed-forward layer."""
    normed = [layernorm(x, slow, f"{name}.attention_norm") for x in tokens]
    q, k, v = (
        [x @ slow[f"{name}.{part}.weight"] for x in normed] for part in ("query", "key", "value")
    )
    size = tokens[0].shape[0] // heads
    out = []
    for t, x in enumerate(tokens):
        attended = []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = torch.stack([q[t][part] @ k[s][part] for s in range(t + 1)]) / math.sqrt(size)
            rows = torch.stack([v[s][part] for s in range(t + 1)])
            attended.append(scores.softmax(0) @ rows)
        x = x + torch.cat(attended) @ slow[f"{name}.out.weight"]
        h = layernorm(x, slow, f"{name}.feed_norm")
        h = gelu(h @ slow[f"{name}.up.weight"] + slow[f"{name}.up.bias"])
        out.append(x + h @ slow[f"{name}.down.weight"] + slow[f"{name}.down.bias"])
    return out


def hidden(tokens: list[Tensor], slow: Slow, heads: int) -> Tensor:
    """Hidden state of the last of at most W tokens; positions count back from it."""
    positions = slow["encoder.positions"]
    first = positions.shape[0] - len(tokens)
    x = [token + positions[first + i] for i, token in enumerate(tokens)]
    layers = len({name.split(".")[2] for name in slow if name.startswith("encoder.blocks.")})
    for layer in range(layers):
        x = block(x, slow, f"encoder.blocks.{layer}", heads)
    return layernorm(x[-1], slow, "encoder.norm")


def event_token(k: Tensor, v: Tensor, slow: Slow) -> Tensor:
    """[k, v, 1, 0] E."""
    return torch.cat([k, v, k.new_tensor([1.0, 0.0])]) @ slow["embedding.weight"]


def query_token(q: Tensor, value_dim: int, slow: Slow) -> Tensor:
    """[q, 0, 0, 1] E."""
    rest = q.new_tensor([0.0] * (value_dim + 1) + [1.0])
    return torch.cat([q, rest]) @ slow["embedding.weight"]


def answer(h: Tensor, recalled: Tensor, slow: Slow) -> Tensor:
    """(h + sigmoid(g) r W_o) H + b."""
    gate = 1 / (1 + (-slow["recall_gate"]).exp())
    joined = h + gate * (recalled @ slow["recall_out.weight"])
    return joined @ slow["head.weight"] + slow["head.bias"]
