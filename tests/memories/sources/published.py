"""The published episodic memory reduced to what it computes, hidden mutation and all."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from memories.sources.episodic_linear_src import EpisodicLinearSrc


class Published(nn.Module):
    """Autograd and torch's optimiser on parameters that change in place."""

    def __init__(self, memory: EpisodicLinearSrc) -> None:
        super().__init__()
        self.version = memory.version
        self.keys = nn.Parameter(memory.initial_keys.clone())
        self.values = nn.Parameter(memory.initial_values.clone())
        self.contexts = nn.Parameter(memory.initial_contexts.clone())
        start = torch.zeros(memory.capacity, dtype=torch.float64)
        self.times = nn.Parameter(start, requires_grad=self.version.trains_times)
        self.used = torch.zeros(memory.capacity, dtype=torch.bool)
        self.now = 0
        self.rate = float(memory.time_weight)
        trained = [p for p in self.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=float(memory.learning_rate))

    def forward(self, query: Tensor, context: Tensor | None) -> Tensor:
        scores = query @ self.keys.T
        if context is not None:
            scores = scores + 0.5 * context @ self.contexts.T
        elapsed = self.now - self.times
        if self.version.flipped:
            factor = torch.exp(self.rate * elapsed).clamp(1e-8, 1.0)
        else:
            factor = torch.exp(-self.rate * elapsed)
        scores = torch.where(self.used, scores + self.version.recency * factor, -1e9)
        return scores.softmax(-1) @ self.values

    def step(self, key: Tensor, value: Tensor, context: Tensor | None) -> None:
        self.optimiser.zero_grad()
        loss = mse_loss(self(key, context), value)
        used = self.values[self.used]
        if self.version.orthogonality and len(used) > 1:
            gram = used @ used.T - torch.eye(len(used), dtype=used.dtype)
            loss = loss + self.version.orthogonality * torch.norm(gram) ** 2
        loss.backward()
        self.optimiser.step()

    def store(
        self, keys: Tensor, values: Tensor, contexts: Tensor | None, *, rounds: int, steps: int
    ) -> None:
        """One call: all slots first, then the rounds, then the clock."""
        n, capacity = len(keys), len(self.used)
        for i in range(n):
            self.used[(self.now + i) % capacity] = True
            if not self.version.trains_times:
                self.times.data[(self.now + i) % capacity] = self.now + i
        for _ in range(rounds):
            for i in range(n):
                for _ in range(steps):
                    context = None if contexts is None else contexts[i : i + 1]
                    self.step(keys[i : i + 1], values[i : i + 1], context)
        if self.version.trains_times:
            self.times.data[self.now % capacity] = self.now
        self.now += n
