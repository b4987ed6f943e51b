"""The gated memory, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.reference.ar_context_drift import drifted
from tests.reference.features import unit


@dataclass
class Slot:
    key: Tensor
    value: Tensor
    gate: Tensor
    number: int


@dataclass
class Store:
    """Slots by place, and the matrix that takes theirs with fast weights."""

    matrix: Tensor
    slots: dict[int, Slot] = field(default_factory=dict)


def opening(gate: Tensor, policy: str) -> Tensor:
    """The gate itself, or 1 with its gradient where it is above 1/2 and 0 elsewhere."""
    if policy == "soft":
        return gate
    return (1.0 if float(gate.detach()) > 0.5 else 0.0) + gate - gate.detach()


def read(store: Store, query: Tensor, *, policy: str, fast: bool, beta: float) -> Tensor:
    if fast:
        return unit(query) @ store.matrix
    total = torch.zeros(store.matrix.shape[1], dtype=query.dtype)
    if not store.slots:
        return total
    held = [store.slots[place] for place in sorted(store.slots)]
    logits = [beta * (unit(query) @ s.key) + (opening(s.gate, policy) + 1e-6).log() for s in held]
    for weight, slot in zip(torch.stack(logits).softmax(0), held, strict=True):
        total = total + weight * slot.value
    return total


def gate_of(
    key: Tensor, value: Tensor, recalled: Tensor, context: Tensor, slow: Mapping[str, Tensor]
) -> Tensor:
    """sigmoid(MLP([unit(k), c, |v - r| / (|v| + 1e-6)]))."""
    missed = value - recalled
    distance = missed.norm() if float(missed.detach().abs().max()) > 0 else 0 * missed.sum()
    length = value.norm() if float(value.detach().abs().max()) > 0 else 0 * value.sum()
    surprised = (distance / (length + 1e-6)).clamp(max=2.0)
    seen = torch.cat([unit(key), context, surprised[None]])
    h = (seen @ slow["gate.first.weight"] + slow["gate.first.bias"]).clamp(min=0)
    return 1 / (1 + (-(h @ slow["gate.last.weight"])[0] - slow["gate.bias"]).exp())


def written(
    keys: Tensor,
    values: Tensor,
    *,
    slow: Mapping[str, Tensor],
    policy: str = "soft",
    fast: bool = False,
    capacity: int = 100,
    beta: float = 16.0,
    contexts: Tensor | None = None,
) -> tuple[Store, list[Tensor]]:
    """What is stored after the events, and their gates."""
    store = Store(torch.zeros(keys.shape[1], values.shape[1], dtype=values.dtype))
    drift = torch.zeros(slow["drift.key_in"].shape[1], dtype=values.dtype)
    gates: list[Tensor] = []
    for number, (k, v) in enumerate(zip(keys, values, strict=True)):
        given = None if contexts is None else contexts[number]
        seen = drift if given is None else unit(given)
        recalled = read(store, k, policy=policy, fast=fast, beta=beta)
        gate = gate_of(k, v, recalled, seen, slow)
        gates.append(gate)
        drift = drifted(drift, k @ slow["drift.key_in"] if given is None else given, slow)
        if fast:
            store.matrix = store.matrix + opening(gate, policy) * torch.outer(unit(k), v)
        elif policy == "soft" or float(gate.detach()) > 0.5:
            place = len(store.slots)
            if place == capacity:
                claims = {
                    p: (float(s.gate.detach()) + 1e-6) * 0.99 ** (number - s.number)
                    for p, s in store.slots.items()
                }
                place = min(claims, key=lambda p: claims[p])
            store.slots[place] = Slot(unit(k), v, gate, number)
    return store, gates


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    policy: str = "soft",
    fast: bool = False,
    beta: float = 16.0,
    **rules: object,
) -> Tensor:
    """Reads after the events."""
    store, _ = written(keys, values, policy=policy, fast=fast, beta=beta, **rules)
    return torch.stack([read(store, q, policy=policy, fast=fast, beta=beta) for q in queries])
