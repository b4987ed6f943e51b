"""Training of a drift generator on rows that lie before the stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone, Training
from memories.forecasters.online.drift_adapter import DriftAdapter
from memories.forecasters.online.modulation import Modulation

BATCH = 16
PATIENCE = 3
"""Epochs without a better validation error after which training ends."""
EVALUATION_BATCH = 64


class Pairs:
    """Windows with their targets, gathered by origin.

    Args:
        rows: [T, C].
        lookback: L.
        horizon: H.
    """

    def __init__(self, rows: Tensor, lookback: int, horizon: int) -> None:
        self.rows, self.lookback = rows, lookback
        self._around = torch.arange(1 - lookback, horizon + 1)

    def at(self, origins: Tensor | Sequence[int]) -> Tensor:
        """Rows t-L+1..t+H of each origin, [B, L+H, C]."""
        index = torch.as_tensor(origins, dtype=torch.int64)[:, None] + self._around
        return self.rows[index.to(self.rows.device)]

    def windows(self, pairs: Tensor) -> Tensor:
        """The first L rows."""
        return pairs[:, : self.lookback]

    def targets(self, pairs: Tensor) -> Tensor:
        """The last H rows."""
        return pairs[:, self.lookback :]


class GeneratorTraining:
    """Trains an adapter, or an adapter and its backbone together, as Zhao & Shen (2025) do.

    Origins are shuffled. The pair that a batch's drift is measured from is the previous batch,
    by the mean of its concepts: random batches stand for the drifts to come. After each epoch the
    validation rows are run through in order, every origin with the concept of the pair that is
    complete there, all weights held still; the weights of the best epoch are kept. The weights
    from before the first epoch are no candidate: the backbone was chosen on the same rows, so
    next to nothing would improve on it there, and what is left would be plain online learning.

    Args:
        backbone: Module, [B, L, C] to [B, H, C], in evaluation mode.
        adapter: What generates its scales.
        modulation: Layout of its layers.
        pairs: Training and validation rows.
        joint: Whether the backbone is trained too; then with its dropout and batch statistics.
        learning_rate: Adam's step size.
        generator: Draws the order of origins and the dropout.
    """

    def __init__(
        self,
        backbone: nn.Module,
        adapter: DriftAdapter,
        modulation: Modulation,
        pairs: Pairs,
        *,
        joint: bool,
        learning_rate: float,
        generator: torch.Generator,
    ) -> None:
        self.backbone, self.adapter, self.modulation = backbone, adapter, modulation
        self.pairs, self.rng = pairs, generator
        self._trained = backbone if joint and isinstance(backbone, Backbone) else None
        self.parameters = [*adapter.parameters(), *(backbone.parameters() if joint else ())]
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate)
        self._previous = torch.zeros_like(pairs.at([pairs.lookback - 1]))
        self._noise_sizes: dict[int, int] = {}

    def run(self, training: range, validation: range, epochs: int) -> None:
        """Train until the validation error stops falling, and go back to the best weights."""
        best, best_error, best_epoch = self._weights(), math.inf, 0
        for epoch in range(1, epochs + 1):
            self.epoch(training)
            error = self.error(validation)
            if error < best_error:
                best, best_error, best_epoch = self._weights(), error, epoch
            if epoch - best_epoch >= PATIENCE:
                break
        for module, weights in zip((self.adapter, self.backbone), best, strict=True):
            module.load_state_dict(weights)

    def _weights(self) -> list[dict[str, Tensor]]:
        return [
            {name: entry.clone() for name, entry in module.state_dict().items()}
            for module in (self.adapter, self.backbone)
        ]

    def epoch(self, origins: range) -> None:
        """One Adam step per batch of shuffled origins."""
        order = torch.randperm(len(origins), generator=self.rng) + origins.start
        for batch in torch.split(order, BATCH):
            pairs = self.pairs.at(batch)
            known = self.adapter.pair_concept(self._previous).mean(0)
            training = self._training(self.pairs.windows(pairs))
            forecasts = self._forecasts(self.pairs.windows(pairs), known, training)
            loss = (forecasts - self.pairs.targets(pairs)).square().mean()
            self.optimiser.zero_grad()
            loss.backward(inputs=self.parameters)  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self._keep_statistics(training)
            self._previous = pairs

    def _forecasts(
        self, windows: Tensor, known: Tensor, training: Training | None = None
    ) -> Tensor:
        adaptations = self.adapter.generated(windows, known) + self.adapter.generator.offsets
        with self.modulation.per_sample(self.backbone, adaptations):
            forecasts: Tensor = (
                self.backbone(windows) if training is None else self.backbone(windows, training)
            )
        return forecasts

    def _training(self, windows: Tensor) -> Training | None:
        """Dropout and batch statistics of one batch; None where the backbone has none."""
        if self._trained is None:
            return None
        if len(windows) not in self._noise_sizes:
            self._noise_sizes[len(windows)] = self._trained.noise_size(windows)
        noise = torch.rand(self._noise_sizes[len(windows)], generator=self.rng)
        return Training(noise.to(windows.device))

    def _keep_statistics(self, training: Training | None) -> None:
        if self._trained is None or training is None:
            return
        for name, value in self._trained.statistics(training).items():
            self._trained.get_buffer(name).copy_(value)

    @torch.no_grad()
    def error(self, origins: range) -> float:
        """Mean squared error over the origins, each with the newest pair complete at it."""
        total = 0.0
        for part in _parts(origins):
            pairs = self.pairs.at(part)
            recent = self.pairs.at([t - self._horizon for t in part])
            forecasts = self._forecasts(
                self.pairs.windows(pairs), self.adapter.pair_concept(recent)
            )
            errors = (forecasts - self.pairs.targets(pairs)).square().mean((1, 2))
            total += float(errors.double().sum())
        return total / len(origins)

    @property
    def _horizon(self) -> int:
        return self._previous.shape[1] - self.pairs.lookback


def _parts(origins: range) -> Iterator[range]:
    for start in range(0, len(origins), EVALUATION_BATCH):
        yield origins[start : start + EVALUATION_BATCH]
