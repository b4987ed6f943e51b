"""A transformer with memories of pooled hidden states, one token at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.reference.features import unit
from tests.reference.transformer import Slow, answer, event_token, hidden, query_token


def slots(states: list[Tensor], scale: int) -> list[Tensor]:
    """Means of the hidden states over each complete span of `scale` events."""
    means = []
    total, n = torch.zeros_like(states[0]), 0
    for t, state in enumerate(states, start=1):
        total, n = total + state, n + 1
        if t % scale == 0:
            means.append(total / n)
            total, n = torch.zeros_like(total), 0
    return means


def read(means: list[Tensor], h: Tensor, slow: Slow, i: int, beta: float) -> Tensor:
    """Softmax attention over the means of scale number i."""
    if not means:
        return torch.zeros_like(h)
    probe = unit(h @ slow[f"query_in.{i}.weight"])
    logits = torch.stack([beta * (probe @ unit(m @ slow[f"key_in.{i}.weight"])) for m in means])
    rows = torch.stack([m @ slow[f"value_in.{i}.weight"] for m in means])
    return logits.softmax(0) @ rows


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    slow: Slow,
    heads: int,
    scales: tuple[int, ...],
    capacity: int,
    beta: float = 16.0,
) -> Tensor:
    """Reads of all scales, weighted by a softmax linear in the hidden state."""
    window = slow["encoder.positions"].shape[0]
    tokens: list[Tensor] = []
    states: list[Tensor] = []
    for k, v in zip(keys, values, strict=True):
        tokens.append(event_token(k, v, slow))
        states.append(hidden(tokens[-window:], slow, heads))
    kept = [slots(states, scale)[-capacity:] for scale in scales]
    out = []
    for q in queries:
        h = hidden([*tokens, query_token(q, values.shape[1], slow)][-window:], slow, heads)
        shares = (h @ slow["preference.weight"] + slow["preference.bias"]).softmax(0)
        recalled = torch.zeros_like(h)
        for i, means in enumerate(kept):
            recalled = recalled + shares[i] * read(means, h, slow, i, beta)
        out.append(answer(h, recalled, slow))
    return torch.stack(out)
