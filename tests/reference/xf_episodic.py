"""A transformer with a memory of its hidden states, one token at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.reference.transformer import Slow, answer, event_token, hidden, query_token


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    slow: Slow,
    heads: int,
    inner: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """`inner` recalls, from (keys, values, queries) of hidden states, one memory's reads."""
    window = slow["encoder.positions"].shape[0]
    tokens: list[Tensor] = []
    stored: list[Tensor] = []
    for k, v in zip(keys, values, strict=True):
        tokens.append(event_token(k, v, slow))
        stored.append(hidden(tokens[-window:], slow, heads))
    states = torch.stack(stored)
    written = states @ slow["key_in.weight"], states @ slow["value_in.weight"]
    out = []
    for q in queries:
        asked = [*tokens, query_token(q, values.shape[1], slow)][-window:]
        h = hidden(asked, slow, heads)
        out.append(answer(h, inner(*written, (h @ slow["query_in.weight"])[None])[0], slow))
    return torch.stack(out)
