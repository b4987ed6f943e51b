"""Episodic recall, one query and one event at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass
class Episode:
    """One event that is still stored; `parents` are its ancestors in a tree, lowest first."""

    number: int
    key: Tensor
    value: Tensor
    time: Tensor
    context: Tensor | None
    parents: tuple[int, ...] = ()


def episodes(
    keys: Tensor,
    values: Tensor,
    capacity: int,
    times: Tensor | None = None,
    contexts: Tensor | None = None,
) -> list[Episode]:
    """The newest events, oldest first."""
    held: list[Episode] = []
    for i in range(len(keys)):
        time = torch.tensor(float(i), dtype=keys.dtype) if times is None else times[i]
        context = None if contexts is None else contexts[i]
        held.append(Episode(i, keys[i], values[i], time, context))
        if len(held) > capacity:
            held.pop(0)
    return held


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return unit(a) @ unit(b)


def cues(
    episode: Episode,
    n: int,
    scale: Mapping[str, Tensor],
    time: Tensor | None,
    context: Tensor | None,
) -> Tensor:
    """What context, time and recency add to an episode's score after n events."""
    score = scale["recency_weight"] * torch.exp(-scale["recency_rate"] * (n - episode.number))
    if context is not None and episode.context is not None:
        alike = cosine(context, episode.context)
        score = score + scale["beta"] * scale["context_weight"] * alike
    if time is not None:
        near = torch.exp(-torch.abs(time - episode.time) / scale["time_scale"])
        score = score + scale["beta"] * scale["time_weight"] * near
    return score


def scales(memory: Any) -> dict[str, Tensor]:
    """The memory's slow scalars by the names of the equation."""
    return {
        "beta": memory.log_beta.exp(),
        "context_weight": memory.context_weight,
        "time_weight": memory.time_weight,
        "time_scale": memory.log_time_scale.exp(),
        "recency_weight": memory.recency_weight,
        "recency_rate": memory.log_recency_rate.exp(),
    }


def mixed(scores: list[Tensor], values: list[Tensor], *, top1: bool) -> Tensor:
    """Values weighted by the softmax of their scores, or the one of the best and newest."""
    if top1:
        best = max(range(len(scores)), key=lambda j: (float(scores[j].detach()), j))
        return values[best]
    weights = torch.stack(scores).softmax(0)
    return torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)


Answer = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]


def ask(
    answer: Answer,
    queries: Tensor,
    times: Tensor | None,
    contexts: Tensor | None,
    *,
    depth: int = 1,
) -> Tensor:
    """The answer to each query with its cues, asked again `depth` times over."""
    recalled = []
    for i, q in enumerate(queries):
        time = None if times is None else times[i]
        context = None if contexts is None else contexts[i]
        r = answer(q, time, context)
        for _ in range(depth - 1):
            r = answer(unit(q + r), time, context)
        recalled.append(r)
    return torch.stack(recalled)


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    times: Tensor | None = None,
    contexts: Tensor | None = None,
    query_times: Tensor | None = None,
    query_contexts: Tensor | None = None,
    *,
    capacity: int,
    scale: Mapping[str, Tensor],
    address: Callable[[Tensor], Tensor] = lambda x: x,
    top1: bool = False,
    depth: int = 1,
) -> Tensor:
    """Softmax over beta cos(address(q), address(k)) and the cues, weighting values."""
    held = episodes(keys, values, capacity, times, contexts)

    def answer(q: Tensor, time: Tensor | None, context: Tensor | None) -> Tensor:
        if not held:
            return torch.zeros(values.shape[1], dtype=values.dtype)
        scores = [
            scale["beta"] * cosine(address(q), address(e.key))
            + cues(e, len(keys), scale, time, context)
            for e in held
        ]
        return mixed(scores, [e.value for e in held], top1=top1)

    return ask(answer, queries, query_times, query_contexts, depth=depth)
