"""One token model trained and evaluated alone: torch's Adam, autograd, one window after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memories.backbones.base import Training
from memories.backbones.tokens import TokenModel

Noise = Callable[[int], torch.Generator]
State = dict[str, Tensor]


class Trainer:
    """Steps of `torch.optim.Adam` on a model whose tokens come from kept snapshots."""

    def __init__(self, model: TokenModel, learning_rate: float, noise: Noise) -> None:
        self.model, self.noise, self.steps = model.eval(), noise, 0
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=learning_rate)

    def step(self, windows: Tensor, targets: Tensor, snapshot: State) -> Tensor:
        """Hidden states of the pass that the step was taken on."""
        model = self.model
        counting = Training()
        with torch.no_grad():
            model.forecast(windows, snapshot, counting)
        training = Training(torch.rand(counting.used, generator=self.noise(self.steps)))
        self.optimiser.zero_grad()
        forecasts, hidden = model.forecast(windows, snapshot, training)
        ((forecasts - targets) ** 2).mean().backward()
        self.optimiser.step()
        buffers = dict(model.named_buffers())
        for name, value in model.statistics(training).items():
            buffers[name].copy_(value)
        self.steps += 1
        return hidden.detach()

    def halve(self) -> None:
        """Half the learning rate from now on."""
        for group in self.optimiser.param_groups:
            group["lr"] /= 2


@dataclass
class Protocol:
    """How a model is trained and evaluated; the words are those of the task."""

    a: int
    b: int
    e: int
    lookback: int
    horizon: int
    stride: int
    chunk: int
    epochs: int
    memory_eval: str
    train_memory: str
    resets: bool
    fill_gaps: bool = True
    batch: int = 32
    patience: int = 3
    learning_rate: float = 1e-4
    whole_batches: bool = False


@dataclass
class Trained:
    """What it came to.

    Attributes:
        epoch: The best one.
        error: Its validation error.
        forecasts: Of the test [n, H, C].
        rows: Rows held, by phase and epoch, at its beginning and end.
    """

    epoch: int = 0
    error: float = float("inf")
    forecasts: Tensor = field(default_factory=lambda: torch.empty(0))
    rows: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


class Run:
    """One training, validation after every epoch and test, of one model on rows [T, C]."""

    def __init__(
        self,
        model: TokenModel,
        rows: Tensor,
        protocol: Protocol,
        order: Callable[[int], np.random.Generator],
        noise: Noise,
    ) -> None:
        self.model, self.rows, self.p, self.order = model, rows, protocol, order
        self.trainer = Trainer(model, protocol.learning_rate, noise)

    def window(self, origin: int) -> Tensor:
        return self.rows[origin - self.p.lookback + 1 : origin + 1]

    def target(self, origin: int) -> Tensor:
        return self.rows[origin + 1 : origin + 1 + self.p.horizon]

    def held(self, state: State) -> int:
        return int(self.model.memory.report(state).get("rows", torch.tensor(-1)))

    @torch.no_grad()
    def through(
        self, origins: Sequence[int], state: State, size: int, stored: Callable[[int], bool]
    ) -> tuple[list[Tensor], list[State], State]:
        """Forecast windows in order, `size` of them from one state, and store them after it."""
        forecasts: list[Tensor] = []
        states: list[State] = []
        for start in range(0, len(origins), size):
            now = origins[start : start + size]
            states.append(state)
            windows = torch.stack([self.window(o) for o in now])
            made, hidden = self.model.forecast(windows, self.model.memory.snapshot(state))
            forecasts += list(made)
            kept = [i for i, o in enumerate(now) if stored(o)]
            if kept:
                state = self.model.memory.absorb_batch(state, hidden[kept])
        return forecasts, states, state

    def training_origins(self) -> list[int]:
        p = self.p
        return list(range(p.lookback - 1, p.a - p.horizon, p.stride))

    def trained_pass(self) -> tuple[list[State], State]:
        empty = self.model.memory.init_state()
        _, states, after = self.through(self.training_origins(), empty, 32, lambda _: True)
        return states, after

    def evaluated(
        self, state: State, start: int, end: int, border: int
    ) -> tuple[list[Tensor], State, State]:
        """Forecasts of origins [start, end), the state before the first and after the last.

        A stream first stores the windows whose targets cross the border.
        """
        p = self.p
        streams = p.memory_eval == "stream"

        def stored(origin: int) -> bool:
            return streams and (origin - (p.lookback - 1)) % p.stride == 0

        if streams and p.fill_gaps:
            gap = range(border - p.horizon, border - 1)
            _, _, state = self.through(gap, state, p.chunk, stored)
        forecasts, _, after = self.through(range(start, end), state, p.chunk, stored)
        return forecasts, state, after

    def validation(self, trained: State) -> tuple[list[Tensor], State, State]:
        p = self.p
        empty = p.memory_eval == "empty"
        state = self.model.memory.init_state() if empty else trained
        return self.evaluated(state, p.a - 1, p.b - p.horizon, p.a)

    def run(self) -> Trained:
        """Epochs until three in a row are worse than the best, then the test."""
        p, memory, found = self.p, self.model.memory, Trained()
        state = memory.init_state()
        kept: dict[str, Any] = {}
        for epoch in range(1, p.epochs + 1):
            if epoch > 2:
                self.trainer.halve()
            if p.resets:
                state = memory.init_state()
            begin = self.held(state)
            state = self._epoch(epoch, state)
            trained = state
            if p.train_memory == "snapshot" or p.memory_eval == "stream":
                trained = self.trained_pass()[1]
            ended = trained if p.train_memory == "snapshot" else state
            found.rows["training", epoch] = (begin, self.held(ended))
            error, ends = self._validate(epoch, trained)
            found.rows["validation", epoch] = ends
            if error <= found.error:
                found.epoch, found.error = epoch, error
                weights = {n: v.clone() for n, v in self.model.state_dict().items()}
                kept = {"weights": weights, "trained": trained}
            if epoch - found.epoch == p.patience:
                break
        self.model.load_state_dict(kept["weights"])
        self._test(found, kept["trained"])
        return found

    def _epoch(self, epoch: int, state: State) -> State:
        p, memory, origins = self.p, self.model.memory, self.training_origins()
        snapshots: list[State] = []
        if p.train_memory == "snapshot":
            snapshots = [memory.snapshot(s) for s in self.trained_pass()[0]]
        places = self.order(epoch).permutation(len(origins)).tolist()
        for start in range(0, len(places), p.batch):
            now = places[start : start + p.batch]
            windows = torch.stack([self.window(origins[i]) for i in now])
            targets = torch.stack([self.target(origins[i]) for i in now])
            if snapshots:
                # the newest that holds no row of the window or of a later one
                own = [snapshots[i // 32] for i in now]
                stacked = {name: torch.stack([s[name] for s in own]) for name in own[0]}
                self.trainer.step(windows, targets, stacked)
            else:
                with torch.no_grad():
                    read = memory.snapshot(state)
                hidden = self.trainer.step(windows, targets, read)
                with torch.no_grad():
                    state = memory.absorb_batch(state, hidden)
        return state

    def _validate(self, epoch: int, trained: State) -> tuple[float, tuple[int, int]]:
        p = self.p
        forecasts, before, after = self.validation(trained)
        losses = [
            float(((f - self.target(o)) ** 2).mean())
            for f, o in zip(forecasts, range(p.a - 1, p.b - p.horizon), strict=True)
        ]
        generator = self.order(epoch)
        generator.permutation(len(self.training_origins()))
        shuffled = np.asarray(losses)[generator.permutation(len(losses))]
        batches = [shuffled[i : i + p.batch].mean() for i in range(0, len(shuffled), p.batch)]
        return float(np.mean(batches)), (self.held(before), self.held(after))

    def _test(self, found: Trained, trained: State) -> None:
        p = self.p
        state = trained
        if p.memory_eval == "empty":
            state = self.model.memory.init_state()
        if p.memory_eval == "stream":
            state = self.validation(trained)[2]
        count = p.e - p.horizon - (p.b - 1)
        count = count // p.batch * p.batch if p.whole_batches else count
        made, before, after = self.evaluated(state, p.b - 1, p.b - 1 + count, p.b)
        found.forecasts = torch.stack(made)
        found.rows["test", 0] = (self.held(before), self.held(after))
