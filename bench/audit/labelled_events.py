"""What routers are tried on: labelled codes, a brief training, and the calls that laws make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench import seeds
from bench.audit.verdict import Broken, clone
from bench.lanes import Lanes
from memories.base import Memory, Router, State

KEY_DIM, EVENTS, MAX_EVENTS = 16, 24, 32
LABEL_GROUPS = (0, 0, 1, 1, 2, 2, 3, 3)
LABELS = len(LABEL_GROUPS)
STEPS, BATCH = 6, 8
DICTATED: Mapping[str, Any] = {
    "key_dim": KEY_DIM,
    "label_groups": LABEL_GROUPS,
    "max_events": MAX_EVENTS,
    "continual": False,
}
CONTINUAL: Mapping[str, Any] = {**DICTATED, "continual": True}
"""Sizes of the law that is tried on a router which is trained in stages."""

Build = Callable[[int], Router]
"""Makes the router of a seed."""


@dataclass(frozen=True)
class Events:
    """N labelled events and as many queries of one lane."""

    z: Tensor
    labels: Tensor
    ids: Tensor
    queries: Tensor

    @classmethod
    def draw(cls, seed: int, n: int = EVENTS) -> Events:
        """Random unit codes; every label occurs."""
        generator = seeds.torch_generator(seed, seeds.TEST, "audit")

        def codes() -> Tensor:
            return torch.nn.functional.normalize(
                torch.randn(n, KEY_DIM, generator=generator), dim=-1
            )

        z, labels = codes(), torch.randperm(n, generator=generator) % LABELS
        return cls(z, labels, torch.arange(n) + 1000 * seed, (z + codes()) / 2)

    def part(self, start: int, end: int) -> Events:
        """Events start..end-1."""
        return Events(*(given[start:end] for given in self.tensors()))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All four, in order."""
        return self.z, self.labels, self.ids, self.queries

    def after(self, t: int) -> Events:
        """The same up to event t; every later one replaced by another code, label and id."""
        kept, later = self.part(0, t + 1), self.part(t + 1, EVENTS)
        other = (-later.z.flip(-1), (later.labels + 1) % LABELS, later.ids + 500, later.queries)
        return Events(*(torch.cat(pair) for pair in zip(kept.tensors(), other, strict=True)))

    def with_another(self, at: int) -> Events:
        """The same with another code and label under the id of one event."""
        changed = [given.clone() for given in self.tensors()]
        changed[0][at] = -self.z[at].flip(-1)
        changed[1][at] = (self.labels[at] + 1) % LABELS
        return Events(*changed)

    def training(self) -> dict[str, Tensor]:
        """What `fit` is given, copies of it."""
        named = {"z": self.z, "label": self.labels, "id": self.ids, "order": steps()}
        return clone(named)


def steps() -> Tensor:
    """Rows [T, B] of a short training."""
    return torch.arange(STEPS * BATCH).reshape(STEPS, BATCH) % EVENTS


def fits(router: Memory) -> bool:
    """Whether it trains slow weights before it learns events."""
    return type(router).fit is not Memory.fit


def fit(router: Router, seed: int) -> None:
    """Train its slow weights briefly, on the events of the seed."""
    router.fit(Events.draw(seed).training(), seeds.torch_generator(seed, seeds.META))


class Fitted:
    """Builds routers that are fitted, once per seed.

    Args:
        build: Makes one that is not fitted yet.
    """

    def __init__(self, build: Build) -> None:
        self.build = build
        self.known: dict[int, dict[str, Tensor]] = {}

    def __call__(self, seed: int) -> Router:
        """The router of a seed."""
        router = self.build(seed)
        if fits(router):
            if seed not in self.known:
                fit(router, seed)
                self.known[seed] = clone(router.state_dict())
            router.load_state_dict(self.known[seed])
        return router


def learn(router: Router, state: State, events: Events) -> State:
    """The state after the events."""
    return router.learn(state, events.z, events.labels, events.ids)


def answer(router: Router, state: State, queries: Tensor) -> Tensor:
    """Scores and routing side by side, [Q, labels + banks]."""
    scores, routing, _ = router.route(state, queries)
    return torch.cat([scores, routing], dim=-1)


def lane_answers(routers: Sequence[Router], events: Sequence[Events], method: str) -> Tensor:
    """Answers [S, Q, labels + banks] of lanes after `learn` or `fit_stage`."""
    z, labels, ids, queries = (
        torch.stack(parts) for parts in zip(*(own.tensors() for own in events), strict=True)
    )
    lanes = Lanes(routers)
    given: tuple[Tensor, ...] = (z, labels, ids)
    if method == "fit_stage":
        given = (*given, steps().expand(len(events), -1, -1))
    state = lanes.call(method, lanes.init_state(), *given)
    scores, routing, _ = lanes.call("route", state, queries, None)
    return torch.cat([scores, routing], dim=-1)


def require_layout(
    method: str, state: State, layout: Mapping[str, tuple[torch.Size, torch.dtype]]
) -> None:
    """Nothing, if the state still has its layout.

    Raises:
        Broken: If a name, shape or dtype changed.
    """
    now = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
    if now != layout:
        names = sorted(n for n in now.keys() | layout.keys() if now.get(n) != layout.get(n))
        raise Broken(f"{method} changed the layout of {', '.join(names)}")
