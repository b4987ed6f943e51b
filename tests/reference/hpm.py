"""Hierarchical primitive memory one query, one bank and one primitive at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from tests.reference import ring


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return a @ b / ((a.norm() + 1e-8) * (b.norm() + 1e-8))


def nearest(query: Tensor, keys: Sequence[Tensor], count: int) -> list[int]:
    """The keys of highest cosine, oldest key first in the list, the newest of equal ones."""
    ranked = [(-float(cosine(query, key).detach()), -age) for age, key in enumerate(keys)]
    return [-age for _, age in sorted(ranked)[:count]]


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    count: int,
    temperature: float,
    scale: str = "cos-tau",
) -> Tensor:
    """The mean of the nearest values, weighted by a softmax."""
    events = ring.kept(keys, values, capacity, lambda x: x)
    recalled = []
    for q in queries:
        total = values.new_zeros(values.shape[1])
        near = nearest(q, [k for k, _ in events], count)
        if near:
            logits = [
                cosine(q, events[i][0]) / temperature
                if scale == "cos-tau"
                else q @ events[i][0] / math.sqrt(len(q))
                for i in near
            ]
            for weight, i in zip(torch.stack(logits).softmax(0), near, strict=True):
                total = total + weight * events[i][1]
        recalled.append(total)
    return torch.stack(recalled)


def static_answer(banks: Any, bank: int, z: Tensor, sizes: Sequence[int]) -> Tensor:
    """One static bank's answer to one code."""
    values = banks.primitives if banks.values is None else banks.values
    shares = banks.level_logits[bank].softmax(0)
    query = banks.query_maps[bank] @ z
    total = values.new_zeros(values.shape[-1])
    above: Tensor | None = None
    for level, size in enumerate(sizes):
        logits = []
        for j in range(size):
            logit = query @ banks.primitives[bank, level, j] / math.sqrt(len(z))
            if banks.guided and above is not None:
                logit = logit + (above[j * len(above) // size] + 1e-9).log()
            logits.append(logit)
        attention = torch.stack(logits).softmax(0)
        for j in range(size):
            total = total + shares[level] * attention[j] * values[bank, level, j]
        above = attention
    return total


def routed(router: Any, z: Tensor, available: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Weights and probabilities of one code, both over all banks."""
    hidden = gelu(z @ router.hidden.weight + router.hidden.bias)
    logits = hidden @ router.out.weight + router.out.bias
    scaled = logits / ((1 + router.theta.exp()).log() + 0.1)
    open_ = [b for b, there in enumerate(available) if there]
    if 0 < len(open_) < router.top_k:
        open_ = list(range(len(available)))
    weights, probabilities = torch.zeros_like(logits), torch.zeros_like(logits)
    if not open_:
        return weights, probabilities
    chosen = sorted(open_, key=lambda b: (-float(logits[b].detach()), b))[: router.top_k]
    for b, share in zip(open_, scaled[open_].softmax(0), strict=True):
        probabilities = probabilities.index_add(0, torch.tensor([b]), share[None])
    for b, share in zip(chosen, scaled[chosen].softmax(0), strict=True):
        weights = weights.index_add(0, torch.tensor([b]), share[None])
    if router.by_probability:
        weights = torch.where(weights > 0, probabilities, 0.0)
    return weights, probabilities


def recall_trained(memory: Any, sizes: Sequence[int]) -> Callable[..., Tensor]:
    """What `hpm-kv-trained` recalls, by its own weights."""

    def recalled(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
        near = recall(
            keys,
            values,
            queries,
            capacity=memory.capacity,
            count=memory.events.retrieval_k,
            temperature=float(memory.events.temperature),
        )
        reads = []
        for q, event in zip(queries, near, strict=True):
            if not len(keys):
                reads.append(event)
                continue
            answers = [static_answer(memory.static, b, q, sizes) for b in range(4)] + [event]
            weights, _ = routed(memory.router, q, [True] * 5)
            mean = torch.stack([w * o for w, o in zip(weights, answers, strict=True)]).sum(0)
            reads.append(memory.output @ mean)
        return torch.stack(reads)

    return recalled


def attended(layer: Any, z: Tensor, answers: Sequence[Tensor]) -> Tensor:
    """Four-headed attention of one code to some answers."""
    if not answers:
        return layer.output.bias
    width = len(z) // 4
    query = z @ layer.query.weight + layer.query.bias
    heads = []
    for head in range(4):
        own = slice(head * width, (head + 1) * width)
        keys = [(o @ layer.key.weight + layer.key.bias)[own] for o in answers]
        values = [(o @ layer.value.weight + layer.value.bias)[own] for o in answers]
        scores = torch.stack([query[own] @ k for k in keys]) / math.sqrt(width)
        heads.append(sum(a * v for a, v in zip(scores.softmax(0), values, strict=True)))
    return torch.cat(heads) @ layer.output.weight + layer.output.bias


@dataclass
class Store:
    """A bank of events as a list, oldest first."""

    capacity: int
    events: list[tuple[Tensor, Tensor, int]]
    evicted: int = 0

    def put(self, key: Tensor, value: Tensor, one: int) -> None:
        self.events.append((key, value, one))
        if len(self.events) > self.capacity:
            self.events.pop(0)
            self.evicted += 1


def forward(core: Any, stores: Sequence[Store], z: Tensor, exclude: Sequence[int]) -> Tensor:
    """z_out [Q, D] of a whole memory with these events in its dynamic banks."""
    settings = core.settings
    flags = settings.behaviour
    out = []
    for code, own in zip(z, exclude, strict=True):
        answers = [
            static_answer(core.static, b, code, settings.sizes) for b in range(len(settings.static))
        ]
        for bank, store in enumerate(stores):
            kept = [e for e in store.events if not flags.exclude_self or own < 0 or e[2] != own]
            total = torch.zeros_like(code)
            near = nearest(code, [k for k, _, _ in kept], settings.retrieval_k)
            if near:
                mapped = core.dynamic.query_maps
                logits = [
                    cosine(code, kept[i][0]) / settings.temperature
                    if mapped is None
                    else mapped[bank] @ code @ kept[i][0] / math.sqrt(len(code))
                    for i in near
                ]
                for weight, i in zip(torch.stack(logits).softmax(0), near, strict=True):
                    total = total + weight * kept[i][1]
            answers.append(total)
        there = [True] * len(settings.static) + [
            not flags.mask_empty or bool(store.events) for store in stores
        ]
        weights, _ = routed(core.router, code, there)
        mean = torch.stack([w * o for w, o in zip(weights, answers, strict=True)]).sum(0)
        if core.aggregator is not None:
            layer = core.aggregator
            seen = [
                o
                for w, o in zip(weights, answers, strict=True)
                if flags.xattn_scope == "all" or float(w.detach()) > 0
            ]
            share = layer.mix.sigmoid()
            mixed = (1 - share) * mean + share * attended(layer, code, seen)
            centred = mixed - mixed.mean()
            scaled = centred / (centred.square().mean() + 1e-5).sqrt()
            mean = scaled * layer.norm_scale + layer.norm_shift
        dz = mean @ core.output.weight + core.output.bias
        out.append(code + core.alpha.tanh() * dz)
    return torch.stack(out)
