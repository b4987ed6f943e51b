"""A mixture of episodic memories, weighted query by query."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass(frozen=True)
class Expert:
    """One memory of the mixture.

    Attributes:
        recall: Its loop over events.
        similarity: How alike it finds a query and a key.
        capacity: Its slots.
        rows: Parts of a value that it recalls by weights of their own.
    """

    recall: Callable[..., Tensor]
    similarity: Callable[[Tensor, Tensor], Tensor]
    capacity: int
    rows: int = 1

    def weights(self, keys: Tensor, query: Tensor, *cues: Tensor | None) -> Tensor:
        """The weight of each event for one query: what it recalls of values that name events."""
        names = torch.eye(len(keys), dtype=keys.dtype).repeat(1, self.rows)
        times, contexts, time, context = cues
        of_rows = self.recall(keys, names, query[None], times, contexts, time, context)
        return of_rows.reshape(self.rows, -1).mean(0)


@dataclass(frozen=True)
class Router:
    """Weights of the two layers."""

    hidden_in: Tensor
    hidden_bias: Tensor
    out: Tensor
    out_bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        hidden = (features @ self.hidden_in + self.hidden_bias).relu()
        return (hidden @ self.out + self.out_bias).softmax(0)


def evidence(expert: Expert, keys: Tensor, query: Tensor, *cues: Tensor | None) -> list[Tensor]:
    """Largest weight, share of the largest entropy, best similarity."""
    kept = range(max(0, len(keys) - expert.capacity), len(keys))
    weights = expert.weights(keys, query, *cues)
    entropy = -sum(
        weights[i] * torch.log(weights[i]) for i in kept if float(weights[i].detach()) > 1e-12
    )
    similarities = torch.stack([expert.similarity(query, keys[i]) for i in kept])
    return [weights.max(), entropy / math.log(max(2, expert.capacity)), similarities.max()]


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    times: Tensor | None = None,
    contexts: Tensor | None = None,
    query_times: Tensor | None = None,
    query_contexts: Tensor | None = None,
    *,
    experts: list[Expert],
    router: Router,
    capacity: int,
    top_k: int | None = None,
) -> Tensor:
    """sum_e pi_e r_e, over all experts or the `top_k` with the largest pi."""
    if not len(keys):
        return torch.zeros(len(queries), values.shape[1], dtype=values.dtype)
    recalled = []
    for i, query in enumerate(queries):
        time = None if query_times is None else query_times[i : i + 1]
        context = None if query_contexts is None else query_contexts[i : i + 1]
        cues = (times, contexts, time, context)
        features = [*unit(query)]
        for expert in experts:
            features += evidence(expert, keys, query, *cues)
        shares = [min(1.0, len(keys) / capacity), context is not None, time is not None]
        features += [torch.tensor(float(share), dtype=keys.dtype) for share in shares]
        routing = router(torch.stack(features))
        asked = range(len(experts))
        if top_k is not None:
            asked = sorted(asked, key=lambda e: (-float(routing[e].detach()), e))[:top_k]
        total = sum(routing[e] for e in asked)
        answers = [
            experts[e].recall(keys, values, query[None], times, contexts, time, context)[0]
            for e in asked
        ]
        recalled.append(sum(routing[e] / total * r for e, r in zip(asked, answers, strict=True)))
    return torch.stack(recalled)
