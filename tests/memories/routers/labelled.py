"""Small labelled events and routers for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench import registry
from bench.reading import values
from bench.running import construct
from memories.features import unit
from tests.memories.case import generator

WIDTH, GROUPS = 16, (0, 0, 1, 1, 2, 2, 3, 3)
"""Eight labels in four groups."""
ROUTERS = ("dense-moe", "hpm", "hpm-source", "hpm-static")


def router(name: str, seed: int = 0, *, continual: bool = False, **params: Any) -> Any:
    """A registered router as a suite builds it."""
    entry = registry.get("memory", name)
    resolved, wrong = values.resolve(entry, params)
    assert not wrong
    dictated = {
        "key_dim": WIDTH,
        "label_groups": GROUPS,
        "max_events": 64,
        "continual": continual,
    }
    return construct.build_memory(name, resolved, dictated, generator(seed))


def events(seed: int, per_label: int = 8, *, spread: float = 0.6) -> dict[str, Tensor]:
    """Unit codes around one centre per label, shuffled; ids count from 100."""
    rng = generator(seed)
    centres = unit(torch.randn(len(GROUPS), WIDTH, generator=generator(1000)))
    label = torch.arange(len(GROUPS)).repeat_interleave(per_label)
    label = label[torch.randperm(len(label), generator=rng)]
    noise = torch.randn(len(label), WIDTH, generator=rng) / WIDTH**0.5
    z = unit(centres[label] + spread * noise)
    return {"z": z, "label": label, "id": torch.arange(100, 100 + len(label))}


def order(seed: int, steps: int, rows: int, batch: int = 16) -> Tensor:
    """Rows of each step, drawn without replacement within one."""
    rng = generator(seed)
    return torch.stack([torch.randperm(rows, generator=rng)[:batch] for _ in range(steps)])


def training(seed: int, steps: int, per_label: int = 8) -> dict[str, Tensor]:
    """What `fit` is given."""
    known = events(seed, per_label)
    return {**known, "order": order(seed + 50, steps, len(known["z"]))}


def as_double(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: x.double() if x.is_floating_point() else x for n, x in given.items()}


def learned(memory: Any, known: dict[str, Tensor]) -> Any:
    """The state after these events."""
    return memory.learn(memory.init_state(), known["z"], known["label"], known["id"])


def accuracy(memory: Any, state: Any, asked: dict[str, Tensor]) -> float:
    with torch.no_grad():
        scores, _, _ = memory.route(state, asked["z"])
    return float((scores.argmax(-1) == asked["label"]).double().mean())
