"""The temporal context model, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass
class Episode:
    key: Tensor
    value: Tensor
    context: Tensor
    number: int


def drifted(context: Tensor, arrived: Tensor, slow: Mapping[str, Tensor]) -> Tensor:
    """unit(lambda c + sqrt(1 - lambda^2) unit(x))."""
    decay = 1 / (1 + (-slow["drift.decay_logit"]).exp())
    return unit(decay * context + (1 - decay**2) ** 0.5 * unit(arrived))


def written(
    keys: Tensor,
    values: Tensor,
    *,
    slow: Mapping[str, Tensor],
    capacity: int,
    contexts: Tensor | None = None,
) -> tuple[list[Episode], Tensor]:
    """The episodes still stored, oldest first, and the context after them."""
    context = torch.zeros(slow["drift.key_in"].shape[1], dtype=values.dtype)
    stored: list[Episode] = []
    for number, (k, v) in enumerate(zip(keys, values, strict=True)):
        given = None if contexts is None else contexts[number]
        stored.append(Episode(unit(k), v, context if given is None else unit(given), number))
        stored = stored[-capacity:]
        context = drifted(context, k @ slow["drift.key_in"] if given is None else given, slow)
    return stored, context


def read(
    stored: list[Episode],
    n: int,
    query: Tensor,
    cue: Tensor | None,
    slow: Mapping[str, Tensor],
    like: Tensor,
) -> Tensor:
    """Softmax over beta (cos + w_c cos of contexts) + w_r exp(-lambda_r age), n events so far."""
    if not stored:
        return torch.zeros_like(like)
    beta, rate = slow["log_beta"].exp(), slow["log_recency_rate"].exp()
    logits = []
    for episode in stored:
        match = unit(query) @ episode.key
        if cue is not None:
            match = match + slow["context_weight"] * (unit(cue) @ episode.context)
        logits.append(beta * match + slow["recency_weight"] * (-rate * (n - episode.number)).exp())
    total = torch.zeros_like(like)
    for weight, episode in zip(torch.stack(logits).softmax(0), stored, strict=True):
        total = total + weight * episode.value
    return total


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    slow: Mapping[str, Tensor],
    capacity: int = 100,
    cue_with_state: bool = True,
    contexts: Tensor | None = None,
    cues: Tensor | None = None,
) -> Tensor:
    """Reads in the contexts given, or in the present one."""
    stored, context = written(keys, values, slow=slow, capacity=capacity, contexts=contexts)
    own = context if cue_with_state else None
    return torch.stack(
        [
            read(stored, len(keys), q, own if cues is None else cues[i], slow, values[0])
            for i, q in enumerate(queries)
        ]
    )


def successor(
    keys: Tensor, values: Tensor, queries: Tensor, *, slow: Mapping[str, Tensor], capacity: int
) -> Tensor:
    """Reads with a zero key in the context that follows the one in which a query was met."""
    stored, _ = written(keys, values, slow=slow, capacity=capacity)
    recalled = []
    for q in queries:
        logits = torch.stack([slow["log_beta"].exp() * (unit(q) @ e.key) for e in stored])
        met = sum(
            (w * e.context for w, e in zip(logits.softmax(0), stored, strict=True)),
            torch.zeros_like(stored[0].context),
        )
        following = drifted(met, q @ slow["drift.key_in"], slow)
        recalled.append(read(stored, len(keys), 0 * q, following, slow, values[0]))
    return torch.stack(recalled)
