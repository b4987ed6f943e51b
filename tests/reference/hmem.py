"""H-Mem origin by origin: lists, dictionaries, plain module calls and torch's own optimiser."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.forecasters.hmem.evidence import Evidence

SHARES = {"snma": 1.0, "chrc": 0.5, "fusion": 0.5}


@dataclass(frozen=True)
class Settings:
    """What distinguishes one H-Mem from another, beside the modules it is made of."""

    horizon: int
    rows: int
    capacity: int
    decay: float
    min_similarity: float
    min_entries: int
    top_k: int
    weights: tuple[float, float, float]
    offset: float
    store: str
    gain_penalty: float
    clip: float | None
    online_lr: float
    total: int
    cosine: bool
    warmup: int
    temperature: float = 0.1
    weight_decay: float = 0.01
    train_every: int = 1
    cached: bool = False


@dataclass
class Event:
    """One error in the bank."""

    key: Tensor
    value: Tensor
    time: int
    importance: float
    hits: float = 0.0


@dataclass
class Bank:
    """A list of slots: the first free one is written, then that of the lowest score."""

    settings: Settings
    slots: list[Event | None] = field(default_factory=list)

    def write(self, event: Event, now: int) -> None:
        if len(self.slots) < self.settings.capacity:
            self.slots.append(event)
        else:
            scores = self.scores(now)
            self.slots[scores.index(min(scores))] = event

    def scores(self, now: int) -> list[float]:
        importance, frequency, recency = self.settings.weights
        most = max(event.importance for event in self.slots)
        hits = max(event.hits for event in self.slots)
        oldest = max(now - event.time for event in self.slots)
        offset = self.settings.offset
        return [
            importance * event.importance / (most + 1e-8)
            + frequency * event.hits / (hits + offset)
            + recency * (1 - (now - event.time) / (oldest + offset))
            for event in self.slots
        ]

    def recall(self, query: Tensor, origin: int) -> tuple[Evidence, list[Event]]:
        """The evidence of what was there at an origin, and the events that it is made of."""
        settings = self.settings
        there = [event for event in self.slots if event.time <= origin]
        scored = [
            (event.key @ query * settings.decay ** (origin - event.time + 1), event)
            for event in there
        ]
        scored.sort(key=lambda pair: -float(pair[0].detach()))
        best = scored[: settings.top_k]
        if len(there) < settings.min_entries:
            best = []
        best = [
            (near, event) for near, event in best if float(near.detach()) >= settings.min_similarity
        ]
        similarity = torch.zeros(settings.top_k)
        error = torch.zeros_like(self.slots[0].value) if self.slots else torch.zeros(())
        if best:
            near = torch.stack([pair[0] for pair in best])
            weights = (near / settings.temperature).softmax(0)
            error = sum(w * event.value for w, (_, event) in zip(weights, best, strict=True))
            similarity = torch.cat([near, torch.zeros(settings.top_k - len(best))])
        valid = torch.arange(settings.top_k) < len(best)
        filled = torch.tensor(len(self.slots) / settings.capacity)
        evidence = Evidence(error, similarity, valid, valid.any(), filled)
        return evidence, [event for _, event in best]


@dataclass
class Issued:
    """What is remembered of a forecast until its target is known."""

    rows: Tensor
    forecast: Tensor
    snma: dict[str, Tensor]
    evidence: Evidence | None


class Reference:
    """H-Mem over a stream, one origin after another.

    Args:
        forecaster: Where the initial modules are copied from.
        settings: What to do with them.
    """

    def __init__(self, forecaster: Any, settings: Settings) -> None:
        self.settings = settings
        self.adapter = copy.deepcopy(forecaster.adapter)
        self.injection = forecaster.injection
        self.backbone = copy.deepcopy(forecaster.backbone).requires_grad_(False)
        self.parts = [(name, getattr(self.adapter, name)) for name in SHARES]
        self.parts = [(name, part) for name, part in self.parts if part is not None]
        groups = [{"params": list(part.parameters())} for _, part in self.parts]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        self.bank = Bank(settings)
        self.issued: dict[int, Issued] = {}
        self.snma = {} if self.adapter.snma is None else self.adapter.snma.init_state()
        self.trained = self.revealed = 0

    def step(self, origin: int, window: Tensor, past: Tensor, target: Tensor) -> Tensor:
        """The forecast [H, C] at an origin, after what became known at it was learned."""
        known = self.issued.get(origin - self.settings.horizon)
        if known is not None:
            self.learn(origin, known, past, target)
        with torch.no_grad():
            return self.issue(origin, window)

    def issue(self, origin: int, window: Tensor) -> Tensor:
        rows = window[-self.settings.rows :]
        before = self.snma
        adapted, self.snma, info = self.adapt(before, rows, window)
        final, evidence = adapted, None
        if self.adapter.chrc is not None:
            key, z = self.key(rows, adapted, info)
            evidence, events = self.bank.recall(key, origin)
            final = adapted + self.correction(adapted, z, evidence, info)
            for event in events:
                event.hits += 1
        stored = {"final": final, "adapted": adapted, "base": self.backbone(window[None])[0]}
        self.issued[origin] = Issued(rows, stored[self.settings.store], before, evidence)
        return final

    def learn(self, now: int, known: Issued, past: Tensor, target: Tensor) -> None:
        settings, origin = self.settings, now - self.settings.horizon
        if self.adapter.chrc is not None:
            with torch.no_grad():
                adapted, _, info = self.adapt(known.snma, known.rows, past)
                key = self.key(known.rows, known.forecast, info)[0]
                error = target - known.forecast
                self.bank.write(Event(key, error, now, float(error.abs().mean())), now)
        self.revealed += 1
        if self.revealed % settings.train_every:
            return
        adapted, _, info = self.adapt(known.snma, known.rows, past)
        final = adapted
        if self.adapter.chrc is not None:
            key, z = self.key(known.rows, adapted, info)
            evidence = known.evidence if settings.cached else self.bank.recall(key, origin)[0]
            final = adapted + self.correction(adapted, z, evidence, info)
        loss = F.mse_loss(final, target)
        if settings.gain_penalty:
            base = F.mse_loss(self.backbone(past[None])[0], target)
            gain = F.mse_loss(adapted, target) - base
            loss = loss + settings.gain_penalty * F.relu(gain)
        self.optimiser.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
        self.take()

    def take(self) -> None:
        """One step of the groups that learn."""
        settings = self.settings
        for (name, part), group in zip(self.parts, self.optimiser.param_groups, strict=True):
            rate = SHARES[name] * settings.online_lr
            if settings.cosine:
                floor = 0.01 * settings.online_lr
                phase = math.pi * min(self.trained, settings.total) / settings.total
                rate = floor + (rate - floor) * (1 + math.cos(phase)) / 2
            group["lr"] = rate
            for parameter in part.parameters():
                frozen = name != "snma" and self.trained < settings.warmup
                if frozen:
                    parameter.grad = None
                elif parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        if settings.clip is not None:
            nn.utils.clip_grad_norm_(self.adapter.parameters(), settings.clip)
        self.optimiser.step()
        self.trained += 1

    def adapt(
        self, state: dict[str, Tensor], rows: Tensor, window: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The adapted forecast [H, C], SNMA's state after it, and what led to it."""
        if self.adapter.snma is None:
            return self.backbone(window[None])[0], {}, {}
        flat, moved, info = self.adapter.snma(state, rows, torch.zeros_like(rows))
        module = copy.deepcopy(self.backbone)
        for layer in self.injection.layers:
            a, b = self.injection.factors(flat, layer.name)
            own = module.get_submodule(layer.name)
            weight = own.weight.detach() + self.injection.scale * b @ a
            del own.weight
            own.weight = weight
        moved = {name: entry.detach() for name, entry in moved.items()}
        return module(window[None])[0], moved, info

    def key(self, rows: Tensor, forecast: Tensor, info: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        z = self.adapter.chrc.encode(rows, info.get("encoding"))
        return self.adapter.chrc.key(z, forecast), z

    def correction(
        self, adapted: Tensor, z: Tensor, evidence: Evidence, info: dict[str, Tensor]
    ) -> Tensor:
        if self.trained < self.settings.warmup or not evidence.any_valid:
            return torch.zeros_like(adapted)
        correction = self.adapter.chrc.correct(adapted, z, evidence)
        if self.adapter.fusion is None:
            return correction.delta
        return self.adapter.fusion(adapted, correction, info["memory"])
