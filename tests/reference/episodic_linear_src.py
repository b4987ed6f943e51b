"""The published episodic memory: autograd on its loss and Adam tensor by tensor, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Adam:
    """Moments and step counter of one tensor; the root of zero is zero, with zero gradient."""

    rate: float
    first: Tensor | float = 0.0
    second: Tensor | float = 0.0
    taken: int = 0

    def moved(self, x: Tensor, gradient: Tensor) -> Tensor:
        self.taken += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        unbiased = self.second / (1 - 0.999**self.taken)
        positive = unbiased > 0
        root = torch.where(positive, torch.where(positive, unbiased, 1.0).sqrt(), 0.0)
        return x - self.rate * self.first / (1 - 0.9**self.taken) / (root + 1e-8)


@dataclass
class Slots:
    """The memory as an object that changes.

    Attributes:
        tensors: ``keys``, ``values``, ``contexts`` and ``times`` of all slots.
        settings: What the versions differ in, by the names of `recall`.
        similarity: Products [M'] of a query with keys [M', ...].
    """

    tensors: dict[str, Tensor]
    settings: dict[str, Any]
    similarity: Any
    now: int = 0
    pointer: int = 0
    used: list[bool] = field(default_factory=list)
    optimisers: dict[str, Adam] = field(default_factory=dict)

    def factor(self, times: Tensor) -> Tensor:
        rate = self.settings["time_weight"]
        if self.settings["flipped"]:
            return torch.exp(-rate * (times - self.now)).clamp(1e-8, 1.0)
        return torch.exp(-rate * (self.now - times))

    def read(self, query: Tensor, context: Tensor | None = None) -> Tensor:
        part = torch.tensor([u or self.settings["competes_unused"] for u in self.used])
        keys, values, contexts, times = (
            self.tensors[name][part] for name in ("keys", "values", "contexts", "times")
        )
        scores = self.similarity(query, keys)
        if context is not None:
            scores = scores + 0.5 * (contexts @ context)
        scores = scores + self.settings["recency"] * self.factor(times)
        return scores.softmax(0) @ values

    def loss(self, key: Tensor, value: Tensor, context: Tensor | None) -> Tensor:
        error = (self.read(key, context) - value).square().mean()
        used = self.tensors["values"][torch.tensor(self.used)]
        if len(used) < 2 or not self.settings["orthogonality"]:
            return error
        gram = used @ used.T - torch.eye(len(used), dtype=used.dtype)
        return error + self.settings["orthogonality"] * gram.square().sum()

    def step(self, key: Tensor, value: Tensor, context: Tensor | None, *, keep: bool) -> None:
        """One Adam step of every tensor that the loss reaches."""
        names = ["keys", "values"] + ["contexts"] * (context is not None)
        names += ["times"] * self.settings["trains_times"]
        with torch.enable_grad():
            for name in names:
                tensor = self.tensors[name]
                self.tensors[name] = tensor if keep else tensor.detach()
                if not self.tensors[name].requires_grad:
                    self.tensors[name].requires_grad_()
            gradients = torch.autograd.grad(
                self.loss(key, value, context), [self.tensors[n] for n in names], create_graph=keep
            )
            for name, gradient in zip(names, gradients, strict=True):
                adam = self.optimisers.setdefault(name, Adam(self.settings["learning_rate"]))
                self.tensors[name] = adam.moved(self.tensors[name], gradient)

    def set(self, name: str, slot: int, row: Tensor) -> None:
        rows = list(self.tensors[name].unbind())
        rows[slot] = row.to(rows[slot].dtype)
        self.tensors[name] = torch.stack(rows)

    def reserve(self, stamp: Tensor, *, stamped: bool) -> int:
        slot = self.pointer % len(self.used)
        self.used[slot] = True
        self.pointer += 1
        if stamped:
            self.set("times", slot, stamp)
        return slot


def written(
    keys: Tensor,
    values: Tensor,
    *,
    initial: dict[str, Tensor],
    contexts: Tensor | None = None,
    times: Tensor | None = None,
    chunk: int | None = None,
    similarity: Any = lambda query, keys: keys @ query,
    **settings: Any,
) -> Slots:
    """The memory after the events, `chunk` of them trained on together (all if None)."""
    start = {name: tensor.clone() for name, tensor in initial.items()}
    start["times"] = torch.zeros(len(start["keys"]), dtype=start["keys"].dtype)
    slots = Slots(start, settings, similarity, used=[False] * len(start["keys"]))
    keep = any(x.requires_grad for x in (keys, values))
    size = len(keys) if chunk is None else chunk
    for first in range(0, len(keys), max(1, size)):
        batch = range(first, min(first + size, len(keys)))
        stamps = [torch.tensor(float(i)) if times is None else times[i] for i in batch]
        taken = [slots.reserve(t, stamped=not settings["trains_times"]) for t in stamps]
        if settings["copies"]:
            for i, slot in zip(batch, taken, strict=True):
                slots.set("keys", slot, keys[i])
                slots.set("values", slot, values[i])
                if contexts is not None:
                    slots.set("contexts", slot, contexts[i])
        for _ in range(settings["rounds"]):
            for i in batch:
                for _ in range(settings["steps"]):
                    context = None if contexts is None else contexts[i]
                    slots.step(keys[i], values[i], context, keep=keep)
        if settings["trains_times"]:
            for slot, stamp in zip(taken, stamps, strict=True):
                slots.set("times", slot, stamp)
        slots.now += len(batch)
    return slots


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    query_contexts: Tensor | None = None,
    **settings: Any,
) -> Tensor:
    """softmax(q K + 0.5 c C + recency f(T)) V after the events."""
    slots = written(keys, values, **settings)
    contexts = [None] * len(queries) if query_contexts is None else query_contexts
    return torch.stack([slots.read(q, c) for q, c in zip(queries, contexts, strict=True)])
